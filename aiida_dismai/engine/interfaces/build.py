"""From two crystals and the parameters to any number of random interfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from ..errors import BadInput
from ..structures import Property, StructureSet
from . import REGIONS
from .exchange import exchange
from .lattice import planes_of
from .matching import find_match, principal_strains
from .order import element_order, sort_by_element
from .packing import Packer, check_room
from .parameters import InterfaceParameters
from .slabs import Slab, cut

#: A given c may fall short of slabs, region and vacuum by this much (Å), a matter of rounding.
SLACK = 0.01


@dataclass(frozen=True)
class Interface:
    """One random interface.

    Attributes:
        index: its number in the data set.
        numbers: atomic numbers, ``(n,)``.
        positions: Cartesian, Å, ``(n, 3)``.
        regions: see :data:`~aiida_dismai.engine.interfaces.REGIONS`, ``(n,)``.
        thickness: of the random region, Å.
        shift: of slab B, in fractions of the lateral vectors, ``(2,)``.
        exchanges: number of exchanges of each kind.
        attempts: times the region was begun, at least 1.
    """

    index: int
    numbers: NDArray[Any]
    positions: NDArray[np.float64]
    regions: NDArray[np.int8]
    thickness: float
    shift: NDArray[np.float64]
    exchanges: NDArray[np.int64]
    attempts: int


class Builder:
    """Holds the two strained slabs and makes structures; structure ``i`` depends on the seed and ``i`` only.

    Attributes:
        cell: of every structure, Å, ``(3, 3)``; the vacuum is split above and below.
        slab_a: the lower slab, planes from the top down.
        slab_b: the upper slab, planes from the bottom up.
        match: the common lateral cell.
    """

    def __init__(self, crystal_a: StructureSet, crystal_b: StructureSet, parameters: InterfaceParameters) -> None:
        """Cut and match the slabs, and check that what is asked for is possible.

        Args:
            crystal_a: bulk crystal of the lower slab, a set of one structure.
            crystal_b: of the upper slab.
            parameters: of the task.

        Raises:
            BadInput: no lattice match, too many atoms in the region, a cell too low, elements that are
                not there.
        """
        self.parameters = parameters
        a, b = parameters.slab_a, parameters.slab_b
        planes_a = planes_of(crystal_a, a.miller, "slab_a")
        planes_b = planes_of(crystal_b, b.miller, "slab_b")
        self.match = find_match(planes_a, planes_b, parameters)
        self.slab_a = cut(planes_a, self.match.supercell_a, a.layers, a.offset, "slab_a").from_the_top()
        self.slab_b = cut(planes_b, self.match.supercell_b, b.layers, b.offset, "slab_b")

        region = parameters.region
        composition = {atomic_numbers[symbol]: count for symbol, count in region.composition.items()}
        slab_numbers = np.concatenate([self.slab_a.numbers, self.slab_b.numbers])
        area = float(abs(np.linalg.det(self.match.cell)))
        own = {symbol: region.distance(symbol, symbol) for symbol in region.composition}
        check_room(region.composition, own, area, region.thickness[1])
        self._packer = Packer(
            composition,
            lambda first, second: region.distance(chemical_symbols[first], chemical_symbols[second]),
            slab_numbers,
            self.match.cell,
            region.max_tries,
        )
        top = np.where(self.slab_a.layers == 0, REGIONS["slab_a_top"], REGIONS["slab_a"])
        self._numbers = np.concatenate([self._packer.numbers, slab_numbers])
        self._regions = np.concatenate(
            [
                np.full(len(self._packer.numbers), REGIONS["interface"]),
                top,
                np.full(len(self.slab_b.numbers), REGIONS["slab_b"]),
            ]
        ).astype(np.int8)
        self._order = element_order(self._numbers, parameters.element_order)
        self._kinds = self._checked_exchanges()
        self.cell = np.zeros((3, 3))
        self.cell[:2, :2] = self.match.cell
        self.cell[2, 2] = self._height()

    def _checked_exchanges(self) -> list[tuple[int, int, int]]:
        """Return the kinds as atomic numbers, after a look at what the top layer holds."""
        kinds = self.parameters.exchanges
        top = self.slab_a.numbers[self.slab_a.layers == 0]
        for element in {kind.top_layer for kind in kinds}:
            wanted = sum(kind.maximum for kind in kinds if kind.top_layer == element)
            there = int(np.count_nonzero(top == atomic_numbers[element]))
            if wanted > there:
                held = ", ".join(f"{np.count_nonzero(top == z)} {chemical_symbols[z]}" for z in np.unique(top))
                raise BadInput(
                    f"exchanges: up to {wanted} exchanges with {element} of slab A's top layer, which holds {held}"
                )
        return [(atomic_numbers[k.interface], atomic_numbers[k.top_layer], k.maximum) for k in kinds]

    def _height(self) -> float:
        slabs = self.slab_a.thickness + self.slab_b.thickness
        needed = slabs + self.parameters.region.thickness[1] + self.parameters.vacuum
        given = self.parameters.c
        if given is None:
            given = float(needed)
        elif given < needed - SLACK:
            raise BadInput(
                f"c: {given} Å is too low for slabs of {slabs:.4f} Å, a region of up to "
                f"{self.parameters.region.thickness[1]} Å and {self.parameters.vacuum} Å of vacuum: "
                f"give at least {needed:.4f} Å, or null"
            )
        gap = given - needed + self.parameters.vacuum
        if gap < self.parameters.region.default_distance:
            raise BadInput(
                f"vacuum: the cell is periodic, and slab B would end {gap:.4g} Å below the next slab A; give at least "
                f"region.default_distance, {self.parameters.region.default_distance} Å"
            )
        return given

    def build(self, seed: int, index: int) -> Interface | None:
        """Make one structure.

        Args:
            seed: of the data set.
            index: number of the structure; each has its own stream of random numbers.

        Returns:
            The structure, or None when its region could not be packed in ``max_attempts`` attempts.
            Thickness and shift stay the same in all attempts, so that failures do not bias them unseen.
        """
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        region = self.parameters.region
        thickness = float(rng.uniform(*region.thickness))
        shift = rng.random(2) if self.parameters.shift else np.zeros(2)
        lateral_b = (self.slab_b.lateral + shift) % 1.0
        fractions = np.concatenate([self.slab_a.lateral, lateral_b])
        depth = self.slab_a.heights - self.slab_a.thickness
        heights = np.concatenate([depth, self.slab_b.heights + thickness])
        slab_numbers = self._numbers[len(self._packer.numbers) :]
        placed, attempts = None, 0
        while placed is None:
            if attempts == region.max_attempts:
                return None
            placed = self._packer.pack(rng, thickness, fractions, heights, slab_numbers)
            attempts += 1
        numbers, counts = self._numbers, np.zeros(len(self._kinds), dtype=np.int64)
        if self.parameters.exchanged(index):
            numbers, counts = exchange(rng, numbers, self._regions, self._kinds)
        lateral = np.concatenate([placed[:, :2], fractions])
        positions = np.zeros((len(numbers), 3))
        positions[:, :2] = lateral @ self.match.cell
        positions[:, 2] = np.concatenate([placed[:, 2], heights]) + self.slab_a.thickness + self.parameters.vacuum / 2
        order = sort_by_element(numbers, self._order)
        return Interface(
            index, numbers[order], positions[order], self._regions[order], thickness, shift, counts, attempts
        )

    def collect(self, interfaces: Sequence[Interface]) -> StructureSet:
        """Turn interfaces into a structure set with its properties."""
        n = len(interfaces)
        counts = np.array([item.exchanges for item in interfaces]).reshape(n, len(self._kinds))
        properties = {
            "region": Property(np.concatenate([item.regions for item in interfaces]), "atom"),
            "interface_thickness": Property(np.array([item.thickness for item in interfaces]), "structure", "Å"),
            "shift": Property(np.array([item.shift for item in interfaces]), "structure"),
            "index": Property(np.array([item.index for item in interfaces]), "structure"),
            "exchanges": Property(counts.sum(axis=1), "structure"),
            "source": Property(np.array(["random"] * n), "structure"),
        }
        for i, kind in enumerate(self.parameters.exchanges):
            properties[f"exchanges_{kind.name}"] = Property(counts[:, i], "structure")
        return StructureSet(
            np.concatenate([item.numbers for item in interfaces]),
            np.concatenate([item.positions for item in interfaces]),
            np.broadcast_to(self.cell, (n, 3, 3)).copy(),
            np.ones((n, 3), dtype=bool),
            np.arange(n + 1) * len(self._numbers),
            properties,
        )

    def describe(self) -> dict[str, Any]:
        """Return slabs, strains, lateral cell and match as plain values for the results."""
        a, b = np.linalg.norm(self.match.cell, axis=1)
        gamma = np.degrees(np.arccos(self.match.cell[0] @ self.match.cell[1] / (a * b)))
        return {
            "lateral_cell": {"a": a, "b": b, "gamma": gamma, "area": float(abs(np.linalg.det(self.match.cell)))},
            "c": self.cell[2, 2],
            "slab_a": self._describe_slab(self.slab_a),
            "slab_b": self._describe_slab(self.slab_b),
            "match": {
                "how": self.match.how,
                "area_multiple_a": int(abs(round(np.linalg.det(self.match.supercell_a)))),
                "area_multiple_b": int(abs(round(np.linalg.det(self.match.supercell_b)))),
            },
            "n_atoms": len(self._numbers),
            "n_atoms_interface": len(self._packer.numbers),
        }

    def _describe_slab(self, slab: Slab) -> dict[str, Any]:
        principal, area = principal_strains(slab.cell, self.match.cell)
        counts = {chemical_symbols[z]: int(np.count_nonzero(slab.numbers == z)) for z in np.unique(slab.numbers)}
        return {
            "up": list(slab.up),
            "vectors": slab.vectors,
            "spacing": slab.spacing,
            "thickness": slab.thickness,
            "composition": counts,
            "principal_strains_percent": 100 * principal,
            "area_strain_percent": 100 * area,
        }
