"""Voronoi cells of the sites of a crystal, as pymatgen's ``VoronoiNN`` delimits them.

The cell of a site is cut out of the points inside a ball around it, however far the cell reaches. A cell that is
open gets a ball of twice the radius, up to the longest diagonal of the crystal's cell: so a site at a surface has
neighbours across the vacuum. Points beyond the ball do not count even where they would cut the cell, which is
pymatgen's way and decides about sites next to wide voids.

The cutting itself is in ``polyhedron``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper, kernel
from ..structures import StructureSet
from .errors import CrystalNNError
from .points import Points, lay_out
from .polyhedron import BOX, CONTRADICTION, CUT, Polyhedron, cut, face, is_open, make_room, opening, reach, start

#: Points nearer than this are one point to a Voronoi tessellation, Å.
COINCIDENT = 1e-3
#: A point is in the ball up to this beyond the radius (pymatgen's tolerance), Å.
BALL_TOLERANCE = 1e-8
#: Nearer to the border of the ball than this, rounding decides whether a point is in it, Å.
BORDER = 1e-7
#: Half the edges of the cubes out of which a cell is cut, Å. Those beyond the first are for cells that keep a face of
#: the cube: next to an almost flat surface a cell can be closed and yet reach this far.
CUBES = (64.0, 1e4, 1e7, 1e10, 1e13)
#: Cells that reach further than this are open for all practical purposes; whether they are is a matter of rounding, Å.
ALMOST_OPEN = 1e9
#: Cells that open less than this (sine of an angle) are closed by the slightest change.
ALMOST_CLOSED = 1e-9
#: Tolerances of the cutting, Å: the next is tried where rounding makes the one before contradict itself.
TOLERANCES = (1e-11, 1e-9, 1e-7)

#: Points nearer than this shape a cell and are taken one after another; the others follow only where it reaches, Å.
NEAR = 8.0
#: What becomes of a cell.
CLOSED, OPEN, CONTRADICTORY, COINCIDING = 0, 1, 2, 3


class Faces(NamedTuple):
    """The faces of the Voronoi cells of ``m`` sites, ``k`` in all, in one list.

    Attributes:
        sites: ``(m,)`` atoms whose cells they are.
        start: ``(m + 1,)`` the faces of site ``i`` are ``start[i]:start[i + 1]``, roughly by distance.
        neighbour: ``(k,)`` the atom beyond the face.
        vectors: ``(k, 3)`` from the site to the image of that atom, Å.
        solid_angle: ``(k,)`` under which the site sees the face, sr.
        area: ``(k,)`` Å².
        ambiguous: ``(m,)`` whether rounding decides about this cell: a point on the border of the ball cuts it, or
            the slightest change would open or close it.
    """

    sites: NDArray[np.int64]
    start: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    vectors: NDArray[np.float64]
    solid_angle: NDArray[np.float64]
    area: NDArray[np.float64]
    ambiguous: NDArray[np.bool_]


def voronoi_faces(structure: StructureSet, sites: NDArray[np.int64] | None = None, search_cutoff: float = 7.0) -> Faces:
    """Tessellate one structure.

    Args:
        structure: a set of one structure, finite coordinates, a cell with volume.
        sites: ``(m,)`` indices of the atoms whose cells are asked for; all when None.
        search_cutoff: radius of the first ball, Å.

    Raises:
        CrystalNNError: a site whose cell stays open, or with another atom on top of it; a cell too small.
    """
    cell, pbc = structure.cells[0], structure.pbc[0]
    sites = np.arange(len(structure.positions)) if sites is None else np.asarray(sites, dtype=np.int64)
    pending = np.arange(len(sites))
    parts: list[tuple[NDArray[np.int64], Faces]] = []
    doubtful = np.zeros(len(sites), dtype=np.bool_)
    radii = search_radii(cell, search_cutoff)
    for last, radius in zip([*[False] * (len(radii) - 1), True], radii, strict=True):
        if not len(pending):
            break
        points = lay_out(structure.positions, cell, pbc, radius)
        status, counts, neighbour, vectors, solid_angle, area, ambiguous = _cut_cells(sites[pending], points)
        _raise_for(sites[pending], status, radius, last)
        done = status == CLOSED
        doubtful[pending] |= ambiguous
        start = np.concatenate([[0], np.cumsum(counts[done])])
        faces = Faces(sites[pending[done]], start, neighbour, vectors, solid_angle, area, doubtful[pending[done]])
        parts.append((pending[done], faces))
        pending = pending[~done]
    return _in_order(sites, parts)


def search_radii(cell: NDArray[np.float64], search_cutoff: float) -> list[float]:
    """Return the radii of the balls that are tried one after another, Å (pymatgen's rule)."""
    corners = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    largest = float(np.linalg.norm(corners @ cell, axis=1).max()) + 0.01
    radii = [float(search_cutoff)]
    while radii[-1] < largest:
        radii.append(min(2 * radii[-1], largest + 0.001))
    return radii


def _raise_for(sites: NDArray[np.int64], status: NDArray[np.int64], radius: float, last: bool) -> None:
    reasons = {
        COINCIDING: f"another atom is within {COINCIDENT:g} Å; push atoms apart (postprocess)",
        CONTRADICTORY: "its Voronoi cell cannot be cut out in double precision; move the atoms by a tiny random amount",
    }
    if last:
        reasons[OPEN] = (
            f"its Voronoi cell is open, even with all atoms within {radius:.4g} Å; it lacks neighbours on one "
            "side (a direction that is not periodic, or a vacuum wider than the cell's longest diagonal)"
        )
    for code, reason in reasons.items():
        if (status == code).any():
            raise CrystalNNError(int(sites[np.argmax(status == code)]), reason)


def _in_order(sites: NDArray[np.int64], parts: list[tuple[NDArray[np.int64], Faces]]) -> Faces:
    """Put the faces found with balls of different radii into the order of the sites."""
    if len(parts) == 1:
        return parts[0][1]
    counts = np.zeros(len(sites), dtype=np.int64)
    ambiguous = np.zeros(len(sites), dtype=np.bool_)
    for places, faces in parts:
        counts[places] = np.diff(faces.start)
        ambiguous[places] = faces.ambiguous
    start = np.concatenate([[0], np.cumsum(counts)])
    total = int(start[-1])
    merged = Faces(
        sites, start, np.empty(total, dtype=np.int64), np.empty((total, 3)), np.empty(total), np.empty(total), ambiguous
    )
    for places, faces in parts:
        own = np.repeat(start[places] - faces.start[:-1], np.diff(faces.start)) + np.arange(faces.start[-1])
        for name in ("neighbour", "vectors", "solid_angle", "area"):
            getattr(merged, name)[own] = getattr(faces, name)
    return merged


def _cut_cells(
    sites: NDArray[np.int64], points: Points
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.bool_],
]:
    """Cut the cells of all sites; those that are not closed have no faces in the result."""
    m = len(sites)
    status = np.zeros(m, dtype=np.int64)
    counts = np.zeros(m, dtype=np.int64)
    ambiguous = np.zeros(m, dtype=np.bool_)
    room, length = 512, 24 * m + 64
    found, square, cause, shape = _scratch(room)
    neighbour, measures = np.empty(length, dtype=np.int64), np.empty((length, 5))
    site = written = 0
    while site < m:
        site, written, needed = _cells(
            sites, points, site, written, status, counts, ambiguous, neighbour, measures, found, square, cause, shape
        )
        # It stops where there is no room: for the points around a site, or for the faces of its cell.
        if needed > room:
            room = 2 * needed
            found, square, cause, shape = _scratch(room)
        elif site < m:
            neighbour = np.resize(neighbour, 2 * len(neighbour) + shape.size[0])
            measures = np.resize(measures, (len(neighbour), 5))
    vectors = np.ascontiguousarray(measures[:written, :3])
    solid_angle, area = np.ascontiguousarray(measures[:written, 3:].T)
    return status, counts, neighbour[:written], vectors, solid_angle, area, ambiguous


def _scratch(room: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], Polyhedron]:
    """Allocate for that many points around a site, each of which may cut."""
    return np.empty(room, dtype=np.int64), np.empty(room), np.empty(2 * room + BOX, dtype=np.int64), make_room(room)


@kernel
def _cells(
    sites: NDArray[np.int64],
    points: Points,
    first: int,
    written: int,
    status: NDArray[np.int64],
    counts: NDArray[np.int64],
    ambiguous: NDArray[np.bool_],
    neighbour: NDArray[np.int64],
    measures: NDArray[np.float64],
    found: NDArray[np.int64],
    square: NDArray[np.float64],
    cause: NDArray[np.int64],
    shape: Polyhedron,
) -> tuple[int, int, int]:
    """Cut the cells of the sites from ``first`` on, as far as there is room.

    Args:
        sites: ``(m,)``.
        points: around the crystal's cell.
        first: place of the first one in ``sites``.
        written: faces written so far.
        status: ``(m,)`` written.
        counts: ``(m,)`` written, zeros before: number of faces.
        ambiguous: ``(m,)`` written.
        neighbour: the atoms beyond the faces, written from ``written`` on.
        measures: ``(len(neighbour), 5)`` likewise: vector to the atom, Å, solid angle, sr, area, Å².
        found: scratch, as are all that follow.
        square: as long.
        cause: twice as long and :data:`BOX`.
        shape: for as many points.

    Returns:
        The place of the site where it stopped (``m`` when done), the number of faces written, and the number of points
        around that site.
    """
    n = 0
    for i in range(first, len(sites)):
        cx, cy, cz = points.homes[sites[i], 0], points.homes[sites[i], 1], points.homes[sites[i], 2]
        n = _ball(points, cx, cy, cz, 0.0, points.radius + BORDER, found, square)
        if n > len(found):
            return i, written, n
        for cube in range(len(CUBES)):
            for attempt in range(len(TOLERANCES)):
                start(shape, CUBES[cube])
                tolerance = TOLERANCES[attempt]
                status[i], ambiguous[i] = _cell(points, cx, cy, cz, sites[i], tolerance, found, square, cause, shape)
                if cube > 0 and status[i] == CLOSED:
                    # A plane may have passed by a corner of the cube that was not known well, and gone since.
                    status[i], again = _cell(points, cx, cy, cz, sites[i], tolerance, found, square, cause, shape)
                    ambiguous[i] |= again
                if status[i] != CONTRADICTORY:
                    break
            if status[i] != OPEN:
                break
        if status[i] != CLOSED:
            continue
        if written + shape.size[0] > len(neighbour):
            return i, written, n
        for plane in range(BOX, shape.size[0]):
            angle, size = face(shape, plane)
            if angle > 0.0 and size > 0.0:
                p = cause[plane]
                neighbour[written] = points.owner[p]
                measures[written, 0] = points.positions[p, 0] - cx
                measures[written, 1] = points.positions[p, 1] - cy
                measures[written, 2] = points.positions[p, 2] - cz
                measures[written, 3] = angle
                measures[written, 4] = size
                written += 1
                counts[i] += 1
    return len(sites), written, n


@helper
def _cell(
    points: Points,
    cx: float,
    cy: float,
    cz: float,
    site: int,
    tolerance: float,
    found: NDArray[np.int64],
    square: NDArray[np.float64],
    cause: NDArray[np.int64],
    shape: Polyhedron,
) -> tuple[int, bool]:
    """Cut one cell out of a cube; returns its status and whether rounding decides about it.

    ``cause`` tells the point of each plane.
    """
    ambiguous = False
    limit = points.radius + BORDER
    farthest = reach(shape)
    inner = 0.0
    while inner < min(limit, 2.0 * farthest):
        outer = min(limit, NEAR) if inner == 0.0 else min(limit, 2.0 * farthest + BORDER)
        n = _ball(points, cx, cy, cz, inner, outer, found, square)
        _sort_rising(square, found, n)
        for k in range(n):
            p = found[k]
            if points.owner[p] == site and points.is_home[p]:
                continue
            distance = math.sqrt(square[k])
            if distance < COINCIDENT:
                return COINCIDING, False
            if distance / 2.0 >= farthest:
                break
            nx = (points.positions[p, 0] - cx) / distance
            ny = (points.positions[p, 1] - cy) / distance
            nz = (points.positions[p, 2] - cz) / distance
            inside = distance <= points.radius + BALL_TOLERANCE
            done = cut(shape, nx, ny, nz, distance / 2.0, tolerance, inside)
            if done == CONTRADICTION:
                return CONTRADICTORY, False
            if done == CUT:
                if inside:
                    cause[shape.size[0] - 1] = p
                    farthest = reach(shape)
                if distance > points.radius - BORDER:
                    ambiguous = True
        inner = outer
    if is_open(shape):
        return OPEN, ambiguous or opening(shape) < ALMOST_CLOSED
    return CLOSED, ambiguous or farthest > ALMOST_OPEN


@helper
def _ball(
    points: Points,
    cx: float,
    cy: float,
    cz: float,
    inner: float,
    outer: float,
    found: NDArray[np.int64],
    square: NDArray[np.float64],
) -> int:
    """List the points at distances in [inner, outer), Å, with their squares; returns how many.

    Those that find no room in ``found`` are only counted.
    """
    origin, counts, size = points.origin, points.box_counts, points.box_size
    least, most = inner * inner, outer * outer
    z_low = max(0, math.floor((cz - origin[2] - outer) / size))
    z_high = min(counts[2] - 1, math.floor((cz - origin[2] + outer) / size))
    count = 0
    for bx in range(
        max(0, math.floor((cx - origin[0] - outer) / size)),
        min(counts[0] - 1, math.floor((cx - origin[0] + outer) / size)) + 1,
    ):
        for by in range(
            max(0, math.floor((cy - origin[1] - outer) / size)),
            min(counts[1] - 1, math.floor((cy - origin[1] + outer) / size)) + 1,
        ):
            row = (bx * counts[1] + by) * counts[2]
            for p in range(points.box_start[row + z_low], points.box_start[row + z_high + 1]):
                x, y, z = points.positions[p, 0] - cx, points.positions[p, 1] - cy, points.positions[p, 2] - cz
                d = x * x + y * y + z * z
                if least <= d < most:
                    if count < len(found):
                        found[count] = p
                        square[count] = d
                    count += 1
    return count


@helper
def _sort_rising(square: NDArray[np.float64], found: NDArray[np.int64], n: int) -> None:
    """Sort the first ``n`` squares and what belongs to them, equal ones by the latter (Shell's way)."""
    gap = 1
    while 3 * gap < n:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, n):
            value, point = square[k], found[k]
            j = k
            while j >= gap and (square[j - gap] > value or (square[j - gap] == value and found[j - gap] > point)):
                square[j], found[j] = square[j - gap], found[j - gap]
                j -= gap
            square[j], found[j] = value, point
        gap //= 3
