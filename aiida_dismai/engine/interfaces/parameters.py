"""Parameters of ``interfaces.build``; imports nothing heavy."""

from __future__ import annotations

from math import gcd
from typing import ClassVar

from ase.data import atomic_numbers
from pydantic import Field, field_validator, model_validator

from ..parameters import Parameters
from ..workers import WORKERS, Workers

Vector = tuple[float, float, float]


class SlabParameters(Parameters):
    """A slab cut from a bulk crystal.

    One layer is one repeat of the lattice plane: the distance between neighbouring planes (hkl) of the
    crystal with its centring translations. A whole number of layers keeps the crystal's composition.
    """

    miller: tuple[int, int, int] = Field(description="Miller indices of the surface in the crystal's cell as given")
    layers: float = Field(gt=0, le=200, description="height of the slab in plane spacings; need not be whole")
    offset: float | None = Field(
        None,
        ge=-100,
        le=100,
        description="where the slab begins, in plane spacings above the crystal's origin along the upward "
        "direction (chooses the termination); null cuts in the widest gap between atoms",
    )
    vectors: tuple[Vector, Vector] | None = Field(
        None,
        description="the two lateral vectors in the basis of the crystal's cell; the side of v1 × v2 is up; "
        "null finds them by lattice matching",
    )

    @field_validator("miller")
    @classmethod
    def _not_zero(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if gcd(*value) == 0:
            raise ValueError("(0, 0, 0) is not a plane")
        if max(abs(index) for index in value) > 20:
            raise ValueError("indices beyond ±20 are not supported")
        return value


class LateralCell(Parameters):
    """A lateral cell that both slabs are strained to."""

    a: float = Field(gt=0, le=500, description="length of the first lateral vector, Å")
    b: float = Field(gt=0, le=500, description="length of the second lateral vector, Å")
    gamma: float = Field(90.0, ge=10, le=170, description="angle between them, degrees")


class MatchParameters(Parameters):
    """Zur and McGill's lattice matching (pymatgen's ``ZSLGenerator``, whose defaults these are)."""

    max_area: float = Field(default=400.0, gt=0, le=5000, description="largest lateral area, Å²")
    max_area_ratio_tol: float = Field(
        default=0.09, gt=0, le=1, description="allowed difference of the ratio of the areas"
    )
    max_length_tol: float = Field(
        default=0.03, gt=0, le=1, description="allowed relative difference of the vectors' lengths"
    )
    max_angle_tol: float = Field(default=0.01, gt=0, le=1, description="allowed relative difference of the angles")


class RegionParameters(Parameters):
    """The random region between the slabs."""

    composition: dict[str, int] = Field(description="atoms by element; empty for none")
    thickness: tuple[float, float] = Field(
        (4.0, 6.0),
        description="distance from the top atom of slab A to the lowest of slab B, Å: drawn uniformly from this range",
    )
    distances: dict[str, float] = Field(
        default_factory=dict, description="minimum distances by pair of elements, such as 'Li-O': 1.7, Å"
    )
    default_distance: float = Field(2.0, gt=0, le=10, description="minimum distance of the pairs not listed, Å")
    max_tries: int = Field(
        20000, ge=1, le=10**8, description="random points tried for one atom before the structure is restarted"
    )
    max_attempts: int = Field(
        20, ge=1, le=10**6, description="restarts of a structure before it counts as a packing failure"
    )

    @field_validator("composition")
    @classmethod
    def _counts(cls, value: dict[str, int]) -> dict[str, int]:
        for element, count in value.items():
            _element(element)
            if not 1 <= count <= 10**5:
                raise ValueError(f"{count} atoms of {element}: give a number from 1 to 100000")
        return value

    @field_validator("thickness")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        low, high = value
        if not 0 < low <= high <= 200:
            raise ValueError("needs 0 < smallest ≤ largest ≤ 200 Å")
        return value

    @field_validator("distances")
    @classmethod
    def _pairs(cls, value: dict[str, float]) -> dict[str, float]:
        seen = set()
        for pair, distance in value.items():
            elements = pair.split("-")
            if len(elements) != 2:
                raise ValueError(f"'{pair}' is not a pair of elements such as 'Li-O'")
            for element in elements:
                _element(element)
            if frozenset(elements) in seen:
                raise ValueError(f"the pair '{pair}' appears twice")
            seen.add(frozenset(elements))
            if not 0 < distance <= 10:
                raise ValueError(f"'{pair}': {distance} is not a minimum distance from 0 to 10 Å")
        return value

    def distance(self, first: str, second: str) -> float:
        """Return the minimum distance of two elements, Å."""
        for pair in (f"{first}-{second}", f"{second}-{first}"):
            if pair in self.distances:
                return self.distances[pair]
        return self.default_distance


class Exchange(Parameters):
    """Ions of the random region that change places with ions of slab A's top layer."""

    interface: str = Field(description="element in the random region")
    top_layer: str = Field(description="element in the top layer of slab A")
    maximum: int = Field(
        ge=1, le=10**5, description="maximum number of exchanges; drawn uniformly from 0 to this number"
    )

    @field_validator("interface", "top_layer")
    @classmethod
    def _known(cls, value: str) -> str:
        return _element(value)

    @model_validator(mode="after")
    def _different(self) -> Exchange:
        if self.interface == self.top_layer:
            raise ValueError(f"an exchange of {self.interface} with itself changes nothing")
        return self

    @property
    def name(self) -> str:
        """Name of the kind, for instance ``Sc_Co`` (interface, then top layer)."""
        return f"{self.interface}_{self.top_layer}"


class InterfaceParameters(Parameters):
    """Random interfaces: slab A, random region, slab B and vacuum, from the bottom up."""

    FREE: ClassVar[frozenset[str]] = frozenset({"n_structures", "first", "workers"})  # more may be asked for

    n_structures: int = Field(1, ge=1, le=10**6, description="structures to make")
    first: int = Field(0, ge=0, le=10**9, description="index of the first structure; consecutive chunks make one set")
    slab_a: SlabParameters = Field(description="the lower slab")
    slab_b: SlabParameters = Field(description="the upper slab")
    lateral_cell: LateralCell | None = Field(
        None, description="cell that both slabs are strained to; null keeps slab A as it is and strains slab B to it"
    )
    match: MatchParameters = Field(
        default_factory=MatchParameters, description="lattice matching of the slabs without lateral vectors"
    )
    region: RegionParameters = Field(description="the random region")
    shift: bool = Field(True, description="shift slab B laterally at random, uniformly over the whole cell")
    vacuum: float = Field(14.0, ge=0, le=500, description="vacuum above the thickest structure, Å")
    c: float | None = Field(
        None,
        gt=0,
        le=2000,
        description="height of the cell, Å, the same for the whole data set; null adds up slabs, largest "
        "thickness and vacuum",
    )
    exchanges: list[Exchange] = Field(
        default_factory=list, description="kinds of ion exchange between the random region and slab A's top layer"
    )
    exchange_fraction: float = Field(
        1.0, ge=0, le=1, description="share of the structures that get exchanges, spread evenly over their numbers"
    )
    element_order: list[str] | None = Field(
        None, description="order of the elements in the file; null orders by electronegativity"
    )
    workers: Workers = Field(1, description=WORKERS)

    @field_validator("element_order")
    @classmethod
    def _each_once(cls, value: list[str] | None) -> list[str] | None:
        for element in value or []:
            _element(element)
        if value is not None and len(set(value)) != len(value):
            raise ValueError("an element appears twice")
        return value

    @model_validator(mode="after")
    def _exchanges_possible(self) -> InterfaceParameters:
        names = [kind.name for kind in self.exchanges]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the exchange {name} appears twice")
        for element in {kind.interface for kind in self.exchanges}:
            wanted = sum(kind.maximum for kind in self.exchanges if kind.interface == element)
            there = self.region.composition.get(element, 0)
            if wanted > there:
                raise ValueError(f"up to {wanted} exchanges of {element}, but the random region has {there} of it")
        return self

    def exchanged(self, index: int) -> bool:
        """Whether structure number ``index`` gets exchanges: of the first n structures round(n · fraction) do."""
        if not self.exchanges:
            return False
        return round((index + 1) * self.exchange_fraction) > round(index * self.exchange_fraction)


def _element(symbol: str) -> str:
    if atomic_numbers.get(symbol, 0) < 1:
        raise ValueError(f"'{symbol}' is not a chemical element")
    return symbol
