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
from numpy.typing import NDArray

from ..compiled import helper, kernel
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
    m, k = len(faces.sites), len(faces.neighbour)
    status, counts, best_cn = np.zeros((3, m), dtype=np.int64)
    cn_weights, doubtful = np.zeros((m, LARGEST_CN + 1)), np.zeros(m, dtype=np.bool_)
    chosen, exact, weights = np.empty(k, dtype=np.int64), np.empty(k), np.empty(k)
    written = _weigh(
        faces, kinds, options.porous_adjustment, options.distance_cutoffs is not None, low, high,
        status, counts, best_cn, cn_weights, doubtful, chosen, exact, weights,
    )  # fmt: skip
    chosen, exact, weights = chosen[:written].copy(), exact[:written].copy(), weights[:written].copy()
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


@kernel
def _weigh(
    faces: Faces,
    kinds: Kinds,
    porous: bool,
    by_distance: bool,
    low: float,
    high: float,
    status: NDArray[np.int64],
    counts: NDArray[np.int64],
    best_cn: NDArray[np.int64],
    cn_weights: NDArray[np.float64],
    doubtful: NDArray[np.bool_],
    chosen: NDArray[np.int64],
    exact: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> int:
    """Weigh all faces.

    Args:
        faces: ``k`` of ``m`` sites.
        kinds: of the atoms.
        porous: weigh by solid angle over area as well.
        by_distance: whether distance cutoffs count.
        low: up to the sum of radii and this the distance does not matter, Å.
        high: from the sum of radii and this on there is no neighbour, Å.
        status: ``(m,)`` written where a site has no neighbours; zeros before, as are the next four.
        counts: ``(m,)`` written: number of neighbours.
        best_cn: ``(m,)`` written: the most likely CN.
        cn_weights: ``(m, 25)`` written: the likelihoods.
        doubtful: ``(m,)`` written: whether rounding is in doubt.
        chosen: ``(k,)`` written: the faces of the neighbours, site after site.
        exact: ``(k,)`` written: their weights before rounding.
        weights: ``(k,)`` written: their weights.

    Returns:
        The number of neighbours.
    """
    written = 0
    for i in range(len(faces.sites)):
        kind = kinds.of_atom[faces.sites[i]]
        # The site's neighbours are written behind those found so far, and stay there if they keep a weight.
        end = written
        largest = 0.0
        for f in range(faces.start[i], faces.start[i + 1]):
            if kinds.allowed[kind, kinds.of_atom[faces.neighbour[f]]]:
                chosen[end] = f
                largest = max(largest, faces.solid_angle[f])
                end += 1
        if end == written:
            status[i] = NO_TARGET
            for other in range(kinds.allowed.shape[1]):
                if kinds.allowed[kind, other]:
                    status[i] = NOBODY
            continue
        for k in range(written, end):
            f = chosen[k]
            exact[k] = faces.solid_angle[f] / largest
            if porous:
                exact[k] *= faces.solid_angle[f] / faces.area[f]
            exact[k] *= kinds.chemical[kind, kinds.of_atom[faces.neighbour[f]]]
        _sort_falling(exact, chosen, written, end)
        largest = exact[written]
        for k in range(written, end):
            exact[k] /= largest
            if by_distance:
                f = chosen[k]
                diameter = kinds.diameter[kind, kinds.of_atom[faces.neighbour[f]]]
                if math.isnan(diameter):
                    status[i] = NO_RADIUS
                x, y, z = faces.vectors[f, 0], faces.vectors[f, 1], faces.vectors[f, 2]
                exact[k] *= _distance_factor(math.sqrt(x * x + y * y + z * z), diameter + low, diameter + high)
            if not math.isfinite(exact[k]) and status[i] == FINE:
                status[i] = NOT_FINITE
        if status[i] != FINE:
            continue
        _sort_falling(exact, chosen, written, end)
        kept = written
        for k in range(written, end):
            thousandths = exact[k] * 1000.0
            rounded = np.rint(thousandths)
            if abs(abs(thousandths - rounded) - 0.5) < 1000.0 * ROUNDING_DOUBT:
                doubtful[i] = True
            if rounded > 0.0:
                weights[k] = rounded / 1000.0
                kept += 1
        counts[i] = kept - written
        best_cn[i] = _likelihoods(weights, written, kept, cn_weights, i)
        written = kept
    return written


@helper
def _sort_falling(weight: NDArray[np.float64], own: NDArray[np.int64], first: int, last: int) -> None:
    """Sort a part of the weights and what belongs to them, equal weights as they were."""
    for k in range(first + 1, last):
        value, face = weight[k], own[k]
        j = k
        while j > first and weight[j - 1] < value:
            weight[j], own[j] = weight[j - 1], own[j - 1]
            j -= 1
        weight[j], own[j] = value, face


@helper
def _distance_factor(distance: float, low: float, high: float) -> float:
    """Return 1 up to ``low``, 0 from ``high`` on, a half wave of a cosine in between."""
    if distance <= low:
        return 1.0
    if distance < high:
        return 0.5 * (math.cos((distance - low) / (high - low) * math.pi) + 1.0)
    return 0.0


@helper
def _likelihoods(weight: NDArray[np.float64], first: int, last: int, cn_weights: NDArray[np.float64], site: int) -> int:
    """Fill a site's likelihoods of CN 0 … 24 for a part of the weights, which falls; returns the most likely CN."""
    total = 0.0
    best, best_weight = 0, 0.0
    for k in range(first, last):
        cn = k - first + 1
        following = weight[k + 1] if k + 1 < last else 0.0
        if weight[k] == following:
            continue
        share = _quarter(weight[k]) - _quarter(following)
        total += share
        if cn <= LARGEST_CN:
            cn_weights[site, cn] = share
        if share > best_weight:
            best, best_weight = cn, share
    if total < 1.0:
        cn_weights[site, 0] = 1.0 - total
        if 1.0 - total > best_weight:
            best = 0
    return best


@helper
def _quarter(x: float) -> float:
    """Return the share of a quarter of the unit circle's area between 0 and ``x``."""
    if x >= 1.0:
        return 1.0
    height = math.sqrt(1.0 - x * x)
    return (x * height + math.atan(x / height)) / (0.5 * math.pi)
