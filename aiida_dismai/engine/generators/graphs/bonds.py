"""Edges along the bonds that CrystalNN finds, as the training graphs of the published CDVAE have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...crystalnn.neighbours import near_neighbours
from ...crystalnn.options import GEOMETRIC
from ...structures import StructureSet


def crystalnn_edges(structure: StructureSet) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Connect the atoms of one structure along its CrystalNN bonds, without chemistry and distance cutoffs.

    A bond that at least one of its ends has found counts, once, and gives an edge in each direction; two atoms may
    be bonded through several images. That is pymatgen's ``StructureGraph`` with ``CrystalNN(distance_cutoffs=None,
    x_diff_weight=-1, porous_adjustment=False)``, which the published data sets were made with.

    Args:
        structure: a set of one structure, finite coordinates, a cell with volume.

    Returns:
        ``(E,)`` sources, ``(E,)`` targets, sorted by target, and ``(E, 3)`` images of the sources as seen from the
        targets; both atoms where they are in the set, not wrapped.

    Raises:
        CrystalNNError: a site at which CrystalNN is not defined.
    """
    found = near_neighbours(structure, GEOMETRIC)
    bonded = found.bonded()
    centre = np.repeat(found.sites, np.diff(found.start))[bonded]
    other = found.index[bonded]
    shift = found.vectors[bonded] - structure.positions[other] + structure.positions[centre]
    image = np.rint(shift @ np.linalg.inv(structure.cells[0])).astype(np.int64)
    both = np.concatenate(
        [np.column_stack([centre, other, image]), np.column_stack([other, centre, -image])], dtype=np.int64
    )
    # np.unique sorts by target, source and image, and leaves one of what both ends have found.
    rows = np.unique(both, axis=0)
    return rows[:, 1].copy(), rows[:, 0].copy(), rows[:, 2:].copy()
