"""One lateral cell for two slabs: given vectors, or pymatgen's Zur–McGill matcher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from .lattice import Planes
from .parameters import InterfaceParameters, LateralCell, MatchParameters
from .slabs import in_plane

#: Areas that differ by less are equal; of those the match with the smallest strain is taken.
SAME_AREA = 1e-3
#: Tolerances of lengths and angles with which the nearest match is looked for when there is none.
WIDER = (0.03, 0.06, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class Match:
    """The lateral cell and the two slabs' supercells that are strained to it.

    Attributes:
        cell: lateral vectors, the first along x, Å, ``(2, 2)``.
        supercell_a: slab A's vectors in its plane's primitive vectors, ``(2, 2)``.
        supercell_b: slab B's.
        how: ``given`` (all vectors) or ``zsl``.
    """

    cell: NDArray[np.float64]
    supercell_a: NDArray[np.int64]
    supercell_b: NDArray[np.int64]
    how: str


def lateral_vectors(cell: LateralCell) -> NDArray[np.float64]:
    """Return the lateral vectors of a cell, the first along x, Å, ``(2, 2)``."""
    gamma = np.radians(cell.gamma)
    return np.array([[cell.a, 0.0], [cell.b * np.cos(gamma), cell.b * np.sin(gamma)]])


def principal_strains(own: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the two principal strains (largest first) and the change of area that take ``own`` to ``target``.

    Args:
        own: lateral vectors of the unstrained slab as rows, Å, ``(2, 2)``.
        target: those of the common cell.

    Returns:
        Both as fractions, 0.01 for one per cent.
    """
    deformation = np.linalg.solve(own, target)
    strains = np.linalg.svd(deformation, compute_uv=False) - 1.0
    return np.asarray(strains, dtype=np.float64), float(abs(np.linalg.det(deformation)) - 1.0)


def find_match(a: Planes, b: Planes, parameters: InterfaceParameters) -> Match:
    """Find the common lateral cell.

    With a ``lateral_cell``, each slab without vectors is matched to it; else slab A's vectors are the
    cell, and what is missing is matched to what is given.

    Raises:
        BadInput: lateral vectors that are none, or no match within the tolerances (says the nearest).
    """
    given_a, given_b = parameters.slab_a.vectors, parameters.slab_b.vectors
    super_a = None if given_a is None else a.supercell(given_a, "slab_a")
    super_b = None if given_b is None else b.supercell(given_b, "slab_b")
    how = "zsl" if super_a is None or super_b is None else "given"
    fixed = None if parameters.lateral_cell is None else lateral_vectors(parameters.lateral_cell)
    if super_a is None and super_b is None and fixed is None:
        super_a, super_b = zsl(a.vectors, b.vectors, parameters.match)
    if super_a is None:
        super_a = _fit(a, _own_cell(b, super_b) if fixed is None else fixed, parameters.match, "slab_a")
    cell = _own_cell(a, super_a) if fixed is None else fixed
    if super_b is None:
        super_b = _fit(b, cell, parameters.match, "slab_b")
    return Match(cell, super_a, super_b, how)


def _own_cell(planes: Planes, supercell: NDArray[np.int64] | None) -> NDArray[np.float64]:
    assert supercell is not None
    return in_plane(supercell @ planes.vectors)


def _fit(planes: Planes, cell: NDArray[np.float64], tolerances: MatchParameters, where: str) -> NDArray[np.int64]:
    """Return the supercell of a plane that matches a cell as it is."""
    try:
        _, supercell = zsl(cell, planes.vectors, tolerances, fixed=True)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
    return supercell


def zsl(
    substrate: NDArray[np.float64], film: NDArray[np.float64], tolerances: MatchParameters, fixed: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Match two planes with pymatgen's ``ZSLGenerator``; smallest area first, then smallest strain.

    Args:
        substrate: its lateral vectors as rows, ``(2, 2)`` or ``(2, 3)``, right-handed, Å.
        film: the film's.
        tolerances: see :class:`~aiida_dismai.engine.interfaces.parameters.MatchParameters`.
        fixed: whether the substrate's cell is taken as it is, with no supercell of it.

    Returns:
        The supercells ``(2, 2)`` of substrate and film. The substrate's determinant is positive; that
        of the film is negative when only the film turned over fits.

    Raises:
        BadInput: nothing within the tolerances; the message describes the nearest match.
    """
    substrate, film = in_plane(np.asarray(substrate)), in_plane(np.asarray(film))
    best = _best(substrate, film, tolerances, fixed)
    if best is not None:
        return best
    limit = f"up to {_area(substrate) if fixed else tolerances.max_area:.1f} Å²"
    for level in WIDER:
        least = {"max_area_ratio_tol": 3 * level, "max_length_tol": level, "max_angle_tol": level}
        wider = tolerances.model_copy(
            update={name: max(getattr(tolerances, name), value) for name, value in least.items()}
        )
        nearest = _best(substrate, film, wider, fixed)
        if nearest is not None:
            raise BadInput(f"no lattice match {limit}; {_described(nearest, substrate, film, tolerances)}")
    raise BadInput(
        f"no lattice match {limit}, not even with lengths and angles off by {100 * WIDER[-1]:.0f} %; "
        "raise match.max_area or give lateral vectors"
    )


def _described(
    pair: tuple[NDArray[np.int64], NDArray[np.int64]],
    substrate: NDArray[np.float64],
    film: NDArray[np.float64],
    tolerances: MatchParameters,
) -> str:
    """Say what a match outside of the tolerances needs."""
    s, f = pair[0] @ substrate, pair[1] @ film
    lengths = np.abs(np.linalg.norm(s, axis=1) / np.linalg.norm(f, axis=1) - 1).max()
    angle = abs(_angle(s) / _angle(f) - 1)
    own_areas = _area(film) / _area(substrate), abs(np.linalg.det(pair[0]) / np.linalg.det(pair[1]))
    needs = {
        "max_length_tol": (lengths, tolerances.max_length_tol),
        "max_angle_tol": (angle, tolerances.max_angle_tol),
        "max_area_ratio_tol": (abs(own_areas[0] - own_areas[1]), tolerances.max_area_ratio_tol),
    }
    # three digits of a number half a per cent larger are never too small
    changes = [f"match.{name} from {now:g} to {1.005 * need:.3g}" for name, (need, now) in needs.items() if need > now]
    return (
        f"the nearest has {_area(s):.1f} Å², lengths off by {100 * lengths:.2f} % and angles by {100 * angle:.2f} %: "
        f"loosen {' and '.join(changes) or 'the tolerances'}, or raise match.max_area"
    )


def _best(
    substrate: NDArray[np.float64], film: NDArray[np.float64], tolerances: MatchParameters, fixed: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    found: list[tuple[float, bool, float, NDArray[np.int64], NDArray[np.int64]]] = []
    smallest = np.inf
    for area, s, f in _candidates(substrate, film, tolerances, fixed):
        if area > smallest * (1 + SAME_AREA):
            break
        smallest = min(smallest, area)
        strains, _ = principal_strains(f @ film, s @ substrate)
        found.append((round(float(np.abs(strains).max()), 6), bool(np.linalg.det(f) < 0), area, s, f))
    if not found:
        return None
    return min(found, key=lambda item: item[:3])[3:]


def _candidates(
    substrate: NDArray[np.float64], film: NDArray[np.float64], tolerances: MatchParameters, fixed: bool
) -> Iterator[tuple[float, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (area of the substrate's supercell, substrate's and film's supercell) by rising area."""
    from pymatgen.analysis.interfaces.zsl import ZSLGenerator

    own = _area(substrate)
    generator = ZSLGenerator(
        tolerances.max_area_ratio_tol,
        2 * own if fixed else tolerances.max_area,
        tolerances.max_length_tol,
        tolerances.max_angle_tol,
    )
    film_space, substrate_space = (np.column_stack([pair, np.zeros(2)]) for pair in (film, substrate))
    # pymatgen annotates the areas as whole numbers; they are not
    sets = list(generator.generate_sl_transformation_sets(_area(film), own))  # type: ignore[arg-type]
    sets.sort(key=lambda item: abs(np.linalg.det(item[1][0])))
    for films, substrates in sets:
        multiple = round(abs(np.linalg.det(substrates[0])))
        if fixed and multiple != 1:
            continue
        # pymatgen compares every pair in Python; only those of alike lengths are worth it
        ratio = _reduced_lengths(substrates, substrate_space) / _reduced_lengths(films, film_space)[:, None]
        alike: NDArray[np.bool_] = np.all(np.abs(ratio - 1) <= tolerances.max_length_tol + 1e-9, axis=2)
        for i in np.flatnonzero(np.any(alike, axis=1)):
            some = [(films[i : i + 1], [substrates[j] for j in np.flatnonzero(alike[i])])]
            for film_pair, substrate_pair, *_ in generator.get_equiv_transformations(some, film_space, substrate_space):
                s = _whole(substrate_pair[:, :2], substrate)
                f = _whole(film_pair[:, :2], film)
                if fixed:  # go back from the reduced vectors to the cell as it was given
                    f = np.round(np.linalg.inv(s) @ f).astype(np.int64)
                    s = np.eye(2, dtype=np.int64)
                elif np.linalg.det(s) < 0:  # the substrate is never turned over
                    s, f = s[::-1], f[::-1]
                yield multiple * own, s, f


def _reduced_lengths(
    transformations: Sequence[NDArray[np.float64]], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the lengths of Zur and McGill's reduced vectors of each supercell, Å, ``(n, 2)``."""
    from pymatgen.analysis.interfaces.zsl import reduce_vectors

    pairs = np.array([reduce_vectors(*pair) for pair in np.dot(transformations, vectors)])
    return np.linalg.norm(pairs, axis=2)


def _whole(vectors: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.round(vectors @ np.linalg.inv(basis)).astype(np.int64)


def _area(vectors: NDArray[np.float64]) -> float:
    return float(abs(np.linalg.det(vectors)))


def _angle(vectors: NDArray[np.float64]) -> float:
    return float(np.arctan2(_area(vectors), vectors[0] @ vectors[1]))
