"""Making a window periodic: atoms that meet at the seam, the right number of atoms, bonds of a sensible length.

Every atom has a coordination that it wants: the one it had in the large cell. What is dropped or added is chosen by
how much nearer it brings all atoms to it, which for dropped atoms also means the fewest bonds lost. Atoms that meet at
the seam are dropped as long as there are too many; of the other such pairs, healing pushes apart those that it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...neighbours import tree_in_cube

#: Points at which an added atom is tried are this far apart, Å [own].
GRID = 0.5
#: Atoms that are not bonded keep this distance when the seam is healed, mean bond lengths: below the gap between the
#: first and second neighbours of a-Si [own].
APART = 1.3
#: Two atoms that each lack a neighbour are drawn together from this distance, mean bond lengths [own].
DRAWN = 1.45
#: Bonds whose length is within this share of the mean are left as they are, as thermal or static disorder [own].
PLAY = 0.06
#: Steps of the descent and how far an atom goes at most in each, Å; a share of the force, which is in Å, that is gone.
STEPS, LONGEST, RATE = 200, 0.05, 0.15


@dataclass(frozen=True)
class Rules:
    """What a seam is made by.

    Attributes:
        n_atoms: of the structure.
        side: of the cell, Å.
        bond_cutoff: Å.
        min_distance: of atoms that meet at the seam, Å.
        bond_length: mean in the large cell, Å.
        typical: coordination that an added atom wants.
        heal: whether to move the atoms at the seam.
    """

    n_atoms: int
    side: float
    bond_cutoff: float
    min_distance: float
    bond_length: float
    typical: int
    heal: bool


class Closed(NamedTuple):
    """A periodic structure.

    Attributes:
        positions: ``(n_atoms, 3)``, Å.
        n_removed: atoms dropped.
        n_added: atoms added.
        n_moved: atoms that healing has moved.
        defects: atoms with another coordination than in the large cell (added ones: than the typical).
    """

    positions: NDArray[np.float64]
    n_removed: int
    n_added: int
    n_moved: int
    defects: int


def close(inside: NDArray[np.float64], coordination: NDArray[np.int64], rules: Rules, most_edits: int) -> Closed | None:
    """Make a window periodic.

    Args:
        inside: ``(m, 3)`` coordinates in units of the side, 0 to 1.
        coordination: ``(m,)`` of these atoms in the large cell.
        rules: of the seam.
        most_edits: so many atoms may be dropped or added.

    Returns:
        The structure; None where it takes more edits.
    """
    seam = _Seam(inside * rules.side, coordination, rules)
    while seam.surplus > 0 and seam.edits <= most_edits and (conflicts := seam.conflicts()).any():
        seam.drop(conflicts == conflicts.max())
    while seam.surplus and abs(seam.surplus) + seam.edits <= most_edits:
        if seam.surplus > 0:
            seam.drop(seam.at_seam())
        else:
            seam.add()
    if seam.surplus:
        return None
    while True:
        positions, moved = _heal(seam) if rules.heal else (seam.positions, 0)
        final = _Seam(positions, seam.wanted, rules)
        conflicts = final.conflicts()
        if not conflicts.any():
            return Closed(positions, seam.n_removed, seam.n_added, moved, int((final.bonded() != final.wanted).sum()))
        if seam.edits + 2 > most_edits:
            return None
        # what healing cannot push apart has no room: one atom of it finds a place elsewhere
        seam.drop(conflicts == conflicts.max())
        seam.add()


class _Seam:
    """Positions, ``(m, 3)``, wanted coordinations, ``(m,)``, and the edits so far."""

    def __init__(self, positions: NDArray[np.float64], wanted: NDArray[np.int64], rules: Rules) -> None:
        self.positions = positions
        self.wanted = wanted
        self.rules = rules
        self.n_removed = 0
        self.n_added = 0

    @property
    def edits(self) -> int:
        return self.n_removed + self.n_added

    @property
    def surplus(self) -> int:
        return len(self.positions) - self.rules.n_atoms

    def _apart(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return distances of the nearest images, ``(m, m)``, and whether they lie across the seam."""
        side = self.rules.side
        squared = np.zeros((len(self.positions),) * 2)
        across = np.zeros(squared.shape, dtype=bool)
        for k in range(3):
            d = self.positions[:, None, k] - self.positions[None, :, k]
            steps = np.rint(d / side)
            across |= steps != 0
            squared += (d - steps * side) ** 2
        np.fill_diagonal(squared, np.inf)
        return np.sqrt(squared), across

    def bonded(self) -> NDArray[np.int64]:
        """Return the coordination of each atom."""
        return np.asarray((self._apart()[0] < self.rules.bond_cutoff).sum(axis=1), dtype=np.int64)

    def conflicts(self) -> NDArray[np.int64]:
        """Return with how many others each atom meets at the seam too closely."""
        distances, across = self._apart()
        return np.asarray(((distances < self.rules.min_distance) & across).sum(axis=1), dtype=np.int64)

    def at_seam(self) -> NDArray[np.bool_]:
        """Return which atoms could have a bond across the seam."""
        from_face = np.minimum(self.positions, self.rules.side - self.positions).min(axis=1)
        return np.asarray(from_face < self.rules.bond_cutoff)

    def drop(self, candidates: NDArray[np.bool_]) -> None:
        """Drop the candidate without which the others are nearest to the coordination that they want."""
        near = self._apart()[0] < self.rules.bond_cutoff
        bonds = near.sum(axis=1)
        wrong = np.abs(bonds - self.wanted)
        cost = near @ (np.abs(bonds - 1 - self.wanted) - wrong) - wrong
        # of equals the one with the fewest bonds
        chosen = int(np.lexsort((bonds, cost, ~candidates))[0])
        self.positions = np.delete(self.positions, chosen, axis=0)
        self.wanted = np.delete(self.wanted, chosen)
        self.n_removed += 1

    def add(self) -> None:
        """Add an atom near the seam where there is room, of these places where it leaves coordinations best.

        Where no place keeps the least distance the one with most room is taken; healing makes room there.
        """
        rules = self.rules
        steps = max(2, round(rules.side / GRID))
        axis = np.arange(steps) * rules.side / steps
        grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
        grid = grid[np.minimum(grid, rules.side - grid).min(axis=1) < rules.bond_cutoff]
        tree = tree_in_cube(self.positions, rules.side)
        room = tree.query(grid)[0]
        free = np.flatnonzero(room >= min(rules.min_distance, float(room.max())))
        bonds = self.bonded()
        change = np.abs(bonds + 1 - self.wanted) - np.abs(bonds - self.wanted)
        around = tree.query_ball_point(grid[free], rules.bond_cutoff)
        cost = np.array([int(change[near].sum()) + abs(len(near) - rules.typical) for near in around])
        chosen = free[np.lexsort((-room[free], cost))[0]]
        self.positions = np.vstack([self.positions, grid[chosen]])
        self.wanted = np.append(self.wanted, rules.typical)
        self.n_added += 1


def _heal(seam: _Seam) -> tuple[NDArray[np.float64], int]:
    """Bring bonds of atoms at the seam near the mean length, and push others apart; returns how many atoms have moved.

    Bonds are the pairs within the cutoff, and pairs that both lack a neighbour and are not far from bonding, nearest
    first. Steepest descent in the squared differences; atoms away from the seam keep their places.
    """
    rules, side = seam.rules, seam.rules.side
    distances, across = seam._apart()
    near = distances < rules.bond_cutoff
    lacking = np.maximum(seam.wanted - near.sum(axis=1), 0)
    free = (near & across).any(axis=1) | (near.sum(axis=1) != seam.wanted)
    free[len(free) - seam.n_added :] = True
    close_by = np.argwhere(np.triu(~near & (distances < DRAWN * rules.bond_length)))
    for i, j in close_by[np.argsort(distances[tuple(close_by.T)], kind="stable")]:
        if lacking[i] and lacking[j]:
            near[i, j] = near[j, i] = True
            lacking[[i, j]] -= 1
    reach = APART * rules.bond_length
    first, second = np.nonzero(np.triu((near | (distances < reach + 1.0)) & (free[:, None] | free[None, :])))
    bond = near[first, second]
    positions = seam.positions.copy()
    for _ in range(STEPS):
        vectors = positions[second] - positions[first]
        vectors -= side * np.rint(vectors / side)
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)
        stretch = lengths - rules.bond_length
        stretch = np.sign(stretch) * np.maximum(np.abs(stretch) - PLAY * rules.bond_length, 0.0)
        excess = np.where(bond, stretch, np.minimum(lengths - reach, 0.0))
        pull = (excess / lengths)[:, None] * vectors
        step = np.zeros_like(positions)
        np.add.at(step, first, pull)
        np.add.at(step, second, -pull)
        step = RATE * step * free[:, None]
        longest = np.linalg.norm(step, axis=1).max(initial=0.0)
        if longest < 1e-4:
            break
        positions += step * min(1.0, LONGEST / longest)
    return positions % side, int((np.abs(positions - seam.positions).max(axis=1) > 1e-6).sum())
