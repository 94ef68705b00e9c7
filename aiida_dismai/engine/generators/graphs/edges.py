"""Who is near whom under periodic boundaries: directed edges with the image that they lead to.

All images are searched, so cells may be smaller than the cutoff. The atoms of a structure are wrapped into the cell
and copied as far as the cutoff reaches beyond the outermost atoms; then all pairs of an atom and a copy are
compared. That is quadratic, but for the few hundred atoms of a benchmark structure faster than cell lists, and the
same few operations on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .batch import apply_rows, structure_of

#: Å; atoms nearer than this are on top of each other: between them there is no direction, hence no edge (the published
#: codes drop the square of it, 1e-4 Å², as "the same atom").
COINCIDENT = 0.01
#: Å; distances that differ by less count as equal when the nearest neighbours are chosen, and the order of the atoms
#: decides: on a perfect lattice the choice would else depend on the last digits.
TIE = 1e-4
#: A cell thinner than this share of the cutoff is searched as if it were so thick: no crystal is, only what an
#: untrained network says of one.
THINNEST = 0.1
#: Pairs of atoms and copies that are compared at once; bounds the memory.
PAIRS_AT_ONCE = {"cpu": 4_000_000, "cuda": 100_000_000}


@dataclass(frozen=True)
class Edges:
    """``E`` directed edges; a message goes from its source to its target.

    Attributes:
        source: atom j, ``(E,)`` int64.
        target: atom i, ``(E,)`` int64.
        image: the cell of atom j as seen from atom i in its home cell, ``(E, 3)`` int64.
        reverse: index of the counter-edge, ``(E,)`` int64; None unless every edge has one (:func:`symmetrise`).
    """

    source: Tensor
    target: Tensor
    image: Tensor
    reverse: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of edges."""
        return len(self.source)

    def vectors(self, positions: Tensor, cells: Tensor, structure: Tensor) -> Tensor:
        """Return the vectors from target to source, x_j + image · cell - x_i, Å, ``(E, 3)``.

        Args:
            positions: Cartesian, Å, ``(N, 3)``, the same (wrapped or not) for which the edges were found.
            cells: Å, ``(B, 3, 3)``.
            structure: of each atom, ``(N,)``.
        """
        shift = apply_rows(self.image.to(cells.dtype), cells[structure[self.target]])
        return positions[self.source] - positions[self.target] + shift

    def to(self, device: str | torch.device) -> Edges:
        """Return the edges on another device."""
        reverse = None if self.reverse is None else self.reverse.to(device)
        return Edges(self.source.to(device), self.target.to(device), self.image.to(device), reverse)


@torch.no_grad()
def radius_edges(
    positions: Tensor,
    cells: Tensor,
    counts: Tensor,
    cutoff: float,
    max_neighbours: int,
    smallest: float = COINCIDENT,
) -> Edges:
    """Connect every atom with the nearest atoms within a radius.

    Args:
        positions: Cartesian, Å, ``(N, 3)``; not-finite ones get no edges.
        cells: Å, ``(B, 3, 3)``.
        counts: atoms of each structure, ``(B,)``.
        cutoff: radius, Å, inclusive.
        max_neighbours: of each target; what is nearest is kept, of equally near ones (:data:`TIE`) the one with the
            lower index, then the earlier image.
        smallest: atoms nearer than this have no edge, Å; 0 connects also what is in one place (never an atom with
            itself).

    Returns:
        Edges sorted by target, each target's by distance.
    """
    structure = structure_of(counts, len(positions))
    finite = torch.isfinite(positions).all(dim=1)
    inverse = torch.linalg.inv_ex(cells)[0].nan_to_num(0.0, 0.0, 0.0)
    fractional = apply_rows(positions, inverse[structure])
    home = fractional.nan_to_num(0.0, 0.0, 0.0).floor()
    inside = (fractional - home).nan_to_num(0.0, 0.0, 0.0)
    atom, copy_image = _copies(inside, inverse, structure, cutoff)
    wrapped = apply_rows(inside, cells[structure])
    wrapped[~finite] = torch.nan
    copies = wrapped[atom] + apply_rows(copy_image, cells[structure[atom]])

    n_copies = torch.bincount(structure[atom], minlength=len(counts))
    target, copy, square = _pairs_within(wrapped, copies, counts, n_copies, cutoff, smallest)
    itself = (atom[copy] == target) & (copy_image[copy] == 0).all(dim=1)
    target, copy, square = target[~itself], copy[~itself], square[~itself]
    # One sort by target and then by distance: within the bounds of int64 for 10^9 atoms.
    steps = int(cutoff / TIE) + 2
    nearness = (square.sqrt() / TIE).round().to(torch.int64)
    order = torch.argsort(target * steps + nearness, stable=True)
    target, copy = target[order], copy[order]
    found = torch.bincount(target, minlength=len(positions))
    rank = torch.arange(len(target), device=target.device) - (found.cumsum(0) - found)[target]
    kept = rank < max_neighbours
    target, copy = target[kept], copy[kept]
    source = atom[copy]
    image = (copy_image[copy] - home[source] + home[target]).to(torch.int64)
    return Edges(source, target, image)


def _copies(inside: Tensor, inverse: Tensor, structure: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Copy atoms to all images within the cutoff of the box that holds the atoms of their structure.

    Args:
        inside: fractional coordinates in [0, 1), ``(N, 3)``.
        inverse: of the cells, ``(B, 3, 3)``.
        structure: of each atom, ``(N,)``.
        cutoff: Å.

    Returns:
        Of each copy the atom, ``(G,)`` in rising order, and the image, ``(G, 3)`` of the dtype of the coordinates.
    """
    # The distance between two lattice planes is one over the length of a row of the reciprocal lattice.
    reach = (cutoff * torch.linalg.vector_norm(inverse, dim=1)).clamp(max=1.0 / THINNEST) + 1e-3
    index = structure[:, None].expand(-1, 3)
    shape = (len(inverse), 3)
    low = inside.new_full(shape, 1.0).scatter_reduce_(0, index, inside, "amin") - reach
    high = inside.new_full(shape, 0.0).scatter_reduce_(0, index, inside, "amax") + reach
    first = (low[structure] - inside).ceil()
    per_axis = ((high[structure] - inside).floor() - first + 1).to(torch.int64)
    per_atom = per_axis.prod(dim=1)
    atom = torch.repeat_interleave(per_atom)
    place = torch.arange(len(atom), device=atom.device) - (per_atom.cumsum(0) - per_atom)[atom]
    size = per_axis[atom]
    steps = torch.stack([place // (size[:, 1] * size[:, 2]), place // size[:, 2] % size[:, 1], place % size[:, 2]], 1)
    return atom, first[atom] + steps


def _pairs_within(
    atoms: Tensor, copies: Tensor, n_atoms: Tensor, n_copies: Tensor, cutoff: float, smallest: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the pairs of atoms and copies of one structure whose distance is between the smallest and the cutoff.

    Structures are compared several at a time, filled up to the same size with points that are near to nothing.

    Returns:
        Indices of atom and copy, in rising order, and the squared distance, Å².
    """
    sizes, copy_sizes = n_atoms.tolist(), n_copies.tolist()
    limit = PAIRS_AT_ONCE.get(atoms.device.type, PAIRS_AT_ONCE["cpu"])
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    first = first_atom = first_copy = 0
    while first < len(sizes):
        last, rows, columns = first, 0, 0
        while last < len(sizes):
            taller, wider = max(rows, sizes[last]), max(columns, copy_sizes[last])
            if last > first and (last - first + 1) * taller * wider > limit:
                break
            last, rows, columns = last + 1, taller, wider
        end_atom, end_copy = first_atom + sum(sizes[first:last]), first_copy + sum(copy_sizes[first:last])
        a = _padded(atoms[first_atom:end_atom], n_atoms[first:last], rows)
        c = _padded(copies[first_copy:end_copy], n_copies[first:last], columns)
        square = (a[:, :, None, 0] - c[:, None, :, 0]).square_()
        for axis in (1, 2):
            square += (a[:, :, None, axis] - c[:, None, :, axis]).square_()
        group, row, column = torch.nonzero((square <= cutoff**2) & (square >= smallest**2), as_tuple=True)
        atom_start = n_atoms[first:last].cumsum(0) - n_atoms[first:last] + first_atom
        copy_start = n_copies[first:last].cumsum(0) - n_copies[first:last] + first_copy
        found.append((atom_start[group] + row, copy_start[group] + column, square[group, row, column]))
        first, first_atom, first_copy = last, end_atom, end_copy
    if not found:
        empty = n_atoms.new_zeros(0)
        return empty, empty, atoms.new_zeros(0)
    target, copy, distance = (torch.cat(parts) for parts in zip(*found, strict=True))
    return target, copy, distance


def _padded(points: Tensor, counts: Tensor, size: int) -> Tensor:
    """Return the points of each structure as ``(b, size, 3)``, filled up with NaN, which is near to nothing."""
    if len(counts) == 1:
        return points[None]
    padded = points.new_full((len(counts), size, 3), torch.nan)
    padded[torch.arange(size, device=points.device) < counts[:, None]] = points
    return padded


def symmetrise(edges: Edges) -> Edges:
    """Give every edge a counter-edge, by the rule of the published GemNet.

    Of the directed edges those are kept whose source has the lower index, or, between images of one atom, whose image
    comes first in lexical order; then the counter-edge of each is added. With a limited number of neighbours an edge
    may so be dropped (its source did not see it) or added (its source saw it, its target did not).

    Returns:
        Edges sorted by target, with :attr:`Edges.reverse`.
    """
    x, y, z = edges.image.unbind(dim=1)
    earlier = (x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))
    kept = (edges.source < edges.target) | ((edges.source == edges.target) & earlier)
    return with_reverse(edges.source[kept], edges.target[kept], edges.image[kept])


def with_reverse(source: Tensor, target: Tensor, image: Tensor) -> Edges:
    """Return edges and their counter-edges, sorted by target."""
    half = len(source)
    both = torch.cat([target, source])
    order = torch.argsort(both, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(2 * half, device=order.device)
    counter = torch.cat([place[half:], place[:half]])
    return Edges(torch.cat([source, target])[order], both[order], torch.cat([image, -image])[order], counter[order])
