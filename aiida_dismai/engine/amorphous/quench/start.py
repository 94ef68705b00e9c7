"""Where a quench begins: random atoms that do not overlap, and their velocities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ... import units
from ...errors import BadInput
from ...neighbours import tree_in_cube

#: Rounds in which overlapping atoms are pushed apart; a few dozen do below the densest packing that is let through.
ROUNDS = 2000
#: Pairs are pushed a little farther than they must, so that the last contacts open in few rounds.
PUSH = 1.02
#: In u Å²/ps²/K.
BOLTZMANN = units.BOLTZMANN * units.EV_IN_U_A2_PER_PS2


def random_positions(n_atoms: int, edge: float, distance: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Place atoms at random in a periodic cube and push them apart.

    Args:
        n_atoms: how many.
        edge: of the cube, Å.
        distance: no two atoms end nearer than this, Å.
        rng: random numbers.

    Returns:
        ``(n_atoms, 3)``, Å, in the cube.

    Raises:
        BadInput: they cannot be pushed apart: too many for the cube.
    """
    positions = rng.uniform(0.0, edge, size=(n_atoms, 3))
    if edge < distance:
        raise BadInput(f"a cube with an edge of {edge:.3g} Å is too small for atoms {distance:.3g} Å apart")
    for _ in range(ROUNDS):
        tree = tree_in_cube(positions, edge)
        positions = np.array(tree.data)
        pairs = tree.query_pairs(distance, output_type="ndarray")
        if not len(pairs):
            return positions
        first, second = pairs.T
        apart = positions[first] - positions[second]
        apart -= edge * np.round(apart / edge)
        lengths = np.linalg.norm(apart, axis=1, keepdims=True)
        together = lengths[:, 0] < 1e-9
        apart[together], lengths[together] = (1.0, 0.0, 0.0), 1.0
        push = apart / lengths * 0.5 * (PUSH * distance - np.where(together[:, None], 0.0, lengths))
        np.add.at(positions, first, push)
        np.add.at(positions, second, -push)
    raise BadInput(
        f"{n_atoms} atoms cannot be put {distance:.3g} Å apart in a cube with an edge of {edge:.4g} Å: lower the "
        "density"
    )


def thermal_velocities(
    masses: NDArray[np.float64], temperature: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw velocities of exactly this temperature without a total momentum.

    Args:
        masses: u, ``(n,)``.
        temperature: K.
        rng: random numbers.

    Returns:
        ``(n, 3)``, Å/ps.
    """
    velocities = rng.normal(size=(len(masses), 3)) / np.sqrt(masses)[:, None]
    velocities -= masses @ velocities / masses.sum()
    return velocities * np.sqrt(temperature / kinetic_temperature(masses, velocities))


def kinetic_temperature(masses: NDArray[np.float64], velocities: NDArray[np.float64]) -> float:
    """Return the temperature of velocities in Å/ps, K; the total momentum is no degree of freedom."""
    return float(masses @ (velocities**2).sum(axis=1) / (3 * len(masses) - 3) / BOLTZMANN)
