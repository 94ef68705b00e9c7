"""A convex polyhedron around the origin, cut by one plane after another.

It is kept as its planes and its vertices, each vertex with the three planes that meet there (in a fixed sense of
rotation); edges and faces follow from these. A cut takes the vertices beyond the plane away and puts one on each
edge between a vertex that goes and one that stays. Where more than three planes meet, as in perfect lattices, there
are several vertices at one place, joined by edges without length: their faces have no area, and nothing else
changes. A plane that only touches (within a tolerance) does not cut.

The idea of the vertex triples is that of Ray, Sokolov, Lefebvre and Lévy, ACM Trans. Graph. 37, 265 (2018).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper

#: Number of planes of the box that everything starts with.
BOX = 6
#: A vertex far away must be further beyond a plane to be cut: by this times its distance, relative to the tolerance.
FAR_TOLERANCE = 1e-3
#: Three unit normals with a smaller determinant do not fix their common point well: it is interpolated.
WELL_FIXED = 1e-4
#: What :func:`cut` returns.
MISSED, CUT, CONTRADICTION = 0, 1, 2


class Polyhedron(NamedTuple):
    """Room for a polyhedron of up to ``room`` planes.

    Attributes:
        size: ``(2,)`` planes and vertices in use.
        normal: ``(room, 3)`` unit normals, outwards.
        height: ``(room,)`` distance of the planes from the origin.
        corner: ``(2 room, 3)`` vertices.
        planes: ``(2 room, 3)`` the planes that meet at each vertex.
        excess: ``(2 room,)`` scratch: how far a vertex is beyond a plane.
        gone: ``(2 room,)`` scratch: vertices to be taken away.
        edges: ``(2 room, 3)`` scratch: edges around them, and the vertex each came from.
        after: ``(room,)`` scratch: the next plane around the cut; -1 when not in use.
    """

    size: NDArray[np.int64]
    normal: NDArray[np.float64]
    height: NDArray[np.float64]
    corner: NDArray[np.float64]
    planes: NDArray[np.int64]
    excess: NDArray[np.float64]
    gone: NDArray[np.int64]
    edges: NDArray[np.int64]
    after: NDArray[np.int64]


def make_room(points: int) -> Polyhedron:
    """Allocate for cuts by up to ``points`` planes, which may be tried twice (not compiled)."""
    room = 2 * points + BOX
    return Polyhedron(
        np.zeros(2, dtype=np.int64),
        np.empty((room, 3)),
        np.empty(room),
        np.empty((2 * room, 3)),
        np.empty((2 * room, 3), dtype=np.int64),
        np.empty(2 * room),
        np.empty(2 * room, dtype=np.int64),
        np.empty((2 * room, 3), dtype=np.int64),
        np.full(room, -1, dtype=np.int64),
    )


@helper
def start(shape: Polyhedron, far: float) -> None:
    """Make it a cube with faces at the distance ``far``, Å.

    A cell that keeps one of them is open or reaches further. The further away they are, the more rounding matters: a
    vertex at 1e10 Å is known to 1e-6 Å, and a plane that passes it closer than that may miss it.
    """
    for plane in range(BOX):
        shape.normal[plane, 0] = shape.normal[plane, 1] = shape.normal[plane, 2] = 0.0
        shape.normal[plane, plane // 2] = 2.0 * (plane % 2) - 1.0
        shape.height[plane] = far
    for vertex in range(8):
        x, y, z = vertex // 4, vertex // 2 % 2, vertex % 2
        shape.corner[vertex, 0] = far * (2 * x - 1)
        shape.corner[vertex, 1] = far * (2 * y - 1)
        shape.corner[vertex, 2] = far * (2 * z - 1)
        # Neighbouring vertices turn the other way round.
        turned = (x + y + z) % 2
        shape.planes[vertex, 0] = x
        shape.planes[vertex, 1 + turned] = 2 + y
        shape.planes[vertex, 2 - turned] = 4 + z
    shape.size[0] = BOX
    shape.size[1] = 8


@helper
def cut(shape: Polyhedron, nx: float, ny: float, nz: float, height: float, tolerance: float, apply: bool) -> int:
    """Cut away what lies beyond a plane.

    Args:
        shape: changed in place.
        nx: unit normal, away from the origin.
        ny: its second component.
        nz: its third component.
        height: distance of the plane from the origin, positive, Å.
        tolerance: a vertex must lie further beyond the plane than this to be cut, Å, and far away
            (:data:`FAR_TOLERANCE`) further.
        apply: False only looks whether it would cut.

    Returns:
        ``MISSED``, ``CUT`` or ``CONTRADICTION``: rounding made the part beyond the plane something else than one
        piece; the polyhedron is of no use afterwards.
    """
    corner, planes, excess, gone = shape.corner, shape.planes, shape.excess, shape.gone
    vertices = shape.size[1]
    lost = 0
    for v in range(vertices):
        x, y, z = corner[v, 0], corner[v, 1], corner[v, 2]
        excess[v] = nx * x + ny * y + nz * z - height
        if excess[v] > tolerance and excess[v] > tolerance * (1.0 + FAR_TOLERANCE * math.sqrt(x * x + y * y + z * z)):
            gone[lost] = v
            lost += 1
    if lost == 0 or not apply:
        return CUT if lost else MISSED

    # An edge of a lost vertex is on the rim unless another lost vertex has it the other way round.
    edges, after = shape.edges, shape.after
    rim = 0
    good = lost < vertices
    for i in range(lost):
        for side in range(3):
            first = planes[gone[i], side]
            second = planes[gone[i], (side + 1) % 3]
            inner = False
            for j in range(lost):
                v = gone[j]
                if (
                    (planes[v, 0] == second and planes[v, 1] == first)
                    or (planes[v, 1] == second and planes[v, 2] == first)
                    or (planes[v, 2] == second and planes[v, 0] == first)
                ):
                    inner = True
                    break
            if not inner and good:
                good = after[first] < 0 and rim < len(edges)
                after[first] = second
                edges[rim, 0] = first
                edges[rim, 1] = second
                edges[rim, 2] = gone[i]
                rim += 1
    # The rim of one piece is one closed round.
    steps = 0
    if good and rim > 2:
        plane = edges[0, 0]
        while True:
            plane = after[plane]
            steps += 1
            if plane < 0 or plane == edges[0, 0] or steps > rim:
                break
        good = plane == edges[0, 0] and steps == rim
    else:
        good = False
    for i in range(rim):
        after[edges[i, 0]] = -1
    if not good:
        return CONTRADICTION

    added = shape.size[0]
    if added == len(shape.height) or vertices + rim > len(corner):
        return CONTRADICTION
    shape.normal[added, 0] = nx
    shape.normal[added, 1] = ny
    shape.normal[added, 2] = nz
    shape.height[added] = height
    shape.size[0] += 1
    # The new vertices are computed before any old one is overwritten, and wait behind the old ones.
    for i in range(rim):
        if not _place(shape, edges[i, 0], edges[i, 1], added, edges[i, 2], vertices + i):
            return CONTRADICTION
        planes[vertices + i, 0] = edges[i, 0]
        planes[vertices + i, 1] = edges[i, 1]
        planes[vertices + i, 2] = added
    # Fill the gaps from the end; the lost ones are in rising order.
    last = vertices + rim - 1
    hidden = lost - 1
    for i in range(lost):
        while hidden >= 0 and gone[hidden] == last:
            hidden -= 1
            last -= 1
        if gone[i] > last:
            break
        for axis in range(3):
            corner[gone[i], axis] = corner[last, axis]
            planes[gone[i], axis] = planes[last, axis]
        last -= 1
    shape.size[1] = vertices + rim - lost
    return CUT


@helper
def _place(shape: Polyhedron, first: int, second: int, third: int, outside: int, target: int) -> bool:
    """Put the common point of three planes into ``corner[target]``; ``outside`` is the edge's end beyond the third."""
    normal, height, corner = shape.normal, shape.height, shape.corner
    ax, ay, az = normal[first, 0], normal[first, 1], normal[first, 2]
    bx, by, bz = normal[second, 0], normal[second, 1], normal[second, 2]
    cx, cy, cz = normal[third, 0], normal[third, 1], normal[third, 2]
    # Cross products b × c, c × a, a × b.
    ux, uy, uz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    vx, vy, vz = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    wx, wy, wz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    determinant = ax * ux + ay * uy + az * uz
    if abs(determinant) > WELL_FIXED:
        p, q, r = height[first] / determinant, height[second] / determinant, height[third] / determinant
        corner[target, 0] = p * ux + q * vx + r * wx
        corner[target, 1] = p * uy + q * vy + r * wy
        corner[target, 2] = p * uz + q * vz + r * wz
        return True
    planes, excess = shape.planes, shape.excess
    for inside in range(shape.size[1]):
        for side in range(3):
            if planes[inside, side] == second and planes[inside, (side + 1) % 3] == first:
                # A far vertex may stay although it is beyond the plane (within the tolerance), as far as the other or
                # further where the edge is parallel to the plane: the cut is there then.
                share = 0.0
                if excess[inside] < 0.0:
                    share = excess[inside] / (excess[inside] - excess[outside])
                for axis in range(3):
                    corner[target, axis] = corner[inside, axis] + share * (corner[outside, axis] - corner[inside, axis])
                return True
    return False


@helper
def is_open(shape: Polyhedron) -> bool:
    """Say whether a face of the cube is left."""
    for v in range(shape.size[1]):
        for side in range(3):
            if shape.planes[v, side] < BOX:
                return True
    return False


@helper
def opening(shape: Polyhedron) -> float:
    """Return how wide an open polyhedron opens: the sine of the angle between the middle of the opening and a plane.

    Zero or nearly so: the planes are parallel there, as on a flat surface or an edge, or it opens on opposite sides,
    and the slightest change may close it.
    """
    if shape.size[0] == BOX:
        return 1.0
    mx, my, mz = 0.0, 0.0, 0.0
    far = 0
    for v in range(shape.size[1]):
        if shape.planes[v, 0] < BOX or shape.planes[v, 1] < BOX or shape.planes[v, 2] < BOX:
            x, y, z = shape.corner[v, 0], shape.corner[v, 1], shape.corner[v, 2]
            length = math.sqrt(x * x + y * y + z * z)
            mx, my, mz = mx + x / length, my + y / length, mz + z / length
            far += 1
    length = math.sqrt(mx * mx + my * my + mz * mz)
    if length < 1e-6 * far:
        return 0.0
    widest = 1.0
    for plane in range(BOX, shape.size[0]):
        along = shape.normal[plane, 0] * mx + shape.normal[plane, 1] * my + shape.normal[plane, 2] * mz
        widest = min(widest, -along / length)
    return widest


@helper
def reach(shape: Polyhedron) -> float:
    """Return the distance of the farthest vertex from the origin, Å."""
    largest = 0.0
    for v in range(shape.size[1]):
        x, y, z = shape.corner[v, 0], shape.corner[v, 1], shape.corner[v, 2]
        largest = max(largest, x * x + y * y + z * z)
    return math.sqrt(largest)


@helper
def face(shape: Polyhedron, plane: int) -> tuple[float, float]:
    """Measure the face on a plane.

    Returns:
        Solid angle under which the origin sees it, sr, and area, Å²; both 0 where the plane has no face (any more).
        The solid angle is summed over triangles (van Oosterom and Strackee, IEEE Trans. Biomed. Eng. 30, 125 (1983)).
    """
    corner, planes, order = shape.corner, shape.planes, shape.gone
    count = 0
    for v in range(shape.size[1]):
        if planes[v, 0] == plane or planes[v, 1] == plane or planes[v, 2] == plane:
            order[count] = v
            count += 1
    if count < 3:
        return 0.0, 0.0
    # From each vertex to the one that shares the plane by which the edge leaves it.
    for i in range(count - 1):
        leaving = _plane_after(planes, order[i], plane, 2)
        for j in range(i + 1, count):
            if _plane_after(planes, order[j], plane, 1) == leaving:
                order[i + 1], order[j] = order[j], order[i + 1]
                break
    angle, volume = 0.0, 0.0
    ax, ay, az = corner[order[0], 0], corner[order[0], 1], corner[order[0], 2]
    a = math.sqrt(ax * ax + ay * ay + az * az)
    bx, by, bz = corner[order[1], 0], corner[order[1], 1], corner[order[1], 2]
    b = math.sqrt(bx * bx + by * by + bz * bz)
    ab = ax * bx + ay * by + az * bz
    for i in range(2, count):
        cx, cy, cz = corner[order[i], 0], corner[order[i], 1], corner[order[i], 2]
        c = math.sqrt(cx * cx + cy * cy + cz * cz)
        ac = ax * cx + ay * cy + az * cz
        bc = bx * cx + by * cy + bz * cz
        triple = abs(ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx))
        angle += 2.0 * math.atan2(triple, a * b * c + ab * c + ac * b + bc * a)
        volume += triple / 6.0
        bx, by, bz, b, ab = cx, cy, cz, c, ac
    return angle, 3.0 * volume / shape.height[plane]


@helper
def _plane_after(planes: NDArray[np.int64], vertex: int, plane: int, steps: int) -> int:
    """Return the plane that comes ``steps`` after ``plane`` at a vertex."""
    for side in range(3):
        if planes[vertex, side] == plane:
            return planes[vertex, (side + steps) % 3]  # type: ignore[no-any-return]
    return -1
