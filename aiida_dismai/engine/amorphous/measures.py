"""What an amorphous structure looks like in numbers: the measures of every set, report and gate.

Coordination, motifs, bond angles and the radial distribution are exactly those of the benchmark's metrics
(:class:`~..families.amorphous.metrics.AmorphousMetrics`): neighbours from CrystalNN, the RDF of vasppy. Rings,
crystallinity and the second kind of coordination take all pairs within a cutoff as bonds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..descriptors import angles, rdf
from ..descriptors.fingerprints import motif_labels
from ..descriptors.motifs import motif_cn
from ..errors import NotAnalysed
from ..families.amorphous.metrics import AmorphousMetrics
from ..files import plain
from ..metrics.parameters import DescribeParameters
from ..neighbours import usable
from ..structures import StructureSet
from .bonds import bonds_within
from .crystallinity import crystalline
from .density import density
from .parameters import MeasureParameters
from .rings import ring_counts
from .targets import ELEMENT, TARGETS

#: The peak of the bond angles is that of their distribution smoothed with a bell of so many bins of 0.5° [own].
PEAK_BINS = 17
#: Measures with a number of each structure.
SCALARS = (
    "tetrahedral_percent",
    "bond_angle_mean",
    "bond_angle_sigma",
    "crystalline_percent",
    "density",
    "shortest_distance",
    "energy_per_atom",
)
#: Measures that are a number for each of several kinds of atoms or rings.
COUNTED = ("coordination_percent", "coordination_within_cutoff_percent", "rings_per_atom")


@dataclass(frozen=True)
class Measures:
    """Of one structure; what could not be found is None, NaN or empty.

    Attributes:
        n_atoms: of the structure.
        elements: symbols that occur.
        bond_cutoff: pairs nearer than this are bonds within the cutoff, Å.
        density: g/cm³.
        energy_per_atom: eV.
        shortest_distance: of two atoms, Å.
        failure: why CrystalNN or the bonds could not be found; empty if they could.
        coordination_percent: number of neighbours (those of CrystalNN's most likely motif) → share of the atoms.
        tetrahedral_percent: atoms whose most likely motif is the tetrahedron.
        bond_angle_mean: between CrystalNN's neighbours, degrees.
        bond_angle_sigma: standard deviation of all these angles, degrees.
        angles: ``(360,)`` shares of the bond angles in bins of 0.5°.
        rdf: ``(500,)`` radial distribution, 0–10 Å.
        coordination_within_cutoff_percent: number of atoms within the bond cutoff → share of the atoms.
        rings_per_atom: size → number of rings, divided by that of the atoms.
        crystalline_percent: atoms in a cubic or hexagonal diamond surrounding.
    """

    n_atoms: int
    elements: tuple[str, ...]
    bond_cutoff: float
    density: float | None
    energy_per_atom: float | None
    shortest_distance: float | None = None
    failure: str = ""
    coordination_percent: dict[str, float] = field(default_factory=dict)
    tetrahedral_percent: float | None = None
    bond_angle_mean: float | None = None
    bond_angle_sigma: float | None = None
    angles: NDArray[np.float64] | None = None
    rdf: NDArray[np.float64] | None = None
    coordination_within_cutoff_percent: dict[str, float] = field(default_factory=dict)
    rings_per_atom: dict[str, float] = field(default_factory=dict)
    crystalline_percent: float = float("nan")

    @property
    def rdf_peak(self) -> dict[str, float] | None:
        """Position (Å) and height of the first peak: the highest bin of the radial distribution below the cutoff."""
        return None if self.rdf is None else _rdf_peak(self.rdf, self.bond_cutoff)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dict(plain(asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return what :meth:`to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it did not give this.
        """
        values = dict(values)
        for name in ("angles", "rdf"):
            values[name] = None if values[name] is None else np.array(values[name])
        if values["crystalline_percent"] is None:
            values["crystalline_percent"] = float("nan")
        return cls(**(values | {"elements": tuple(values["elements"])}))


def measure(structure: StructureSet, parameters: MeasureParameters, energy: float | None) -> Measures:
    """Measure a structure; one that cannot be analysed gets the reason and what is known all the same.

    Args:
        structure: a set of one structure.
        parameters: the bonds' cutoff and the largest ring.
        energy: of the whole structure, eV, if known.
    """
    known = _known(structure, parameters, energy)
    try:
        known |= _within_cutoff(structure, parameters)
        return Measures(**known, **_as_the_metrics(structure))
    except NotAnalysed as why:
        return Measures(**known, failure=str(why))


def not_measured(structure: StructureSet, parameters: MeasureParameters, why: str) -> Measures:
    """Return what is known of a structure that could not be measured, with the reason."""
    return Measures(**_known(structure, parameters, None), failure=why)


def _known(structure: StructureSet, parameters: MeasureParameters, energy: float | None) -> dict[str, Any]:
    """Return what needs no analysis."""
    n = len(structure.numbers)
    return {
        "n_atoms": n,
        "elements": tuple(structure.elements),
        "bond_cutoff": parameters.bond_cutoff,
        "density": density(structure),
        "energy_per_atom": energy / n if energy is not None and n and np.isfinite(energy) else None,
    }


def _within_cutoff(structure: StructureSet, parameters: MeasureParameters) -> dict[str, Any]:
    """Measure what follows from the pairs within the cutoff."""
    bonds = bonds_within(_wrapped(structure), parameters.bond_cutoff)
    n = len(structure.numbers)
    rings = ring_counts(bonds.start, bonds.neighbour, bonds.image, parameters.largest_ring)
    surroundings = crystalline(bonds.start, bonds.neighbour, bonds.vectors)
    shortest = float(bonds.lengths.min()) if len(bonds.lengths) else structure.closest_pair(0)
    return {
        "shortest_distance": shortest if np.isfinite(shortest) else None,
        "coordination_within_cutoff_percent": _shares(bonds.coordination),
        "rings_per_atom": {str(size): int(rings[size]) / n for size in range(3, parameters.largest_ring + 1)},
        "crystalline_percent": 100 * float(np.mean(surroundings > 0)),
    }


def _wrapped(structure: StructureSet) -> StructureSet:
    """Return the structure with its atoms in the cell: few lattice translations keep the search for rings small."""
    cell = structure.cells[0]
    if not usable(structure.positions, cell):
        raise NotAnalysed("NaN or absurd coordinates, or a cell without volume")
    fractional = structure.positions @ np.linalg.inv(cell)
    return structure.with_positions(structure.positions - (np.floor(fractional) * structure.pbc[0]) @ cell)


@cache
def _kind() -> AmorphousMetrics:
    return AmorphousMetrics(DescribeParameters.model_validate({"kind": "amorphous"}))


def _as_the_metrics(structure: StructureSet) -> dict[str, Any]:
    """Measure what the benchmark's metrics compare."""
    found = _kind().describe(structure)
    motifs = found["motifs"][:, 0]
    return {
        "coordination_percent": _shares(motif_cn(motifs)),
        "tetrahedral_percent": 100 * float(np.mean(motifs == motif_labels().index("tetrahedral CN_4"))),
        "bond_angle_mean": found["angle_mean"],
        "bond_angle_sigma": found["angle_sigma"],
        "angles": found["angle"],
        "rdf": found["rdf"],
    }


def _shares(counts: NDArray[np.int64]) -> dict[str, float]:
    """Return the share of the atoms, percent, by their number of neighbours."""
    numbers, atoms = np.unique(counts, return_counts=True)
    return {str(number): 100 * int(n) / len(counts) for number, n in zip(numbers, atoms, strict=True)}


def summarise(found: Sequence[Measures]) -> dict[str, Any]:
    """Return the measures of a set for ``results.json``.

    Returns:
        ``coordination_percent``, ``coordination_within_cutoff_percent``, ``tetrahedral_percent`` and
        ``crystalline_percent`` of all atoms (percent), ``rings_per_atom``; ``bond_angle_mean``, ``bond_angle_sigma``
        (degrees), ``density`` (g/cm³) and ``energy_per_atom`` (eV), means of the structures; ``bond_angle_peak``
        (degrees) and ``rdf_peak`` (Å) of the averaged distributions; ``shortest_distance`` (Å) of all;
        ``not_analysed`` (reason → how many structures); ``per_structure`` (the same by structure, as lists with null
        for what is not known) and ``targets`` (the benchmark's, null for another element than silicon). Means leave
        out structures in which the number is not known; ``energy_per_atom`` is null unless it is known of all.
    """
    result: dict[str, Any] = {name: _counted([getattr(item, name) for item in found], found) for name in COUNTED}
    for name in SCALARS:
        weigh = name.endswith("_percent")
        result[name] = _mean([getattr(item, name) for item in found], [item.n_atoms if weigh else 1 for item in found])
    if any(item.energy_per_atom is None for item in found):
        result["energy_per_atom"] = None
    shortest = [item.shortest_distance for item in found if item.shortest_distance is not None]
    result["shortest_distance"] = min(shortest, default=None)
    average, turned = average_rdf(found), average_angles(found)
    result["rdf_peak"] = None if average is None else _rdf_peak(average, found[0].bond_cutoff)
    result["bond_angle_peak"] = None if turned is None else _angle_peak(turned)
    result["not_analysed"] = dict(Counter(_reason(item.failure) for item in found if item.failure))
    result["per_structure"] = {
        name: plain([getattr(item, name) for item in found]) for name in (*COUNTED, *SCALARS, "rdf_peak")
    }
    silicon = bool(found) and all(item.elements == (ELEMENT,) for item in found)
    result["targets"] = TARGETS if silicon else None
    return result


def average_rdf(found: Sequence[Measures]) -> NDArray[np.float64] | None:
    """Return the mean radial distribution of the structures that have one."""
    known = [item.rdf for item in found if item.rdf is not None]
    return np.mean(known, axis=0) if known else None


def average_angles(found: Sequence[Measures]) -> NDArray[np.float64] | None:
    """Return the mean distribution of the bond angles of the structures that have one."""
    known = [item.angles for item in found if item.angles is not None]
    return np.mean(known, axis=0) if known else None


def _rdf_peak(values: NDArray[np.float64], cutoff: float) -> dict[str, float]:
    highest = int(np.argmax(np.where(rdf.bin_centres() < cutoff, values, 0.0)))
    return {"position": float(rdf.bin_centres()[highest]), "height": float(values[highest])}


def _angle_peak(values: NDArray[np.float64]) -> float:
    smooth = np.convolve(values, np.hanning(PEAK_BINS), mode="same")
    return float(angles.bin_centres()[int(np.argmax(smooth))])


def _counted(items: Sequence[dict[str, float]], found: Sequence[Measures]) -> dict[str, float]:
    """Return the mean over all atoms, by number of neighbours or size; an entry that is missing is zero."""
    known = [(values, item.n_atoms) for values, item in zip(items, found, strict=True) if values]
    atoms = sum(n for _, n in known)
    names = sorted({name for values, _ in known for name in values}, key=int)
    return {name: sum(values.get(name, 0.0) * n for values, n in known) / atoms for name in names}


def _mean(values: Sequence[float | None], weights: Sequence[int]) -> float | None:
    known = [(v, w) for v, w in zip(values, weights, strict=True) if v is not None and np.isfinite(v)]
    return float(np.average([v for v, _ in known], weights=[w for _, w in known])) if known else None


def _reason(failure: str) -> str:
    """Return the reason without the site, so that it can be counted."""
    place, colon, reason = failure.partition(": ")
    return reason if colon and place.startswith("site ") else failure
