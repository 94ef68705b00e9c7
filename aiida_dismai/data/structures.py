"""`StructureSetData`: a whole data set in one node."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from aiida.common.exceptions import ValidationError
from aiida.orm import Data, StructureData, TrajectoryData
from numpy.typing import NDArray

from ..engine.errors import BadInput, nearest
from ..engine.structures import (
    Property,
    StructureSet,
    from_ase,
    load_structures,
    read_npz,
    to_ase,
    write_extxyz,
    write_npz,
)
from ..engine.structures.npz import open_arrays
from ..engine.text import visible
from ..engine.untrusted import read_object

FILE_NAME = "structures.npz"
#: What could not be read of the files that a set was made of: ``file``, ``frame`` and ``reason`` of each.
UNREAD_NAME = "unread.json"
#: Characters of a reason, and of the name of a file.
REASON, NAME = 300, 200
#: Arrays that a TrajectoryData has of its own; a property of such a name gets another one there.
TRAJECTORY_ARRAYS = ("positions", "cells", "steps", "times", "symbols", "velocities")
#: Attribute of a TrajectoryData in which the names, levels and units of our properties are kept.
TRAJECTORY_META = "dismai_properties"


class StructureSetData(Data):
    """An ordered set of periodic structures with properties, stored as one ``.npz`` file.

    The attributes (``count``, ``formulas``, ``elements``, ``n_atoms``, ``properties``, ``cell``,
    ``content_hash``) can be queried without reading the file; the arrays are read when asked for.

    Example:
        >>> node = StructureSetData.from_file("train.extxyz")   # doctest: +SKIP
        >>> node.structures.values("energy")                    # doctest: +SKIP
    """

    def __init__(
        self, structures: StructureSet | None = None, unread: Sequence[tuple[str, int, str]] = (), **kwargs: Any
    ) -> None:
        """Build a node.

        Args:
            structures: what it holds.
            unread: file, frame and reason of each structure that was given with them and could not be read. They are
                not part of the set; an evaluation of it counts them as failed.
            kwargs: those of :class:`aiida.orm.Data` (``label``, ``user``, …).
        """
        super().__init__(**kwargs)
        self._loaded: StructureSet | None = None
        if structures is not None:
            self._fill(structures)
        if unread:
            rows = [
                {"file": visible(file, NAME), "frame": int(frame), "reason": visible(reason, REASON)}
                for file, frame, reason in unread
            ]
            content = json.dumps({"unread": rows}, ensure_ascii=False).encode()
            self.base.repository.put_object_from_bytes(content, UNREAD_NAME)
            self.base.attributes.set("n_unread", len(rows))

    def _fill(self, structures: StructureSet) -> None:
        buffer = io.BytesIO()
        write_npz(structures, buffer)
        self.base.repository.put_object_from_bytes(buffer.getvalue(), FILE_NAME)
        counts = structures.n_atoms
        formulas = sorted(set(structures.formulas))
        same_cell = len(structures) > 0 and bool(np.ptp(structures.cells, axis=0).max() == 0)
        self.base.attributes.set_many(
            {
                "count": len(structures),
                "n_atoms_total": int(counts.sum()),
                "n_atoms": int(counts[0]) if len(counts) and np.all(counts == counts[0]) else None,
                "formulas": formulas[:100],
                "n_formulas": len(formulas),
                "elements": structures.elements,
                "cell": structures.cells[0].tolist() if same_cell else None,
                "properties": {
                    name: {"level": prop.level, "unit": prop.unit, "dtype": prop.values.dtype.str}
                    for name, prop in sorted(structures.properties.items())
                },
                "content_hash": structures.content_hash,
            }
        )
        self._loaded = structures

    def _validate(self) -> bool:
        """Refuse to store a node without its file."""
        super()._validate()
        if FILE_NAME not in self.base.repository.list_object_names():
            raise ValidationError(f"StructureSetData without {FILE_NAME}: give it a StructureSet when it is made")
        return True

    # ------------------------------------------------------------------ reading
    @property
    def structures(self) -> StructureSet:
        """The structures; read from the repository the first time.

        Raises:
            BadInput: the stored file cannot be read.
        """
        if getattr(self, "_loaded", None) is None:
            with self.base.repository.open(FILE_NAME, "rb") as handle:
                # npz needs seeking; the handle of a packed object may not seek, bytes in memory do
                self._loaded = read_npz(io.BytesIO(handle.read()))
        assert self._loaded is not None
        return self._loaded

    def read_property(self, name: str) -> NDArray[Any]:
        """Read the values of one property, and none of the other arrays.

        Raises:
            BadInput: there is no such property (names the nearest one).
        """
        if name not in self.property_names:
            raise BadInput(f"the structures have no property '{name}'{nearest(name, self.property_names)}")
        content = io.BytesIO(self.base.repository.get_object_content(FILE_NAME, mode="rb"))
        with open_arrays(content, "a set of structures") as archive:
            return archive.read(f"property.{name}")

    @property
    def n_unread(self) -> int:
        """How many structures were given with these and could not be read."""
        return int(self.base.attributes.get("n_unread", 0))

    @property
    def unread(self) -> list[dict[str, Any]]:
        """What could not be read: ``file``, ``frame`` (from 0) and ``reason`` of each.

        Raises:
            BadInput: the stored list is none.
        """
        if not self.n_unread:
            return []
        content = read_object(self.base.repository.get_object_content(UNREAD_NAME, mode="rb"), UNREAD_NAME)
        rows = content.get("unread")
        if not isinstance(rows, list) or len(rows) != self.n_unread or not all(isinstance(row, dict) for row in rows):
            raise BadInput(f"{UNREAD_NAME}: is not the list of {self.n_unread} structures that could not be read")
        return [{name: row.get(name) for name in ("file", "frame", "reason")} for row in rows]

    def __len__(self) -> int:
        """Return the number of structures, without reading them."""
        return int(self.base.attributes.get("count"))

    @property
    def formulas(self) -> list[str]:
        """The formulas that occur (at most 100 of them)."""
        return list(self.base.attributes.get("formulas"))

    @property
    def elements(self) -> list[str]:
        """The elements that occur, by atomic number."""
        return list(self.base.attributes.get("elements"))

    @property
    def property_names(self) -> list[str]:
        """Names of the properties."""
        return list(self.base.attributes.get("properties"))

    @property
    def content_hash(self) -> str:
        """SHA-256 of the content; equal exactly when two sets are equal."""
        return str(self.base.attributes.get("content_hash"))

    # ------------------------------------------------------------------ conversions
    @classmethod
    def from_file(cls, path: Any) -> StructureSetData:
        """Read npz, extxyz or anything that ASE reads (see :func:`~aiida_dismai.engine.structures.load_structures`)."""
        return cls(load_structures(path).require(str(path)))

    @classmethod
    def from_ase(cls, frames: Iterable[Any]) -> StructureSetData:
        """Build from ASE ``Atoms``, with energy, forces and stress of their calculators."""
        return cls(from_ase(frames))

    @classmethod
    def from_pymatgen(cls, frames: Iterable[Any]) -> StructureSetData:
        """Build from pymatgen structures."""
        from ..engine.structures import from_pymatgen

        return cls(from_pymatgen(list(frames)))

    @classmethod
    def from_structure_data(cls, frames: Iterable[StructureData]) -> StructureSetData:
        """Build from ``StructureData`` nodes (atoms, cell and periodicity; that is all they hold).

        Raises:
            BadInput: alloy sites or vacancies, which have no single atom.
        """
        return cls(structure_data_to_set(frames))

    @classmethod
    def from_trajectory(cls, trajectory: TrajectoryData) -> StructureSetData:
        """Build from a ``TrajectoryData``; its ``energies``-like arrays become properties.

        Positions are taken as Cartesian, Å: AiiDA's convention, which not every plugin of a code follows.
        """
        positions = trajectory.get_positions()
        cells = trajectory.get_cells()
        symbols = trajectory.symbols
        from ase.data import atomic_numbers

        numbers = [atomic_numbers[symbol] for symbol in symbols]
        n, m = positions.shape[:2]
        meta: dict[str, list[str]] = trajectory.base.attributes.get(TRAJECTORY_META, {})
        properties: dict[str, Property] = {}
        for array_name in trajectory.get_arraynames():
            if array_name in TRAJECTORY_ARRAYS:
                continue
            values = trajectory.get_array(array_name)
            level = "atom" if values.shape[:2] == (n, m) else "structure"
            name, level, unit = meta.get(array_name, [array_name, level, ""])
            properties[name] = Property(
                values.reshape(n * m, *values.shape[2:]) if level == "atom" else values, level, unit
            )
        pbc = trajectory.base.attributes.get("pbc", [True, True, True])
        return cls(StructureSet.from_uniform(numbers, positions, cells, pbc, properties))

    def get_structure(self, index: int) -> StructureData:
        """Return one structure as an unstored ``StructureData`` (kinds by element)."""
        return set_to_structure_data(self.structures[index])[0]

    def to_ase(self) -> list[Any]:
        """Return a list of ASE ``Atoms``."""
        return to_ase(self.structures)

    def to_pymatgen(self) -> list[Any]:
        """Return a list of pymatgen structures."""
        from ..engine.structures import to_pymatgen

        return to_pymatgen(self.structures)

    def to_extxyz(self, path: Any) -> None:
        """Write extended XYZ, every digit kept."""
        write_extxyz(self.structures, path)

    def to_trajectory(self) -> TrajectoryData:
        """Return a ``TrajectoryData`` with all numeric properties as arrays.

        Raises:
            BadInput: the structures do not all have the same atoms and periodicity.
        """
        structures = self.structures.require("to_trajectory", same_atoms=True)
        if np.ptp(structures.pbc.astype(int), axis=0).any():
            raise BadInput("to_trajectory: a TrajectoryData has one periodicity for all its frames")
        n, m = len(structures), int(structures.n_atoms[0])
        from ase.data import chemical_symbols

        node = TrajectoryData()
        node.set_trajectory(
            symbols=[chemical_symbols[z] for z in structures.numbers[:m]],
            positions=structures.positions.reshape(n, m, 3),
            cells=structures.cells,
            stepids=np.arange(n),
            pbc=[bool(flag) for flag in structures.pbc[0]],
        )
        meta = {}
        for name, prop in structures.properties.items():
            values = prop.values
            if values.dtype.kind not in "fiub":
                raise BadInput(f"to_trajectory: property '{name}' is text; drop it first (without_properties)")
            array_name = f"{name}_property" if name in TRAJECTORY_ARRAYS else name
            node.set_array(array_name, values.reshape(n, m, *values.shape[1:]) if prop.level == "atom" else values)
            meta[array_name] = [name, prop.level, prop.unit]
        node.base.attributes.set(TRAJECTORY_META, meta)
        return node


def structure_data_to_set(frames: Iterable[StructureData]) -> StructureSet:
    """Turn ``StructureData`` nodes into a set (atoms, cells, periodicity).

    Raises:
        BadInput: alloy sites or vacancies.
    """
    from ase import Atoms

    result = []
    for index, frame in enumerate(frames):
        if frame.is_alloy or frame.has_vacancies:
            raise BadInput(f"structure {index} has alloy sites or vacancies; give one atom to each site first")
        kinds = {kind.name: kind.symbol for kind in frame.kinds}
        result.append(
            Atoms(
                [kinds[site.kind_name] for site in frame.sites],
                positions=[site.position for site in frame.sites],
                cell=frame.cell,
                pbc=frame.pbc,
            )
        )
    return from_ase(result)


def set_to_structure_data(structures: StructureSet) -> list[StructureData]:
    """Turn a set into unstored ``StructureData`` nodes; properties stay behind, they have no place there."""
    from ase.data import chemical_symbols

    result = []
    for i in range(len(structures)):
        node = StructureData(cell=structures.cells[i].tolist(), pbc=[bool(flag) for flag in structures.pbc[i]])
        own = structures.atoms_of(i)
        for number, position in zip(structures.numbers[own], structures.positions[own], strict=True):
            node.append_atom(symbols=chemical_symbols[number], position=[float(x) for x in position])
        result.append(node)
    return result
