"""Which window of the large cells becomes which structure.

The windows come in an order that depends on the cells, the parameters and the seed alone, so structure i is the same
however many are asked for, and in whichever job. First come disjoint ones: the cell is divided into as many bricks as
windows fit side by side, beginning where the seams are best, and in each the place with the best seam is taken, out of
those that the brick leaves.
Then, if overlap is allowed, windows from a jittered grid over the cells: always one of those that have the least in
common with any earlier one, of these the one with the best seam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput
from .large import LargeCell
from .parameters import CarveParameters
from .windows import Window, around, costs

#: Of windows whose overlaps differ by less than this the one with the best seam is taken [own].
SIMILAR = 0.01
#: Steps of the grid of overlapping windows, sides [own].
STEP = 0.25
#: Divisions into bricks that are compared, and bricks of each that are looked at [own].
DIVISIONS, LOOKED_AT = 32, 16


@dataclass
class _Pool:
    """Windows that overlap each other: where they are, their costs, and what they share with those chosen."""

    cell: NDArray[np.int64]
    centre: NDArray[np.float64]
    rotation: NDArray[np.float64]
    cost: NDArray[np.float64]
    atoms: list[NDArray[np.int64]]
    overlap: NDArray[np.float64]

    def share(
        self, index: int, large: LargeCell, centre: NDArray[np.float64], atoms: NDArray[np.int64], n_atoms: int
    ) -> None:
        """Note that a window of the large cell ``index`` is chosen."""
        marked = np.zeros(len(large.positions) + 1, dtype=np.int32)
        marked[atoms[atoms >= 0]] = 1
        first = int(np.searchsorted(self.cell, index))
        own = slice(first, first + len(self.atoms[index]))
        # windows further apart than their sides reach have no atom in common
        reach = np.full(3, large.side * (3**0.5 if large.rotate else 1.0) * (1 + SIMILAR))
        near = around(large.frame, self.centre[own], centre, reach)
        shared = marked[self.atoms[index][near]].sum(axis=1) / n_atoms
        self.overlap[first + near] = np.maximum(self.overlap[first + near], shared)


class Plan:
    """The windows in their order.

    Args:
        cells: the large cells.
        parameters: of the task.
        seed: of the task.
    """

    def __init__(self, cells: list[LargeCell], parameters: CarveParameters, seed: int) -> None:
        self.cells = cells
        self.parameters = parameters
        self.seed = seed
        #: (cell, brick) of every disjoint window
        self.bricks: list[tuple[int, int]] = []
        self.corners: list[NDArray[np.float64]] = []
        if not parameters.rotate:
            for index, cell in enumerate(cells):
                self.corners.append(self._divide(index, cell))
                order = self._rng(0, index).permutation(int(np.prod(cell.fits)))
                self.bricks.extend((index, int(brick)) for brick in order)

    def windows(self, first: int, count: int) -> list[Window]:
        """Return the windows of structures ``first`` to ``first + count − 1``.

        Raises:
            BadInput: the cells do not hold so many; says how many they do, and with which overlap they would.
        """
        last = first + count
        if last <= len(self.bricks):
            return [self._disjoint(place) for place in range(first, last)]
        chosen = self._all(last, self.parameters.max_overlap)
        if len(chosen) < last:
            raise BadInput(self._too_many(last, len(chosen)))
        return chosen[first:last]

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(entropy=self.seed, spawn_key=(1, *key)))

    def _costs(
        self, cell: LargeCell, centres: NDArray[np.float64], rotations: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        own = self.parameters
        return costs(cell, centres, rotations, own.n_atoms, own.measures.bond_cutoff, own.min_distance)

    def _divide(self, index: int, cell: LargeCell) -> NDArray[np.float64]:
        """Return the corner of the first brick, ``(3,)``, out of some random ones that with the best seams."""
        rng = self._rng(3, index)
        size = cell.diagonal / cell.fits
        corners = rng.uniform(0, 1, (DIVISIONS, 3)) * size
        total = int(np.prod(cell.fits))
        some = rng.permutation(total)[:LOOKED_AT]
        bricks = np.stack(np.unravel_index(some, cell.fits), axis=1) * size
        turns = np.tile(np.eye(3), (DIVISIONS, 1, 1))
        cost = sum(self._costs(cell, corners + brick + size / 2, turns)[0] for brick in bricks)
        return np.asarray(corners[np.argmin(cost)], dtype=np.float64)

    def _disjoint(self, place: int) -> Window:
        """Return the window of a brick, where its seam is best."""
        index, brick = self.bricks[place]
        cell = self.cells[index]
        fits = cell.fits
        size = cell.diagonal / fits
        corner = self.corners[index] + np.array(np.unravel_index(brick, fits)) * size
        room = np.maximum(size - cell.side, 0.0)
        shifts = self._rng(1, index, brick).uniform(0, 1, (self.parameters.placements, 3)) * room
        centres = corner + shifts + cell.side / 2
        cost, _ = self._costs(cell, centres, np.tile(np.eye(3), (len(centres), 1, 1)))
        order = np.argsort(cost, kind="stable")
        others = centres[order[1:]] if room.max() > 0 else np.zeros((0, 3))
        return Window(index, centres[order[0]], np.eye(3), 0.0, others)

    def _all(self, count: int, limit: float) -> list[Window]:
        """Return the windows from the first one on, as many as there are with at most this overlap."""
        chosen = [self._disjoint(place) for place in range(min(count, len(self.bricks)))]
        if len(chosen) == count or (limit == 0 and not self.parameters.rotate):
            return chosen
        pool = self._pool()
        n_atoms = self.parameters.n_atoms
        for window in chosen:
            large = self.cells[window.cell]
            _, atoms = self._costs(large, window.centre[None], window.rotation[None])
            pool.share(window.cell, large, window.centre, atoms[0], n_atoms)
        while len(chosen) < count:
            least = float(pool.overlap.min())
            if least > limit:
                break
            # what is disjoint comes before what is nearly so
            similar = pool.overlap <= (min(least + SIMILAR, limit) if least > 0 else 0.0)
            best = int(np.flatnonzero(similar)[np.argmin(pool.cost[similar])])
            cell = int(pool.cell[best])
            overlap = float(pool.overlap[best])
            chosen.append(Window(cell, pool.centre[best], pool.rotation[best], overlap, np.zeros((0, 3))))
            own = pool.atoms[cell][best - int(np.searchsorted(pool.cell, cell))]
            pool.share(cell, self.cells[cell], pool.centre[best], own, n_atoms)
            pool.overlap[best] = np.inf
        return chosen

    def _pool(self) -> _Pool:
        """Return all windows of the jittered grids, with their costs."""
        found: dict[str, list[NDArray[np.float64]]] = {"centre": [], "rotation": [], "cost": []}
        atoms: list[NDArray[np.int64]] = []
        for index, cell in enumerate(self.cells):
            rng = self._rng(2, index)
            steps = np.maximum(np.rint(cell.diagonal / (STEP * cell.side)), 1).astype(int)
            rows = np.stack(np.meshgrid(*(np.arange(n) for n in steps[::-1]), indexing="ij"), axis=-1)
            grid = rows.reshape(-1, 3)[:, ::-1]
            centres = (grid + rng.uniform(0, 1, grid.shape)) / steps * cell.diagonal
            rotations = _rotations(rng, len(grid)) if cell.rotate else np.tile(np.eye(3), (len(grid), 1, 1))
            # a row along the first axis at a time: few atoms are near it
            parts = [
                self._costs(cell, centres[start : start + steps[0]], rotations[start : start + steps[0]])
                for start in range(0, len(grid), steps[0])
            ]
            found["centre"].append(centres)
            found["rotation"].append(rotations)
            found["cost"].append(np.concatenate([cost for cost, _ in parts]))
            # −1 is the last of the marks, which never is one
            atoms.append(np.concatenate([own for _, own in parts]))
        cells = np.repeat(np.arange(len(self.cells)), [len(part) for part in found["cost"]])
        together = {name: np.concatenate(parts) for name, parts in found.items()}
        return _Pool(cells, **together, atoms=atoms, overlap=np.zeros(len(cells)))

    def _too_many(self, wanted: int, held: int) -> str:
        """Return what to say when fewer windows are there than asked for."""
        own = self.parameters
        message = (
            f"amorphous.carve: {wanted} structures of {own.n_atoms} atoms are asked for, but the large "
            f"{'cell allows' if len(self.cells) == 1 else 'cells allow'} {held} with max_overlap {own.max_overlap:g}"
        )
        more = self._all(wanted, 1.0)
        largest = max((window.overlap for window in more), default=0.0)
        needed = np.ceil(100 * largest) / 100
        if len(more) == wanted and needed <= 0.75:
            return f"{message}; {wanted} would need max_overlap {needed:g}, or a larger cell"
        return f"{message}; no overlap gives {wanted} acceptable ones: give a larger cell, or several"


def _rotations(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Return rotations, uniform over all orientations, ``(count, 3, 3)``."""
    from scipy.spatial.transform import Rotation

    quaternions = rng.normal(size=(count, 4))
    return np.asarray(Rotation.from_quat(quaternions).as_matrix(), dtype=np.float64)
