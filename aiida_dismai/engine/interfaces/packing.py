"""The random region: atoms at uniformly random places that keep their distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput

#: Random points that are compared with all neighbours at once.
BATCH = 512
#: No arrangement of equal spheres fills more of space (Kepler).
DENSEST = np.pi / np.sqrt(18)


class Lateral:
    """The periodicity in the plane.

    Attributes:
        cell: lateral vectors as rows, Å, ``(2, 2)``.
        area: Å².
    """

    def __init__(self, cell: NDArray[np.float64], reach: float) -> None:
        """Prepare images up to the distance ``reach`` (Å) around the cell."""
        self.cell = cell
        self.area = float(abs(np.linalg.det(cell)))
        # widths of the cell across its two vectors: how far in fractions a distance reaches
        widths = self.area / np.linalg.norm(cell, axis=1)[::-1]
        self._pad = reach / widths
        n1, n2 = np.ceil(self._pad).astype(int) + 1
        grid = np.meshgrid(np.arange(-n1, n1 + 1), np.arange(-n2, n2 + 1), indexing="ij")
        self._shifts = np.array(grid).reshape(2, -1).T

    def images(self, fractions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return all images within reach of the cell.

        Args:
            fractions: in [0, 1), ``(n, 2)``.

        Returns:
            Cartesian lateral positions ``(m, 2)``, and the atom that each is an image of ``(m,)``.
        """
        every = fractions[:, None] + self._shifts
        atom, shift = np.nonzero(((every > -self._pad) & (every < 1 + self._pad)).all(axis=2))
        return every[atom, shift] @ self.cell, atom

    def shortest(self) -> float:
        """Return the length of the shortest lateral lattice vector, Å."""
        lengths = np.linalg.norm(self._shifts @ self.cell, axis=1)
        return float(lengths[lengths > 0].min())


class Packer:
    """Places the atoms of a random region, element by element, those that need most room first.

    Every atom is placed by rejection: random points, uniform in the region, until one keeps its
    distances to all slab atoms, to the atoms placed before and to their periodic images.
    """

    def __init__(
        self,
        composition: dict[int, int],
        distance: Callable[[int, int], float],
        partners: NDArray[Any],
        cell: NDArray[np.float64],
        max_tries: int,
    ) -> None:
        """Prepare the tables.

        Args:
            composition: atoms by atomic number.
            distance: minimum distance of two atomic numbers, Å.
            partners: atomic numbers that occur in the slabs.
            cell: lateral vectors as rows, Å, ``(2, 2)``.
            max_tries: random points for one atom before :meth:`pack` gives up.

        Raises:
            BadInput: a lateral cell so small that an atom is too close to its own image.
        """
        self.elements = sorted(composition, key=lambda z: (-distance(z, z), z))
        self.numbers = np.repeat(self.elements, [composition[z] for z in self.elements]).astype(np.uint8)
        self.max_tries = max_tries
        others = sorted({*(int(z) for z in np.unique(partners)), *composition})
        self._squares = np.zeros((119, 119))
        for own in composition:
            for other in others:
                self._squares[own, other] = distance(own, other) ** 2
        self.reach = float(np.sqrt(self._squares.max()))
        self.lateral = Lateral(cell, self.reach)
        for z in composition:
            if self.lateral.shortest() ** 2 < self._squares[z, z]:
                raise BadInput(
                    f"region: an atom would be {self.lateral.shortest():.2f} Å from its own image, closer than the "
                    f"minimum distance {distance(z, z)} Å; take a larger lateral cell or a smaller distance"
                )

    def pack(
        self,
        rng: np.random.Generator,
        thickness: float,
        fractions: NDArray[np.float64],
        heights: NDArray[np.float64],
        numbers: NDArray[Any],
    ) -> NDArray[np.float64] | None:
        """Place all atoms of the region.

        Args:
            rng: source of the random points.
            thickness: of the region, Å.
            fractions: lateral fractional coordinates of the slab atoms, in [0, 1), ``(n, 2)``.
            heights: their heights above the bottom of the region, Å, ``(n,)``.
            numbers: their atomic numbers.

        Returns:
            ``(k, 3)``: lateral fractions and height in Å of :attr:`numbers`, or None when an atom
            found no place.
        """
        near = (heights > -self.reach) & (heights < thickness + self.reach)
        flat, atom = self.lateral.images(fractions[near])
        obstacles = np.column_stack([flat, heights[near][atom]])
        kinds = np.asarray(numbers)[near][atom]
        placed = np.empty((len(self.numbers), 3))
        done = 0
        for z in self.elements:
            tries = 0
            end = done + int(np.count_nonzero(self.numbers == z))
            while done < end:
                points = rng.random((BATCH, 3)) * (1.0, 1.0, thickness)
                places = np.column_stack([points[:, :2] @ self.lateral.cell, points[:, 2]])
                free = self._free(places, obstacles, self._squares[z, kinds])
                at = -1
                while done < end:
                    following = np.flatnonzero(free[at + 1 :])
                    step = int(following[0]) + 1 if len(following) else BATCH - at - 1
                    tries += step
                    if tries > self.max_tries:
                        return None
                    if not len(following):
                        break
                    at += step
                    tries = 0
                    placed[done] = points[at]
                    done += 1
                    flat, _ = self.lateral.images(points[at : at + 1, :2])
                    image = np.column_stack([flat, np.full(len(flat), points[at, 2])])
                    obstacles = np.vstack([obstacles, image])
                    kinds = np.append(kinds, np.full(len(flat), z, dtype=kinds.dtype))
                    left = np.flatnonzero(free)
                    free[left] = self._free(places[left], image, np.full(len(flat), self._squares[z, z]))
        return placed

    @staticmethod
    def _free(
        places: NDArray[np.float64], obstacles: NDArray[np.float64], squares: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Say which places keep the squared distances to all obstacles."""
        # |p − o|² < d²  ⇔  |p|² + (|o|² − d²) − 2 p·o < 0, one matrix product for all pairs
        pairs = places @ (-2.0 * obstacles.T)
        pairs += np.einsum("ij,ij->i", obstacles, obstacles) - squares
        closest: NDArray[np.float64] = pairs.min(axis=1, initial=np.inf)
        return closest + np.einsum("ij,ij->i", places, places) >= 0


def check_room(composition: dict[str, int], distances: dict[str, float], area: float, thickness: float) -> None:
    """Refuse a region that no arrangement fits into.

    The centres of ``n`` atoms of one element at least ``d`` apart, in a layer of thickness ``t``, are
    centres of spheres that do not overlap in a layer of ``t + d``; spheres fill at most 74 % of space.

    Args:
        composition: atoms by element.
        distances: minimum distance of each element to itself, Å.
        area: of the lateral cell, Å².
        thickness: the largest that is drawn, Å.

    Raises:
        BadInput: impossible; says for which element, how dense, and how many would fit.
    """
    for element, count in composition.items():
        d = distances[element]
        room = area * (thickness + d)
        sphere = np.pi / 6 * d**3
        if count * sphere > DENSEST * room:
            raise BadInput(
                f"region: {count} {element} atoms at least {d} Å apart cannot fit between the slabs: they would fill "
                f"{100 * count * sphere / room:.0f} % of the {area:.1f} Å² × {thickness} Å region (spheres fill at "
                f"most 74 %, that is {int(DENSEST * room / sphere)} atoms); take fewer atoms, a thicker region or "
                "smaller distances"
            )
