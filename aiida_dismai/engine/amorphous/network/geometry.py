"""What a network looks like: its bonds as flat arrays, its angles, its structure in a cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...descriptors.angles import bond_angles, mean_and_sigma
from ...structures import StructureSet
from ..bonds import Bonds, bonds_within
from ..rings import ring_counts
from .diamond import Network


def angle_sigma(network: Network) -> float:
    """Return the standard deviation of the angles between the bonds of the network, degrees."""
    n = len(network.positions)
    return mean_and_sigma(bond_angles(4 * np.arange(n + 1), bond_vectors(network).reshape(-1, 3)))[1]


def four_rings(network: Network) -> int:
    """Return the number of rings of four atoms."""
    bonds = bonds_of(wrapped(network))
    return int(ring_counts(bonds.start, bonds.neighbour, bonds.image, 4)[4])


def bond_vectors(network: Network) -> NDArray[np.float64]:
    """Return the vectors from each atom along its bonds, ``(n, 4, 3)``, Å."""
    ends = network.positions[network.bonded] + network.box * network.images
    return np.asarray(ends - network.positions[:, None])


def wrapped(network: Network) -> Network:
    """Return the network with all atoms inside the box."""
    turns = np.floor(network.positions / network.box).astype(np.int64)
    images = network.images + turns[network.bonded] - turns[:, None]
    return network._replace(positions=network.positions - turns * network.box, images=images)


def bonds_of(network: Network) -> Bonds:
    """Return the bonds of the list, sorted as :func:`~..bonds.bonds_within` does."""
    n = len(network.positions)
    order = np.lexsort((*np.moveaxis(network.images, 2, 0)[::-1], network.bonded), axis=1)
    rows = np.arange(n)[:, None]
    return Bonds(
        4 * np.arange(n + 1),
        network.bonded[rows, order].ravel(),
        network.images[rows, order].reshape(-1, 3),
        bond_vectors(network)[rows, order].reshape(-1, 3),
    )


def structure_of(network: Network, number: int) -> StructureSet:
    """Return the atoms inside the box, as a set of one periodic structure of element ``number``."""
    inside = wrapped(network)
    n = len(inside.positions)
    return StructureSet.from_uniform(np.full(n, number), inside.positions[None], inside.box * np.eye(3))


def otherwise_bonded(network: Network, cutoff: float) -> int:
    """Return the number of atoms whose neighbours within a distance (Å) are not those that the list says."""
    inside = wrapped(network)
    listed = bonds_of(inside)
    near = bonds_within(structure_of(inside, 1), cutoff)
    n = len(inside.positions)

    def as_given(bonds: Bonds) -> NDArray[np.int64]:
        atom = np.repeat(np.arange(n), bonds.coordination)
        return np.column_stack([atom, bonds.neighbour, bonds.image])

    both = np.concatenate([as_given(listed), as_given(near)])
    rows, counts = np.unique(both, axis=0, return_counts=True)
    return len(np.unique(rows[counts == 1, 0]))
