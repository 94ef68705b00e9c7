"""Ring statistics of a bond network: shortest-path rings, in space and not through the cell.

A closed path of bonds is a ring here if no two of its atoms have a way between them that is shorter than along the ring
(Franzblau, Phys. Rev. B 44, 4925 (1991); the "primitive" rings of Yuan and Cormack, Comput. Mater. Sci. 24, 343
(2002)). It is enough that this holds for opposite atoms: a shortcut between two others would shorten the way between
an opposite pair, too. King's rings, the shortest ones through each pair of bonds of an atom, also count some that have
such shortcuts.

Atoms are nodes together with their lattice translation, so a path that leaves the cell on one side and ends at
an image of its first atom is no ring, however small the cell is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..compiled import helper, inlined, kernel

#: Rings beyond this are looked for in neighbourhoods of hundreds of atoms per atom.
LARGEST = 20


def ring_counts(
    start: NDArray[np.int64], neighbour: NDArray[np.int64], image: NDArray[np.int64], largest: int = 10
) -> NDArray[np.int64]:
    """Count the shortest-path rings of a periodic network by size.

    Args:
        start: ``(n + 1,)`` the bonds of atom i are ``start[i]:start[i + 1]``.
        neighbour: ``(k,)`` the other atom; every bond is there in both directions.
        image: ``(k, 3)`` lattice translations of the neighbour.
        largest: atoms of the largest rings to look for.

    Returns:
        ``(largest + 1,)`` how many rings of each size there are per cell; a ring of s atoms counts once.

    Raises:
        ValueError: ``largest`` is out of range, a bond lacks its counterpart, or images are absurd.

    Example:
        Diamond has two six-membered rings per atom, and no others::

            bonds = bonds_within(structure, 2.85)
            ring_counts(bonds.start, bonds.neighbour, bonds.image)[6] == 2 * structure.n_atoms
    """
    if not 3 <= largest <= LARGEST:
        raise ValueError(f"rings of 3 to {LARGEST} atoms can be counted, not of {largest}")
    start, neighbour, image = (np.ascontiguousarray(part, dtype=np.int64) for part in (start, neighbour, image))
    atoms, depth = len(start) - 1, largest // 2
    if not len(neighbour):
        return np.zeros(largest + 1, dtype=np.int64)
    _check_both_ways(start, neighbour, image)
    # the differences of two nodes of a neighbourhood must have numbers of their own
    reach = 2 * depth * int(np.abs(image).max()) + 1
    width = 2 * reach + 1
    if atoms * width**3 >= 2**62:
        raise ValueError(f"lattice translations of up to {np.abs(image).max()} cells per bond; wrap the atoms first")
    begin, keys, depths = _neighbourhoods(start, neighbour, image, depth, width)
    return _count(start, neighbour, image, begin, keys, depths, largest, width)


def _check_both_ways(start: NDArray[np.int64], neighbour: NDArray[np.int64], image: NDArray[np.int64]) -> None:
    """Raise ValueError unless every bond is there in both directions."""
    atom = np.repeat(np.arange(len(start) - 1), np.diff(start))
    there = np.column_stack([atom, neighbour, image])
    back = np.column_stack([neighbour, atom, -image])
    if not np.array_equal(there[np.lexsort(there.T)], back[np.lexsort(back.T)]):
        raise ValueError("every bond must be there in both directions, with opposite lattice translations")


@inlined
def _key(atom, x, y, z, width):  # type: ignore[no-untyped-def]
    """Return the number of a node; translations must lie within half the width."""
    half = width // 2
    return ((atom * width + x + half) * width + y + half) * width + z + half


@inlined
def _step(key, partner, a, b, c, width):  # type: ignore[no-untyped-def]
    """Return the node that a bond to ``partner`` with translation (a, b, c) leads to from a node."""
    return partner * width * width * width + key % (width * width * width) + (a * width + b) * width + c


@helper
def _place(keys, first, last, key):  # type: ignore[no-untyped-def]
    """Return where a key is, or would be, in the sorted ``keys[first:last]``."""
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _neighbourhoods(start, neighbour, image, depth, width):  # type: ignore[no-untyped-def]
    """Return the nodes up to ``depth`` bonds from each atom: where each begins, sorted keys, and their distances."""
    atoms = start.shape[0] - 1
    cube = width * width * width
    begin = np.empty(atoms + 1, np.int64)
    begin[0] = 0
    keys = np.empty(64 * atoms + 64, np.int64)
    depths = np.empty(keys.shape[0], np.int64)
    for root in range(atoms):
        first = last = begin[root]
        if last == keys.shape[0]:
            keys = _longer(keys)
            depths = _longer(depths)
        keys[last], depths[last] = _key(root, 0, 0, 0, width), 0
        last += 1
        front = np.empty(1, np.int64)
        front[0] = keys[begin[root]]
        for level in range(1, depth + 1):
            ahead = np.empty(_room(front, start, cube), np.int64)
            count = 0
            for key in front:
                atom = key // cube
                for bond in range(start[atom], start[atom + 1]):
                    other = _step(key, neighbour[bond], image[bond, 0], image[bond, 1], image[bond, 2], width)
                    place = _place(keys, first, last, other)
                    if place < last and keys[place] == other:
                        continue
                    if last == keys.shape[0]:
                        keys = _longer(keys)
                        depths = _longer(depths)
                    for moved in range(last, place, -1):
                        keys[moved], depths[moved] = keys[moved - 1], depths[moved - 1]
                    keys[place], depths[place] = other, level
                    last += 1
                    ahead[count] = other
                    count += 1
            front = ahead[:count]
        begin[root + 1] = last
    return begin, keys, depths


@helper
def _longer(array):  # type: ignore[no-untyped-def]
    """Return an array twice as long that begins with the given one."""
    longer = np.empty(2 * array.shape[0], np.int64)
    for place in range(array.shape[0]):
        longer[place] = array[place]
    return longer


@helper
def _room(nodes, start, cube):  # type: ignore[no-untyped-def]
    """Return how many bonds start at some nodes."""
    room = 0
    for key in nodes:
        room += start[key // cube + 1] - start[key // cube]
    return room


@helper
def _nearer(first, second, limit, begin, keys, depths, width):  # type: ignore[no-untyped-def]
    """Say whether two nodes are less than ``limit`` bonds apart."""
    cube = width * width * width
    atom = first // cube
    half = width // 2
    a, b = first % cube, second % cube
    x = b // (width * width) - a // (width * width)
    y = b // width % width - a // width % width
    z = b % width - a % width
    if max(abs(x), abs(y), abs(z)) > half:
        return False
    key = _key(second // cube, x, y, z, width)
    place = _place(keys, begin[atom], begin[atom + 1], key)
    return place < begin[atom + 1] and keys[place] == key and depths[place] < limit


@helper
def _paths(root, start, neighbour, image, begin, keys, depths, length, width):  # type: ignore[no-untyped-def]
    """Return all shortest paths from an atom to nodes ``length`` bonds away, keys ``(≥ n, length)``, and n."""
    cube = width * width * width
    rows = np.empty((1, length), np.int64)
    ends = np.empty(1, np.int64)
    ends[0] = _key(root, 0, 0, 0, width)
    count = 1
    for level in range(1, length + 1):
        longer = np.empty((_room(ends, start, cube), length), np.int64)
        tips = np.empty(longer.shape[0], np.int64)
        made = 0
        for row in range(count):
            atom = ends[row] // cube
            for bond in range(start[atom], start[atom + 1]):
                other = _step(ends[row], neighbour[bond], image[bond, 0], image[bond, 1], image[bond, 2], width)
                if depths[_place(keys, begin[root], begin[root + 1], other)] != level:
                    continue
                for step in range(level - 1):
                    longer[made, step] = rows[row, step]
                longer[made, level - 1] = other
                tips[made] = other
                made += 1
        rows, ends, count = longer, tips[:made], made
    return rows, count


@helper
def _is_ring(one, two, odd, begin, keys, depths, width):  # type: ignore[no-untyped-def]
    """Say whether two shortest paths from a root make a ring without shortcuts.

    An even ring closes at the common end of the paths, an odd one with a bond between their ends.
    """
    length = one.shape[0]
    for step in range(1, length + odd):
        # one[step - 1] is `step` bonds from the root; opposite to it is the node `length - step` on the other side
        if step < length and _nearer(one[step - 1], two[length - step - 1], length, begin, keys, depths, width):
            return False
        # in an odd ring there are two opposite nodes; the other one is a bond further from the root
        if odd and _nearer(one[step - 1], two[length - step], length, begin, keys, depths, width):
            return False
    return True


@helper
def _by_end(paths, found, keys, first, last):  # type: ignore[no-untyped-def]
    """Sort the first ``found`` paths by their ends.

    Returns rows in this order, and where those that end at each node of the root begin in it.
    """
    length = paths.shape[1]
    begins = np.empty(last - first + 1, np.int64)
    for node in range(begins.shape[0]):
        begins[node] = 0
    for row in range(found):
        begins[_place(keys, first, last, paths[row, length - 1]) - first + 1] += 1
    for node in range(1, begins.shape[0]):
        begins[node] += begins[node - 1]
    order = np.empty(found, np.int64)
    filled = np.empty(begins.shape[0], np.int64)
    for node in range(begins.shape[0]):
        filled[node] = begins[node]
    for row in range(found):
        node = _place(keys, first, last, paths[row, length - 1]) - first
        order[filled[node]] = row
        filled[node] += 1
    return order, begins


@kernel
def _count(start, neighbour, image, begin, keys, depths, largest, width):  # type: ignore[no-untyped-def]
    """Return the number of rings of each size per cell."""
    cube = width * width * width
    seen = np.empty(largest + 1, np.int64)
    for size in range(largest + 1):
        seen[size] = 0
    for root in range(start.shape[0] - 1):
        first, last = begin[root], begin[root + 1]
        for length in range(1, largest // 2 + 1):
            paths, found = _paths(root, start, neighbour, image, begin, keys, depths, length, width)
            order, begins = _by_end(paths, found, keys, first, last)
            for row in range(order.shape[0]):
                one = paths[order[row]]
                end = one[length - 1]
                node = _place(keys, first, last, end) - first
                for other in range(row + 1, begins[node + 1]):
                    if _is_ring(one, paths[order[other]], 0, begin, keys, depths, width):
                        seen[2 * length] += 1
                if 2 * length + 1 > largest:
                    continue
                atom = end // cube
                for bond in range(start[atom], start[atom + 1]):
                    beside = _step(end, neighbour[bond], image[bond, 0], image[bond, 1], image[bond, 2], width)
                    node = _place(keys, first, last, beside) - first
                    # each pair of ends once; ends further from the root have no paths of this length
                    if beside <= end or first + node == last or keys[first + node] != beside:
                        continue
                    for other in range(begins[node], begins[node + 1]):
                        if _is_ring(one, paths[order[other]], 1, begin, keys, depths, width):
                            seen[2 * length + 1] += 1
    for size in range(3, largest + 1):
        # a ring was found from each of its atoms
        seen[size] //= size
    return seen
