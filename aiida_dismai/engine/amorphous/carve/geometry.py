"""Whether windows fit into a large cell, from its lattice and composition alone; no Numba, so the host may ask."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput
from ...structures import StructureSet
from ..density import cube_edge, density
from .parameters import CarveParameters

#: Lengths that differ by less than this share are the same.
SAME = 1e-9
#: Structures may be scaled by this share in length to have the wanted density; more is another network [own].
MOST_STRAIN = 0.05


@dataclass(frozen=True)
class Shape:
    """How windows lie in a large cell.

    Attributes:
        frame: ``(3, 3)`` lattice vectors as rows, lower triangular with positive diagonal, Å.
        turned: ``(3, 3)`` the rotation to it, to be applied to positions from the right.
        side: of the windows, Å; a window of this side holds the wanted number of atoms on average.
        final: side of the structures, Å: as ``side``, but of the wanted density.
    """

    frame: NDArray[np.float64]
    turned: NDArray[np.float64]
    side: float
    final: float


def shapes_of(structures: StructureSet, parameters: CarveParameters) -> list[Shape]:
    """Check the large cells.

    Raises:
        BadInput: no structure, NaN, no lattice, not periodic, other elements, too small, or a density that is not to be
            had.
    """
    structures.require("amorphous.carve")
    return [_shape_of(structures[i].without_properties(), i, parameters) for i in range(len(structures))]


def _shape_of(structure: StructureSet, source: int, parameters: CarveParameters) -> Shape:
    where = f"amorphous.carve: large cell {source}"
    if not structure.pbc.all():
        raise BadInput(f"{where} is not periodic along all three axes; give a periodic one")
    if structure.elements != [parameters.element]:
        raise BadInput(
            f"{where} holds {', '.join(structure.elements)}, but 'element' is '{parameters.element}'; carving knows "
            "structures of one element only"
        )
    n = len(structure.numbers)
    volume = abs(float(np.linalg.det(structure.cells[0])))
    own = density(structure)
    assert own is not None  # without a lattice it was refused above
    side = (parameters.n_atoms * volume / n) ** (1 / 3)
    final = side
    if parameters.density is not None:
        final = cube_edge(parameters.n_atoms, parameters.element, parameters.density)
    if abs(final / side - 1) > MOST_STRAIN:
        raise BadInput(
            f"{where} has a density of {own:.4g} g/cm³; structures of {parameters.density:g} g/cm³ would have to be "
            f"{'stretched' if final > side else 'compressed'} by {100 * abs(final / side - 1):.0f} % in length; ask "
            f"for {own / (1 + MOST_STRAIN) ** 3:.3g} to {own / (1 - MOST_STRAIN) ** 3:.3g} g/cm³, or give another cell"
        )
    reach = parameters.measures.bond_cutoff
    if side < 2 * reach * (1 + SAME):
        least = int(np.ceil((2 * reach) ** 3 * n / volume))
        raise BadInput(
            f"amorphous.carve: a window of {parameters.n_atoms} atoms has a side of {side:.3g} Å, less than twice the "
            f"bond cutoff of {reach:g} Å; ask for n_atoms of at least {least}"
        )
    needed = side * (3**0.5 if parameters.rotate else 1.0)
    frame, turned = _frame(structure.cells[0], side)
    if (np.diag(frame) < needed * (1 - SAME)).any():
        least = int(np.ceil(needed**3 * n / volume))
        raise BadInput(
            f"{where} is too small to carve: windows of {parameters.n_atoms} atoms have a side of {side:.4g} Å, and "
            f"{'turned windows need' if parameters.rotate else 'they need'} {needed:.4g} Å along each axis, a cube of "
            f"{least} atoms; this one has {n} atoms and "
            + " × ".join(f"{length:.4g}" for length in np.diag(frame))
            + " Å"
        )
    return Shape(frame, turned, side, final)


def _frame(cell: NDArray[np.float64], side: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lattice as a lower triangle, its axes in the order in which most windows fit, and the rotation to it.

    Every lattice is tiled by the brick on the triangle's diagonal: bricks in a row along the first axis, rows side by
    side shifted against each other, and layers of rows.
    """
    best: tuple[int, NDArray[np.float64], NDArray[np.float64]] | None = None
    for order in itertools.permutations(range(3)):
        rows = cell[list(order)]
        rows = rows if np.linalg.det(rows) > 0 else -rows  # the same lattice, right-handed
        q, r = np.linalg.qr(rows.T)
        signs = np.where(np.diag(r) < 0, -1.0, 1.0)
        triangle = (r * signs[:, None]).T
        fits = int(np.prod(np.floor(np.diag(triangle) / side * (1 + SAME))))
        if best is None or fits > best[0]:
            best = fits, triangle, q * signs
    assert best is not None
    return np.ascontiguousarray(np.tril(best[1])), np.ascontiguousarray(best[2])
