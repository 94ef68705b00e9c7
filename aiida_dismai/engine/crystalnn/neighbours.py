"""CrystalNN: from Voronoi faces to weighted neighbours, and to the likelihood of each coordination number.

A neighbour's weight is the solid angle of its face, as a share of the site's largest, times what the options add;
it is rounded to three decimals, which makes shells of neighbours of equal weight. The likelihood of a coordination
number (CN) is the area under a quarter of a circle between its shell's weight and the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..structures import StructureSet
from .elements import Kinds, kinds_of
from .errors import CrystalNNError
from .options import CrystalNNOptions
from .voronoi import Faces, voronoi_faces

#: The largest coordination number whose likelihood is kept.
LARGEST_CN = 24
#: A weight this near to where rounding to three decimals changes is rounded by chance. (Ours and pymatgen's agree to
#: about 1e-13, to 1e-10 in cells of needles and plates.)
ROUNDING_DOUBT = 1e-9
#: What becomes of a site.
FINE, NOBODY, NO_TARGET, NO_RADIUS, NOT_FINITE = 0, 1, 2, 3, 4
REASONS = {
    NOBODY: "none of its Voronoi neighbours is of opposite or zero charge",
    NO_TARGET: "the structure has no atom of opposite or zero charge, so it cannot have neighbours",
    NO_RADIUS: "the radius of its element or a neighbour's is not known; set distance_cutoffs to None",
    NOT_FINITE: "a weight is not a finite number; options or oxidation states are out of bounds",
}


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of ``m`` sites in one list of ``k``, each site's by falling weight.

    Those that make up coordination number ``n`` of a site are the first ``n`` of its list.

    Attributes:
        sites: ``(m,)`` atoms.
        start: ``(m + 1,)`` neighbours of site ``i`` are ``start[i]:start[i + 1]``.
        index: ``(k,)`` the neighbouring atoms.
        vectors: ``(k, 3)`` from the site to that image of the neighbour, Å.
        weights: ``(k,)`` rounded to three decimals, above 0.
        exact_weights: ``(k,)`` before rounding; their order is that of the list.
        cn_weights: ``(m, 25)`` likelihood of CN 0, 1, …, 24. A site may have more neighbours: those sum to less
            than 1 then.
        best_cn: ``(m,)`` the most likely CN, the smallest of equals, of any size.
        ambiguous: ``(m,)`` sites at which pymatgen's answer is a matter of rounding, in its Voronoi cell
            (:class:`~.voronoi.Faces`) or in its weights (:data:`ROUNDING_DOUBT`).
    """

    sites: NDArray[np.int64]
    start: NDArray[np.int64]
    index: NDArray[np.int64]
    vectors: NDArray[np.float64]
    weights: NDArray[np.float64]
    exact_weights: NDArray[np.float64]
    cn_weights: NDArray[np.float64]
    best_cn: NDArray[np.int64]
    ambiguous: NDArray[np.bool_]

    def bonded(self) -> NDArray[np.bool_]:
        """Mark the neighbours that make up the most likely CN, ``(k,)``: ``get_nn_info`` of pymatgen."""
        place = np.arange(len(self.index)) - np.repeat(self.start[:-1], np.diff(self.start))
        return place < np.repeat(self.best_cn, np.diff(self.start))


def near_neighbours(
    structure: StructureSet,
    options: CrystalNNOptions,
    oxidation_states: Mapping[str, float] | Sequence[float] | NDArray[np.float64] | None = None,
    sites: NDArray[np.int64] | None = None,
    faces: Faces | None = None,
) -> Neighbours:
    """Find the neighbours of the sites of one structure.

    Args:
        structure: a set of one structure, finite coordinates, a cell with volume.
        options: what counts besides solid angles.
        oxidation_states: by symbol, or of each atom; see :func:`~.elements.kinds_of`.
        sites: ``(m,)`` the atoms whose neighbours are wanted; all when None.
        faces: their Voronoi faces where these are known already (same sites and ``search_cutoff``).

    Raises:
        CrystalNNError: a site at which CrystalNN is not defined.
    """
    kinds = kinds_of(structure.numbers, oxidation_states, options)
    if faces is None:
        faces = voronoi_faces(structure, sites, options.search_cutoff)
    low, high = options.distance_cutoffs or (math.inf, math.inf)
    status, counts, chosen, exact, weights, cn_weights, best_cn, doubtful = _weigh(
        faces, kinds, options.porous_adjustment, options.distance_cutoffs is not None, low, high
    )
    if status.any():
        first = int(np.argmax(status != FINE))
        raise CrystalNNError(int(faces.sites[first]), REASONS[int(status[first])])
    start = np.concatenate([[0], np.cumsum(counts)])
    return Neighbours(
        faces.sites,
        start,
        faces.neighbour[chosen],
        faces.vectors[chosen],
        weights,
        exact,
        cn_weights,
        best_cn,
        faces.ambiguous | doubtful,
    )


@njit(cache=True, nogil=True)
def _weigh(
    faces: Faces, kinds: Kinds, porous: bool, by_distance: bool, low: float, high: float
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.bool_],
]:
    """Weigh all faces.

    Returns:
        Status of each site, number of neighbours, their faces, weights before and after rounding, and per site the
        likelihoods, the most likely CN, and whether rounding is in doubt.
    """
    m = len(faces.sites)
    status = np.zeros(m, dtype=np.int64)
    counts = np.zeros(m, dtype=np.int64)
    cn_weights = np.zeros((m, LARGEST_CN + 1))
    best_cn = np.zeros(m, dtype=np.int64)
    doubtful = np.zeros(m, dtype=np.bool_)
    chosen = np.empty(len(faces.neighbour), dtype=np.int64)
    exact = np.empty(len(faces.neighbour))
    weights = np.empty(len(faces.neighbour))
    written = 0
    for i in range(m):
        kind = kinds.of_atom[faces.sites[i]]
        if not kinds.allowed[kind].any():
            status[i] = NO_TARGET
            continue
        # The site's neighbours are written behind those found so far, and stay there if they keep a weight.
        own = chosen[written:]
        weight = exact[written:]
        n = 0
        largest = 0.0
        for f in range(faces.start[i], faces.start[i + 1]):
            if kinds.allowed[kind, kinds.of_atom[faces.neighbour[f]]]:
                own[n] = f
                largest = max(largest, faces.solid_angle[f])
                n += 1
        if n == 0:
            status[i] = NOBODY
            continue
        for k in range(n):
            f = own[k]
            weight[k] = faces.solid_angle[f] / largest
            if porous:
                weight[k] *= faces.solid_angle[f] / faces.area[f]
            weight[k] *= kinds.chemical[kind, kinds.of_atom[faces.neighbour[f]]]
        _sort_falling(weight, own, n)
        largest = weight[0]
        for k in range(n):
            weight[k] /= largest
            if by_distance:
                f = own[k]
                diameter = kinds.diameter[kind, kinds.of_atom[faces.neighbour[f]]]
                if math.isnan(diameter):
                    status[i] = NO_RADIUS
                x, y, z = faces.vectors[f, 0], faces.vectors[f, 1], faces.vectors[f, 2]
                weight[k] *= _distance_factor(math.sqrt(x * x + y * y + z * z), diameter + low, diameter + high)
            if not math.isfinite(weight[k]) and status[i] == FINE:
                status[i] = NOT_FINITE
        if status[i] != FINE:
            continue
        _sort_falling(weight, own, n)
        kept = 0
        for k in range(n):
            thousandths = weight[k] * 1000.0
            rounded = np.rint(thousandths)
            if abs(abs(thousandths - rounded) - 0.5) < 1000.0 * ROUNDING_DOUBT:
                doubtful[i] = True
            if rounded > 0.0:
                weights[written + k] = rounded / 1000.0
                kept += 1
        counts[i] = kept
        best_cn[i] = _likelihoods(weights[written : written + kept], cn_weights[i])
        written += kept
    return (
        status,
        counts,
        chosen[:written].copy(),
        exact[:written].copy(),
        weights[:written].copy(),
        cn_weights,
        best_cn,
        doubtful,
    )


@njit(cache=True, nogil=True)
def _sort_falling(weight: NDArray[np.float64], own: NDArray[np.int64], n: int) -> None:
    """Sort the first ``n``, equal weights as they were."""
    for k in range(1, n):
        value, face = weight[k], own[k]
        j = k
        while j > 0 and weight[j - 1] < value:
            weight[j], own[j] = weight[j - 1], own[j - 1]
            j -= 1
        weight[j], own[j] = value, face


@njit(cache=True, nogil=True)
def _distance_factor(distance: float, low: float, high: float) -> float:
    """Return 1 up to ``low``, 0 from ``high`` on, a half wave of a cosine in between."""
    if distance <= low:
        return 1.0
    if distance < high:
        return 0.5 * (math.cos((distance - low) / (high - low) * math.pi) + 1.0)
    return 0.0


@njit(cache=True, nogil=True)
def _likelihoods(weight: NDArray[np.float64], cn_weights: NDArray[np.float64]) -> int:
    """Fill the likelihoods of CN 0 … 24 for falling weights; returns the most likely CN."""
    n = len(weight)
    total = 0.0
    best, best_weight = 0, 0.0
    for cn in range(1, n + 1):
        following = weight[cn] if cn < n else 0.0
        if weight[cn - 1] == following:
            continue
        share = _quarter(weight[cn - 1]) - _quarter(following)
        total += share
        if cn <= LARGEST_CN:
            cn_weights[cn] = share
        if share > best_weight:
            best, best_weight = cn, share
    if total < 1.0:
        cn_weights[0] = 1.0 - total
        if cn_weights[0] > best_weight:
            best = 0
    return best


@njit(cache=True, nogil=True)
def _quarter(x: float) -> float:
    """Return the share of a quarter of the unit circle's area between 0 and ``x``."""
    if x >= 1.0:
        return 1.0
    height = math.sqrt(1.0 - x * x)
    return (x * height + math.atan(x / height)) / (0.5 * math.pi)
