"""A lattice that does not repeat with the cell: a fragment of a turned crystal, cut by the cell's faces (Numba).

Where the fragment meets its periodic image there is a seam. The sites are those of the turned, infinite lattice
inside the cell. Noise carries atoms over a face, so an atom near one counts as where its image fits the lattice.
The cut need not be at the cell's own faces (a fragment may have been shifted as a whole): another
origin of the cut is looked for where atoms fit badly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper, kernel
from .assignment import MAX_ROUNDS, best_shift, nearest_site, rounding_reach
from .lattice import Lattice, LatticeError
from .matrices import cofactors, multiply, polar
from .seam import list_sites

#: Rounds of looking for the cut and fitting the lattice to what it cuts.
CUT_ROUNDS = 3
#: Sites this far beyond the cut still count as inside while the fit is not final, Å.
SLACK = 0.1
#: A cut elsewhere than at the cell's own faces must fit better by this share of the atoms, and at least by three.
CUT_GAIN = 0.02
#: Largest number of lattice points in the box around the cell; more only in absurdly skew cells.
MAX_GRID = 20_000_000


class Fragment(NamedTuple):
    """A turned lattice in a cell.

    Attributes:
        rotation: ``(3, 3)``.
        translation: ``(3,)`` of the lattice's origin, Å.
        site: ``(n,)`` site of each atom; -1 off the lattice, -2 where the site has a nearer atom.
        positions: ``(sites, 3)`` of the sites, Å.
        basis: ``(sites,)`` basis index of each.
        squared: sum of squared distances of atoms from their sites, Å².
    """

    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    site: NDArray[np.int64]
    positions: NDArray[np.float64]
    basis: NDArray[np.int64]
    squared: float


def fit_fragment(
    fractional: NDArray[np.float64],
    cell: NDArray[np.float64],
    lattice: Lattice,
    rotation: NDArray[np.float64],
    margin: float,
    seeds: int,
) -> Fragment:
    """Fit shift and rotation of the lattice to the atoms, and put them on its sites.

    Args:
        fractional: ``(n, 3)`` in [0, 1).
        cell: ``(3, 3)``, Å.
        lattice: in its own orientation.
        rotation: to begin with, right to a few degrees.
        margin: Å.
        seeds: atoms that propose a shift.

    Raises:
        LatticeError: fewer than four atoms, or all in one plane, fit; or the cell is absurdly skew.
    """
    edge = margin * np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = rounding_reach(np.linalg.inv(lattice.cell), margin)
    turned = lattice.cell @ rotation
    units = fractional @ cell @ np.linalg.inv(turned)
    shift = best_shift(units, lattice.basis, turned, np.linalg.inv(turned), reach, margin, seeds) @ turned
    n = len(fractional)
    work = _Work(np.zeros((n, 4), dtype=np.int64), np.zeros((n, 3)), np.zeros(n))
    origin = np.zeros(3)
    slack = SLACK * np.linalg.norm(np.linalg.inv(cell), axis=0)
    fixed = (fractional, cell, lattice.cell, lattice.basis, reach, edge, slack, margin)
    rotation = rotation.copy()
    first = rotation.copy(), shift.copy()
    _refine(*fixed, origin, rotation, shift, *work)
    score = work.score(margin)
    other, again, moved = np.zeros(3), *first
    rising, turns = np.argsort(fractional, axis=0, kind="stable"), np.empty((n, 3), dtype=np.int64)
    for _ in range(CUT_ROUNDS):
        _vote_cut(fractional, rising, cell, lattice.cell, lattice.basis, reach, margin, again, moved, turns, other)
        _refine(*fixed, other, again, moved, *work)
        if work.score(margin) < score + max(3.0, CUT_GAIN * n):
            break
        origin, rotation, shift, score = other.copy(), again.copy(), moved.copy(), work.score(margin)
    kept = _choose(*fixed, origin, rotation, shift, *work)
    if kept < 4:
        raise LatticeError("no orientation of the lattice fits more than three atoms")
    turned = lattice.cell @ rotation
    into_units = cell @ np.linalg.inv(turned)
    corners = (origin + np.indices((2, 2, 2)).reshape(3, -1).T) @ into_units - shift @ np.linalg.inv(turned)
    low = np.floor(corners.min(axis=0)).astype(np.int64) - 3
    size = np.ceil(corners.max(axis=0)).astype(np.int64) + 4 - low
    if float(np.prod(size.astype(float))) * len(lattice.basis) > MAX_GRID:
        raise LatticeError("the cell is too skew for a turned lattice; give it with shorter vectors")
    rms = math.sqrt(float(work.squared[work.squared <= margin**2].mean()))
    # how well the cut is known on the lattice's side: a few standard errors of the fit, and where it had to be found
    # among noisy atoms the noise as well
    doubt = 4 * rms / math.sqrt(kept) + (rms if origin.any() else 0.0)
    tolerance = doubt * np.linalg.norm(np.linalg.inv(cell), axis=0) + 1e-9
    site, numbers, total = list_sites(
        work.sites, work.squared, low, size, np.linalg.inv(into_units),
        shift @ np.linalg.inv(cell), lattice.basis, cell, origin, edge, tolerance, margin,
    )  # fmt: skip
    points, basis = np.ascontiguousarray(numbers[:, :3]), np.ascontiguousarray(numbers[:, 3])
    positions = lattice.site_positions(points, basis) @ rotation + shift
    return Fragment(rotation, shift, site, positions, basis, total)


class _Work(NamedTuple):
    """What :func:`_choose` writes for each atom: its site, the image of the atom (Å), and their squared distance."""

    sites: NDArray[np.int64]
    images: NDArray[np.float64]
    squared: NDArray[np.float64]

    def score(self, margin: float) -> float:
        """Say how well all atoms fit: each within the margin adds 1 - (distance / margin)²."""
        return float(np.maximum(1 - self.squared / margin**2, 0).sum())


@kernel
def _choose(  # type: ignore[no-untyped-def]
    fractional, cell, primitive, basis, reach, edge, slack, margin, origin, rotation, shift, sites, images, squared
):
    """Find the site of each atom, and which of its images near the cut fits best.

    Images on a site inside the cut go before those on a site outside: there the fragment should have ended.

    Args:
        fractional: ``(n, 3)``.
        cell: ``(3, 3)``, Å.
        primitive: ``(3, 3)`` lattice vectors, not turned, Å.
        basis: ``(k, 3)``.
        reach: of the rounding.
        edge: ``(3,)`` the margin in units of the cell.
        slack: ``(3,)`` how far beyond the cut a site still counts as inside, in units of the cell.
        margin: Å.
        origin: ``(3,)`` of the cut.
        rotation: ``(3, 3)``.
        shift: ``(3,)``, Å.
        sites: ``(n, 4)`` written: lattice point and basis index.
        images: ``(n, 3)`` written, Å.
        squared: ``(n,)`` written, Å².

    Returns:
        How many atoms are within the margin of a site.
    """
    n = fractional.shape[0]
    turned, inverse, minors = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    multiply(primitive, rotation, turned)
    det = cofactors(turned, minors)
    cell_minors = np.empty((3, 3))
    volume = cofactors(cell, cell_minors)
    for i in range(3):
        for j in range(3):
            inverse[i, j] = minors[j, i] / det
    found = np.empty(4, np.int64)
    base, low, high = np.empty(3), np.empty(3, np.int64), np.empty(3, np.int64)
    offset = np.empty(3)
    kept = 0
    for atom in range(n):
        near_cut = False
        for axis in range(3):
            depth = fractional[atom, axis] - origin[axis]
            depth -= math.floor(depth)
            base[axis] = origin[axis] + depth
            low[axis] = -1 if depth > 1.0 - edge[axis] else 0
            high[axis] = 1 if depth < edge[axis] else 0
            near_cut |= low[axis] != 0 or high[axis] != 0
        best = math.inf
        for turn in range(27):
            i, j, k = _centred(turn // 9), _centred(turn // 3 % 3), _centred(turn % 3)
            if i < low[0] or i > high[0] or j < low[1] or j > high[1] or k < low[2] or k > high[2]:
                continue
            fu, fv, fw = base[0] + i, base[1] + j, base[2] + k
            x = fu * cell[0, 0] + fv * cell[1, 0] + fw * cell[2, 0]
            y = fu * cell[0, 1] + fv * cell[1, 1] + fw * cell[2, 1]
            z = fu * cell[0, 2] + fv * cell[1, 2] + fw * cell[2, 2]
            dx, dy, dz = x - shift[0], y - shift[1], z - shift[2]
            u = dx * inverse[0, 0] + dy * inverse[1, 0] + dz * inverse[2, 0]
            v = dx * inverse[0, 1] + dy * inverse[1, 1] + dz * inverse[2, 1]
            w = dx * inverse[0, 2] + dy * inverse[1, 2] + dz * inverse[2, 2]
            distance, rx, ry, rz = nearest_site(u, v, w, basis, turned, reach, found)
            penalty = 0.0
            if near_cut:
                offset[0], offset[1], offset[2] = x - rx, y - ry, z - rz
                for axis in range(3):
                    at = -origin[axis]
                    for c in range(3):
                        at += offset[c] * cell_minors[axis, c] / volume
                    if at < -slack[axis] or at > 1.0 + slack[axis]:
                        penalty = margin * margin
            # the atom where it is comes first: an image must fit better
            if distance + penalty < best - 1e-12:
                best = distance + penalty
                squared[atom] = distance
                images[atom, 0], images[atom, 1], images[atom, 2] = x, y, z
                for axis in range(4):
                    sites[atom, axis] = found[axis]
        if squared[atom] <= margin * margin:
            kept += 1
    return kept


@helper
def _centred(turn):  # type: ignore[no-untyped-def]
    """Return 0, 1, -1 for 0, 1, 2."""
    return turn if turn < 2 else -1


@kernel
def _refine(  # type: ignore[no-untyped-def]
    fractional, cell, primitive, basis, reach, edge, slack, margin, origin, rotation, shift, sites, images, squared
):
    """Assign atoms and fit the lattice to them by least squares, in turns; ``rotation`` and ``shift`` are changed.

    Returns:
        The number of atoms on a site.
    """
    n = fractional.shape[0]
    ideal, sums, new = np.empty(3), np.empty((3, 3)), np.empty((3, 3))
    mean_site, mean_atom = np.empty(3), np.empty(3)
    kept = 0
    for _ in range(MAX_ROUNDS):
        kept = _choose(
            fractional,
            cell,
            primitive,
            basis,
            reach,
            edge,
            slack,
            margin,
            origin,
            rotation,
            shift,
            sites,
            images,
            squared,
        )
        if kept < 4:
            break
        for axis in range(3):
            mean_site[axis] = mean_atom[axis] = 0.0
            for c in range(3):
                sums[axis, c] = 0.0
        for turn in range(2):  # the averages first, then what is left
            for atom in range(n):
                if squared[atom] > margin * margin:
                    continue
                for c in range(3):
                    ideal[c] = 0.0
                    for r in range(3):
                        ideal[c] += (sites[atom, r] + basis[sites[atom, 3], r]) * primitive[r, c]
                for r in range(3):
                    if turn == 0:
                        mean_site[r] += ideal[r] / kept
                        mean_atom[r] += images[atom, r] / kept
                        continue
                    for c in range(3):
                        sums[r, c] += (ideal[r] - mean_site[r]) * (images[atom, c] - mean_atom[c])
        if not polar(sums, new):
            break
        change = 0.0
        for c in range(3):
            moved = mean_atom[c]
            for r in range(3):
                change = max(change, abs(new[r, c] - rotation[r, c]))
                rotation[r, c] = new[r, c]
                moved -= mean_site[r] * new[r, c]
            change = max(change, abs(moved - shift[c]))
            shift[c] = moved
        if change < 1e-11:
            break
    return kept


@kernel
def _vote_cut(fractional, rising, cell, primitive, basis, reach, margin, rotation, shift, turns, origin):  # type: ignore[no-untyped-def]
    """Find where the fragment was cut, from which image of each atom fits the lattice best.

    Along each axis, atoms below the cut belong one cell higher than those above it: the cut that most atoms
    agree with is taken, in the middle between the atoms next to it.

    Args:
        fractional: ``(n, 3)``.
        rising: ``(n, 3)`` the atoms in order of their coordinates along each axis.
        cell: ``(3, 3)``, Å.
        primitive: ``(3, 3)``, Å.
        basis: ``(k, 3)``.
        reach: of the rounding.
        margin: Å.
        rotation: ``(3, 3)``.
        shift: ``(3,)``, Å.
        turns: ``(n, 3)`` scratch: which image of each atom fits best.
        origin: ``(3,)`` written, each in [-1, 1).
    """
    n = fractional.shape[0]
    turned, minors, found = np.empty((3, 3)), np.empty((3, 3)), np.empty(4, np.int64)
    multiply(primitive, rotation, turned)
    det = cofactors(turned, minors)
    for atom in range(n):
        turns[atom, 0] = turns[atom, 1] = turns[atom, 2] = 9  # no image, until one is found that fits
        best = margin * margin
        for turn in range(27):
            i, j, k = _centred(turn // 9), _centred(turn // 3 % 3), _centred(turn % 3)
            fu, fv, fw = fractional[atom, 0] + i, fractional[atom, 1] + j, fractional[atom, 2] + k
            dx = fu * cell[0, 0] + fv * cell[1, 0] + fw * cell[2, 0] - shift[0]
            dy = fu * cell[0, 1] + fv * cell[1, 1] + fw * cell[2, 1] - shift[1]
            dz = fu * cell[0, 2] + fv * cell[1, 2] + fw * cell[2, 2] - shift[2]
            u = (dx * minors[0, 0] + dy * minors[0, 1] + dz * minors[0, 2]) / det
            v = (dx * minors[1, 0] + dy * minors[1, 1] + dz * minors[1, 2]) / det
            w = (dx * minors[2, 0] + dy * minors[2, 1] + dz * minors[2, 2]) / det
            distance, _, _, _ = nearest_site(u, v, w, basis, turned, reach, found)
            if distance < best - 1e-12:
                best = distance
                turns[atom, 0], turns[atom, 1], turns[atom, 2] = i, j, k
    for axis in range(3):
        # votes for a cut below the lowest atom, that then move with it: above it atoms stay (or go down)
        stay = down = 0
        for atom in range(n):
            stay += int(turns[atom, axis] == 0)
            down += int(turns[atom, axis] == -1)
        best_votes = -1
        below = fractional[rising[n - 1, axis], axis] - 1.0
        for place in range(n):
            atom = rising[place, axis]
            cut = 0.5 * (below + fractional[atom, axis])
            if stay > best_votes:
                best_votes = stay
                origin[axis] = cut
            if down > best_votes:
                best_votes = down
                origin[axis] = cut - 1.0
            below = fractional[atom, axis]
            stay += int(turns[atom, axis] == 1) - int(turns[atom, axis] == 0)
            down += int(turns[atom, axis] == 0) - int(turns[atom, axis] == -1)
