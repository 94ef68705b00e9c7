"""`StructureSet`: an ordered set of periodic structures as ragged arrays."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, nearest
from ..neighbours import shortest_distance
from .properties import KNOWN_PROPERTIES, Property, checked
from .texts import concatenated


class StructureSet:
    """An ordered set of ``n`` periodic structures with ``N`` atoms in all.

    Attributes:
        numbers: atomic numbers, ``(N,)`` uint8.
        positions: Cartesian, Å, ``(N, 3)`` float64.
        cells: rows are the lattice vectors, Å, ``(n, 3, 3)`` float64.
        pbc: ``(n, 3)`` bool.
        offsets: structure ``i`` owns atoms ``offsets[i]:offsets[i + 1]``, ``(n + 1,)`` int64.
        properties: by name, see :class:`Property`.

    Compositions and cells may differ from structure to structure. A set is never changed in place:
    methods return new sets (which may share arrays).
    """

    def __init__(
        self,
        numbers: Any,
        positions: Any,
        cells: Any,
        pbc: Any,
        offsets: Any,
        properties: Mapping[str, Property] | None = None,
    ) -> None:
        """Check the shapes and keep the arrays.

        Raises:
            BadInput: shapes that do not fit each other, or atomic numbers outside 1–118.
        """
        self.numbers = np.asarray(numbers)
        self.positions = _floats("positions", positions, (3,))
        self.cells = _floats("cells", cells, (3, 3))
        self.pbc = np.asarray(pbc, dtype=bool).reshape(-1, 3)
        self.offsets = np.asarray(offsets, dtype=np.int64)
        self.properties: dict[str, Property] = {}
        n, atoms = len(self.cells), len(self.positions)
        if self.numbers.shape != (atoms,) or len(self.pbc) != n or self.offsets.shape != (n + 1,):
            raise BadInput(
                f"structure set: {len(self.numbers)} atomic numbers, {atoms} positions, {n} cells, "
                f"{len(self.pbc)} pbc rows and {len(self.offsets)} offsets do not fit each other"
            )
        if self.offsets[0] != 0 or self.offsets[-1] != atoms or np.any(np.diff(self.offsets) < 0):
            raise BadInput("structure set: offsets must rise from 0 to the number of atoms")
        if atoms and (
            self.numbers.dtype.kind not in "iuf"
            or not (self.numbers == np.floor(self.numbers)).all()  # not NaN either
            or self.numbers.min() < 1
            or self.numbers.max() > 118
        ):
            raise BadInput("structure set: atomic numbers must be whole numbers from 1 to 118")
        self.numbers = self.numbers.astype(np.uint8)
        for name, prop in (properties or {}).items():
            self.properties[name] = checked(name, prop, n, atoms)

    # ------------------------------------------------------------------ building
    @classmethod
    def empty(cls) -> StructureSet:
        """Return a set of no structures."""
        return cls([], np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3)), [0])

    @classmethod
    def from_uniform(
        cls, numbers: Any, positions: Any, cell: Any, pbc: Any = True, properties: Mapping[str, Property] | None = None
    ) -> StructureSet:
        """Build a set in which all structures have the same atoms.

        Args:
            numbers: ``(m,)`` atomic numbers.
            positions: ``(n, m, 3)`` Cartesian positions, Å.
            cell: ``(3, 3)`` for all, or ``(n, 3, 3)``, Å.
            pbc: one bool, three, or ``(n, 3)``.
            properties: see :class:`Property`.
        """
        positions = np.asarray(positions, dtype=np.float64)
        n, m = positions.shape[:2]
        return cls(
            np.tile(np.asarray(numbers), n),
            positions.reshape(-1, 3),
            np.broadcast_to(np.asarray(cell, dtype=np.float64), (n, 3, 3)).copy(),
            np.broadcast_to(np.asarray(pbc, dtype=bool), (n, 3)).copy(),
            np.arange(n + 1) * m,
            properties,
        )

    def with_property(self, name: str, values: Any, level: str | None = None, unit: str | None = None) -> StructureSet:
        """Return a set with one more (or another) property; level and unit of known names are implied."""
        known = KNOWN_PROPERTIES.get(name)
        if level is None:
            if known is None:
                raise BadInput(f"property '{name}' is not one of the project's: say its level and unit")
            level = known[0]
        if unit is None:
            unit = known[1] if known else ""
        return self.with_properties({name: Property(np.asarray(values), level, unit)})

    def with_properties(self, properties: Mapping[str, Property]) -> StructureSet:
        """Return a set with these properties added or replaced."""
        return StructureSet(
            self.numbers, self.positions, self.cells, self.pbc, self.offsets, {**self.properties, **properties}
        )

    def without_properties(self, *names: str) -> StructureSet:
        """Return a set without the named properties (all of them when none is named)."""
        drop = set(names) or set(self.properties)
        kept = {name: prop for name, prop in self.properties.items() if name not in drop}
        return StructureSet(self.numbers, self.positions, self.cells, self.pbc, self.offsets, kept)

    def with_positions(self, positions: Any) -> StructureSet:
        """Return a set with other positions ``(N, 3)`` and the same everything else."""
        return StructureSet(self.numbers, positions, self.cells, self.pbc, self.offsets, self.properties)

    # ------------------------------------------------------------------ reading
    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.cells)

    def __repr__(self) -> str:
        """Return a short description."""
        return f"StructureSet({len(self)} structures, {len(self.positions)} atoms, {sorted(self.properties)})"

    def __eq__(self, other: object) -> bool:
        """Compare atoms, cells and properties bit by bit (NaN equals NaN)."""
        return isinstance(other, StructureSet) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        """Return a hash of the content."""
        return hash(self.content_hash)

    def __iter__(self) -> Iterator[StructureSet]:
        """Iterate over sets of one structure each."""
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int | slice | Sequence[int] | NDArray[Any]) -> StructureSet:
        """Return the chosen structures (an integer gives a set of one), in the order asked for."""
        n = len(self)
        if isinstance(index, (int, np.integer)):
            if not -n <= index < n:
                raise IndexError(f"structure {index} of a set of {n}")
            chosen = np.array([index % n])
        else:
            chosen = np.arange(n)[index]
        atoms = self._atom_indices(chosen)
        kept = {
            name: Property(prop.values[chosen if prop.level == "structure" else atoms], prop.level, prop.unit)
            for name, prop in self.properties.items()
        }
        offsets = np.concatenate([[0], np.cumsum(self.n_atoms[chosen])]).astype(np.int64)
        return StructureSet(
            self.numbers[atoms], self.positions[atoms], self.cells[chosen], self.pbc[chosen], offsets, kept
        )

    def _atom_indices(self, chosen: NDArray[Any]) -> NDArray[np.int64]:
        counts = self.n_atoms[chosen]
        starts = np.repeat(self.offsets[:-1][chosen] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        return (np.arange(counts.sum()) + starts).astype(np.int64)

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Atoms of each structure, ``(n,)``."""
        return np.diff(self.offsets)

    @property
    def atom_structure(self) -> NDArray[np.int64]:
        """The structure that each atom belongs to, ``(N,)``."""
        return np.repeat(np.arange(len(self)), self.n_atoms)

    def atoms_of(self, i: int) -> slice:
        """Return the slice of the flat arrays that holds structure ``i``."""
        return slice(int(self.offsets[i]), int(self.offsets[i + 1]))

    def values(self, name: str) -> NDArray[Any]:
        """Return the values of a property.

        Raises:
            BadInput: there is no such property (names the nearest one).
        """
        if name not in self.properties:
            raise BadInput(f"the structures have no property '{name}'{nearest(name, self.properties)}")
        return self.properties[name].values

    @cached_property
    def elements(self) -> list[str]:
        """Chemical symbols that occur, by atomic number."""
        return [_symbols()[number] for number in np.unique(self.numbers)]

    @cached_property
    def formulas(self) -> list[str]:
        """Formula of each structure, elements in order of first appearance, for instance ``Li72Sc12Co36Cl72O72``."""
        symbols = _symbols()
        known: dict[bytes, str] = {}
        result = []
        for i in range(len(self)):
            numbers = self.numbers[self.atoms_of(i)]
            key = numbers.tobytes()
            if key not in known:
                counts = Counter(numbers.tolist())
                known[key] = "".join(f"{symbols[z]}{count if count > 1 else ''}" for z, count in counts.items())
            result.append(known[key])
        return result

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over all arrays, names and units: equal exactly when the content is equal."""
        digest = hashlib.sha256()
        for name, array in sorted(self.arrays().items()):
            array = np.ascontiguousarray(array)
            digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
            digest.update(array.tobytes())
        for name, prop in sorted(self.properties.items()):
            digest.update(f"{name}|{prop.level}|{prop.unit}|".encode())
        return digest.hexdigest()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays under the names that the ``.npz`` file uses (properties as ``property.NAME``)."""
        base = {
            "numbers": self.numbers,
            "positions": self.positions,
            "cells": self.cells,
            "pbc": self.pbc,
            "offsets": self.offsets,
        }
        return base | {f"property.{name}": prop.values for name, prop in self.properties.items()}

    # ------------------------------------------------------------------ combining and checking
    @classmethod
    def concatenate(cls, sets: Sequence[StructureSet]) -> StructureSet:
        """Join sets in order.

        Raises:
            BadInput: nothing to join, or sets whose properties differ (says which).
        """
        if not sets:
            raise BadInput("no structure sets to join")
        filled = [item for item in sets if len(item)] or [sets[0]]
        names = set(filled[0].properties)
        for item in filled[1:]:
            if set(item.properties) != names:
                odd = ", ".join(sorted(names ^ set(item.properties)))
                raise BadInput(f"cannot join structure sets: not all of them have the properties {odd}")
        properties = {}
        for name in sorted(names):
            first = filled[0].properties[name]
            if any(
                (item.properties[name].level, item.properties[name].unit) != (first.level, first.unit)
                for item in filled
            ):
                raise BadInput(f"cannot join structure sets: property '{name}' has other levels or units in some")
            try:
                values = concatenated([item.properties[name].values for item in filled], f"property '{name}'")
            except ValueError as error:
                raise BadInput(f"cannot join structure sets: property '{name}': {error}") from error
            properties[name] = Property(values, first.level, first.unit)
        counts = np.concatenate([item.n_atoms for item in filled])
        return cls(
            np.concatenate([item.numbers for item in filled]),
            np.concatenate([item.positions for item in filled]),
            np.concatenate([item.cells for item in filled]),
            np.concatenate([item.pbc for item in filled]),
            np.concatenate([[0], np.cumsum(counts)]),
            properties,
        )

    def require(self, where: str, *names: str, same_atoms: bool = False, periodic: bool = False) -> StructureSet:
        """Refuse what no task can work with, and return the set itself.

        Args:
            where: named in the error.
            names: properties that must be there.
            same_atoms: whether all structures must have the same atoms in the same order.
            periodic: whether all structures must be periodic along all three lattice vectors.

        Raises:
            BadInput: an empty set, a structure without atoms, NaN or infinite coordinates, a flat cell, a missing
                property, (with ``same_atoms``) structures that differ in their atoms, or (with ``periodic``) a lattice
                vector along which a structure is not periodic.
        """
        if not len(self):
            raise BadInput(f"{where}: the set of structures is empty")
        bare = np.flatnonzero(self.n_atoms == 0)
        if len(bare):
            raise BadInput(f"{where}: structure {_few(bare.tolist())} has no atoms")
        finite = np.isfinite(self.positions).all(axis=1)
        if not finite.all():
            bad = sorted(set(self.atom_structure[~finite].tolist()))
            raise BadInput(f"{where}: NaN or infinite coordinates in structure {_few(bad)}")
        volumes = np.abs(np.linalg.det(self.cells))
        flat = np.flatnonzero(~(volumes > 1e-6))
        if len(flat):
            raise BadInput(f"{where}: no lattice (a cell without volume) in structure {_few(flat.tolist())}")
        if periodic:
            self.require_periodic(where)
        for name in names:
            if name not in self.properties:
                raise BadInput(f"{where}: the structures have no '{name}'{nearest(name, self.properties)}")
        if same_atoms:
            first = self.numbers[self.atoms_of(0)]
            odd = [i for i in range(len(self)) if not np.array_equal(self.numbers[self.atoms_of(i)], first)]
            if odd:
                raise BadInput(
                    f"{where}: all structures must have the same atoms in the same order; structure {_few(odd)} "
                    f"({self.formulas[odd[0]]}) differs from structure 0 ({self.formulas[0]})"
                )
        return self

    def require_periodic(self, where: str, first: int = 0, axes: int = 3) -> None:
        """Refuse structures that are not periodic along their lattice vectors.

        Args:
            where: named in the error.
            first: index of the first structure, where this set is a part of a larger one.
            axes: how many of the lattice vectors count, from the first on (2 for a slab).

        Raises:
            BadInput: names the structures and the flags of the first of them.
        """
        open_ = np.flatnonzero(~self.pbc[:, :axes].all(axis=1))
        if len(open_):
            flags = " ".join("T" if flag else "F" for flag in self.pbc[open_[0]])
            vectors = "all" if axes == 3 else f"the first {axes}"
            raise BadInput(
                f"{where}: structure {_few((first + open_).tolist())} has a lattice but is not periodic along {vectors}"
                f' of its vectors (pbc="{flags}"), and would be treated as a cluster; set pbc="T T T" for bulk'
            )

    def closest_pair(self, i: int) -> float:
        """Return the shortest distance between two atoms of structure ``i`` under its periodicity, Å."""
        positions = self.positions[self.atoms_of(i)]
        for cutoff in (1.0, 3.0, 10.0, 40.0):
            shortest = shortest_distance(positions, self.cells[i], self.pbc[i], cutoff)
            if shortest < cutoff:
                break
        return shortest


def _floats(name: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return real numbers as rows of a shape.

    Raises:
        BadInput: complex numbers, texts, or a number of values that does not fill the rows.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise BadInput(f"structure set: {name} must be real numbers, not {array.dtype}")
    try:
        return array.astype(np.float64, copy=False).reshape(-1, *shape)
    except ValueError as error:
        raise BadInput(f"structure set: {name} of the shape {array.shape} where rows of {shape} are due") from error


def _few(items: Sequence[int]) -> str:
    shown = ", ".join(str(item) for item in items[:5])
    return shown if len(items) <= 5 else f"{shown} and {len(items) - 5} more"


def _symbols() -> list[str]:
    from ase.data import chemical_symbols

    return list(chemical_symbols)
