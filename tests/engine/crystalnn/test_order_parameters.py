"""Order parameters of a shell: pymatgen's own beside them, ideal shells, numbers of the literature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import pytest
from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

from aiida_dismai.engine.crystalnn import order_parameters
from aiida_dismai.engine.crystalnn.order_parameters import N_PARAMETERS
from aiida_dismai.engine.crystalnn.shell import make_shell
from aiida_dismai.engine.crystalnn.steinhardt import bond_order
from aiida_dismai.engine.descriptors.fingerprints import ORDER_PARAMETERS

ALL_CN = range(1, 13)
#: An orthogonal frame that is along no axis.
FRAME = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]


def ring(n: int, z: float = 0.0, turn: float = 0.0) -> list[tuple[float, float, float]]:
    """n directions about the z axis."""
    angles = [turn + 2 * math.pi * i / n for i in range(n)]
    return [(math.cos(a), math.sin(a), z) for a in angles]


GOLDEN = (1 + math.sqrt(5)) / 2
NORTH, SOUTH = (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)
OCTAHEDRON = [*ring(4), NORTH, SOUTH]
CUBE = list(product((1, -1), repeat=3))
CUBOCTAHEDRON = [p for p in product((1, 0, -1), repeat=3) if sum(map(abs, p)) == 2]
ANTICUBOCTAHEDRON = [*ring(6), *ring(3, math.sqrt(2), math.pi / 6), *ring(3, -math.sqrt(2), math.pi / 6)]
ICOSAHEDRON = [p for a, b in product((1, -1), (GOLDEN, -GOLDEN)) for p in ((0.0, a, b), (a, b, 0.0), (b, 0.0, a))]
SHAPES = {
    "line": [NORTH, SOUTH],
    "tetrahedron": [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)],
    "octahedron": OCTAHEDRON,
    "cube": CUBE,
    "cuboctahedron": CUBOCTAHEDRON,
    "anticuboctahedron": ANTICUBOCTAHEDRON,
    "icosahedron": ICOSAHEDRON,
    **{f"ring of {n}": ring(n) for n in (3, 4, 5, 6, 7, 8, 9, 12)},
    **{f"pyramid on {n}": [*ring(n), NORTH] for n in (3, 4, 5, 6)},
    **{f"bipyramid on {n}": [*ring(n), NORTH, SOUTH] for n in (3, 5, 6)},
    "T": [(1, 0, 0), (-1, 0, 0), (0, 1, 0)],
    "see-saw": [NORTH, SOUTH, *ring(3)[:2]],
    "rectangular see-saw": [NORTH, SOUTH, (1, 0, 0), (0, 1, 0)],
    "prism": [*ring(3, 0.7), *ring(3, -0.7)],
    "antiprism": [*ring(4, 0.6), *ring(4, -0.6, math.pi / 4)],
    "octahedron and 45 degrees": [*OCTAHEDRON, (1, 1, 0), (-1, -1, 0), (0, 1, -1)],
    "cube and octahedron": [*CUBE, *OCTAHEDRON[:4]],
    "all in one direction": [(0, 0, 1)] * 4,
}


def directions(shape: str) -> np.ndarray:
    points = np.array(SHAPES[shape], dtype=float)
    return points / np.linalg.norm(points, axis=1)[:, None]


@dataclass
class Point:
    """All that pymatgen's order parameters ask of a site."""

    coords: np.ndarray


@cache
def matminer_operators() -> dict[int, list]:
    """The operators that matminer's preset makes, without the likelihoods."""
    operators = CrystalNNFingerprint.from_preset("ops").ops
    return {cn: [op for op in operators[cn] if op != "wt"] for cn in operators}


def pymatgen_parameters(vectors: np.ndarray) -> np.ndarray:
    sites = [Point(np.zeros(3)), *(Point(vector) for vector in vectors)]
    neighbours = list(range(1, len(sites)))
    operators = matminer_operators()[len(vectors)]
    values = [operator.get_order_parameters(sites, 0, indices_neighs=neighbours)[0] for operator in operators]
    return np.array([value or 0.0 for value in values])


def motif_parameters(vectors: np.ndarray, cn: int, out: np.ndarray) -> None:
    order_parameters.motif_parameters(vectors, cn, make_shell(), out)


def on_threshold(vectors: np.ndarray, cn: int, tolerance: float) -> bool:
    return order_parameters.on_threshold(vectors, cn, make_shell(), tolerance)


def parameters(vectors: np.ndarray, cn: int | None = None) -> np.ndarray:
    cn = len(vectors) if cn is None else cn
    out = np.full(6, np.nan)
    motif_parameters(np.ascontiguousarray(vectors, dtype=np.float64), cn, out)
    assert np.isnan(out[N_PARAMETERS[cn] :]).all()
    return out[: N_PARAMETERS[cn]]


def random_shell(rng: np.random.Generator, cn: int) -> np.ndarray:
    vectors = rng.normal(size=(cn, 3))
    return vectors / np.linalg.norm(vectors, axis=1)[:, None] * rng.uniform(1.8, 2.6, size=(cn, 1))


def in_line(vectors: np.ndarray) -> bool:
    """Say whether two neighbours are in line with the site: acos has 8 digits there, by the processor."""
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    return bool((1 - np.abs((unit @ unit.T)[np.triu_indices(len(unit), 1)]) < 1e-14).any())


def position(cn: int, name: str) -> int:
    return ORDER_PARAMETERS[cn].index(name)


def test_numbers_of_parameters_are_those_of_the_fingerprint():
    assert N_PARAMETERS.shape == (25,)
    assert [len(ORDER_PARAMETERS.get(cn, ())) for cn in range(25)] == N_PARAMETERS.tolist()
    assert [len(matminer_operators().get(cn, ())) for cn in range(1, 25)] == N_PARAMETERS[1:].tolist()


@pytest.mark.parametrize("cn", ALL_CN)
def test_random_shells_agree_with_pymatgen(cn):
    rng = np.random.default_rng(cn)
    for _ in range(60):
        shell = random_shell(rng, cn)
        np.testing.assert_allclose(parameters(shell), pymatgen_parameters(shell), rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_shells_of_ideal_motifs_agree_with_pymatgen(shape):
    """Each number of directions out of each motif: as it is, turned, perturbed, flattened, doubled neighbours."""
    rng = np.random.default_rng(7)
    ideal = directions(shape)
    for cn in range(1, len(ideal) + 1):
        shell = ideal[rng.permutation(len(ideal))[:cn]] * 2.1
        close = shell.copy()
        close[-1] = close[0] + rng.normal(size=3) * 0.006
        stacked = shell + rng.normal(size=shell.shape) * 0.1
        stacked[-1] = stacked[0] * 1.3
        flat = shell + rng.normal(size=shell.shape) * 0.1
        flat[:, 2] = 0.0
        variants = {
            "ideal": shell,
            "turned": shell @ FRAME,
            "perturbed": shell + rng.normal(size=shell.shape) * rng.choice([1e-6, 1e-3, 0.05, 0.2]),
            "0.01 Å apart": close,
            "one behind another": stacked,
            "flat": flat,
        }
        for name, vectors in variants.items():
            # Where rounding decides, agreement would be luck: those shells have their own test.
            if not on_threshold(np.ascontiguousarray(vectors), cn, 1e-9):
                expected = pymatgen_parameters(vectors)
                digits = 1e-7 if in_line(vectors) else 1e-9
                np.testing.assert_allclose(parameters(vectors), expected, rtol=0, atol=digits, err_msg=f"{cn} {name}")


@pytest.mark.parametrize(
    ("cn", "name", "shape"),
    [
        (2, "linear", "line"),
        (3, "trigonal planar", "ring of 3"),
        (3, "T-shaped", "T"),
        (4, "square co-planar", "ring of 4"),
        (4, "tetrahedral", "tetrahedron"),
        (4, "rectangular see-saw-like", "rectangular see-saw"),
        (4, "see-saw-like", "see-saw"),
        (4, "trigonal pyramidal", "pyramid on 3"),
        (5, "pentagonal planar", "ring of 5"),
        (5, "square pyramidal", "pyramid on 4"),
        (5, "trigonal bipyramidal", "bipyramid on 3"),
        (6, "hexagonal planar", "ring of 6"),
        (6, "octahedral", "octahedron"),
        (6, "pentagonal pyramidal", "pyramid on 5"),
        (7, "hexagonal pyramidal", "pyramid on 6"),
        (7, "pentagonal bipyramidal", "bipyramid on 5"),
        (8, "body-centered cubic", "cube"),
        (8, "hexagonal bipyramidal", "bipyramid on 6"),
        (12, "cuboctahedral", "cuboctahedron"),
    ],
)
def test_a_perfect_motif_scores_one_and_a_random_shell_less(cn, name, shape):
    assert parameters(directions(shape) @ FRAME)[position(cn, name)] == pytest.approx(1.0, abs=1e-4)
    assert parameters(random_shell(np.random.default_rng(1), cn))[position(cn, name)] < 0.9


@pytest.mark.parametrize(
    ("shape", "q4", "q6"),
    [
        ("cuboctahedron", 0.19094, 0.57452),
        ("anticuboctahedron", 0.09722, 0.48476),
        ("icosahedron", 0.0, 0.66332),
        ("cube", 0.50918, 0.62854),
        ("octahedron", 0.76376, 0.35355),
    ],
)
def test_bond_order_of_the_literature(shape, q4, q6):
    """Steinhardt et al. (1983), and Mickel et al., J. Chem. Phys. 138, 044501 (2013); q2 of all is 0."""
    out = np.empty(3)
    shell = np.ascontiguousarray(directions(shape) @ FRAME)
    bond_order(shell, len(shell), np.empty((6, 7)), out, 0)
    assert out[1:] == pytest.approx([q4, q6], abs=1e-5)
    assert out[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("cn", ALL_CN)
def test_turning_and_stretching_the_shell_changes_nothing(cn):
    shell = random_shell(np.random.default_rng(cn + 50), cn)
    np.testing.assert_allclose(parameters(1.7 * shell @ FRAME), parameters(shell), rtol=0, atol=1e-12)


@pytest.mark.parametrize("cn", ALL_CN)
def test_of_all_numbers_only_bcc_depends_on_the_order_of_neighbours(cn):
    shell = random_shell(np.random.default_rng(cn + 90), cn)
    difference = np.abs(parameters(shell[::-1]) - parameters(shell))
    expected_difference = np.abs(pymatgen_parameters(shell[::-1]) - pymatgen_parameters(shell))
    np.testing.assert_allclose(difference, expected_difference, rtol=0, atol=1e-12)
    if cn == 8:
        assert difference[position(8, "body-centered cubic")] > 1e-3
        difference[position(8, "body-centered cubic")] = 0.0
    assert difference.max() < 1e-12


def test_only_the_first_neighbours_count():
    shell = random_shell(np.random.default_rng(5), 12)
    for cn in ALL_CN:
        np.testing.assert_array_equal(parameters(shell, cn), parameters(shell[:cn]))


@pytest.mark.parametrize("cn", [0, 13, 24])
def test_coordination_numbers_without_parameters_leave_out_alone(cn):
    assert parameters(random_shell(np.random.default_rng(6), max(cn, 1)), cn).size == 0


@pytest.mark.parametrize(
    ("rows", "cn", "places", "message"),
    [(3, 4, 5, "fewer neighbours"), (4, 4, 4, "too short"), (4, 25, 5, "outside 0–24"), (4, -1, 5, "outside 0–24")],
)
def test_arrays_of_wrong_length_are_refused(rows, cn, places, message):
    with pytest.raises(ValueError, match=message):
        motif_parameters(np.ones((rows, 3)), cn, np.zeros(places))


@pytest.mark.parametrize("coordinate", [0.0, math.nan, math.inf])
@pytest.mark.parametrize("cn", [2, 4, 9, 12])
def test_neighbours_at_no_finite_distance_are_refused(coordinate, cn):
    shell = random_shell(np.random.default_rng(9), cn)
    shell[cn - 1] = coordinate
    with pytest.raises(ValueError, match="push coincident atoms apart"):
        motif_parameters(shell, cn, np.zeros(5))


def from_angles(angles: list[tuple[float, float]]) -> np.ndarray:
    theta, phi = np.radians(np.array(angles, dtype=float)).T
    return np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1)


@pytest.mark.parametrize(
    ("cn", "limit"),
    [
        (4, 135.0),
        (5, 135.0),
        (6, 135.0),
        (6, 150.0),
        (7, 135.0),
        (8, 90.0),
        (8, 135.0),
        (8, math.degrees(2.5261129449194057)),
        (12, 75.0),
        (12, 105.0),
        (12, 160.0),
    ],
)
def test_shells_on_a_limit_are_told_and_the_numbers_jump_there(cn, limit):
    """Not in all such shells: the best pole is often another. In one of fifty it is this one."""
    rng = np.random.default_rng(12)
    jumps = 0
    for _ in range(50):
        others = np.stack([rng.uniform(30, 150, cn - 2), rng.uniform(0, 360, cn - 2)], axis=1).tolist()
        below, at, above = (from_angles([(0, 0), (limit + shift, 10), *others]) for shift in (-1e-8, 0.0, 1e-8))
        assert on_threshold(at, cn, 1e-9)
        assert not on_threshold(below, cn, 1e-12)
        assert not on_threshold(above, cn, 1e-12)
        if np.abs(parameters(above) - parameters(below)).max() > 1e-4:
            jumps += 1
            for shell in (below, above):
                np.testing.assert_allclose(parameters(shell), pymatgen_parameters(shell), rtol=0, atol=1e-9)
    assert jumps > 0


def test_an_azimuth_on_the_limit_is_told():
    shell = from_angles([(0, 0), (80, 10), (85, 145), (60, 250)])
    assert on_threshold(shell, 4, 1e-9)
    jump = [parameters(from_angles([(0, 0), (80, 10), (85, 145 + d), (60, 250)])) for d in (-1e-8, 1e-8)]
    assert abs(jump[1] - jump[0])[position(4, "rectangular see-saw-like")] > 1e-4


def test_a_meridian_made_of_noise_is_told():
    octahedron = directions("octahedron")
    assert not on_threshold(octahedron, 6, 1e-9)
    assert not on_threshold(np.ascontiguousarray(octahedron @ FRAME), 6, 1e-9)
    octahedron[2] += [0, 1e-10, 0]
    assert on_threshold(octahedron, 6, 1e-9)
    assert not on_threshold(octahedron, 6, 1e-11)


@pytest.mark.parametrize("cn", [0, 1, 2, 9, 10, 11, 13, 24])
def test_coordination_numbers_without_limits_are_never_on_one(cn):
    assert not on_threshold(np.tile([[1.0, 1.0, 0.0]], (24, 1)), cn, 1e-3)


def test_rounding_matters_only_where_on_threshold_says_so():
    rng = np.random.default_rng(11)
    flagged = 0
    for shape in SHAPES:
        ideal = directions(shape) @ FRAME
        for cn in range(2, len(ideal) + 1):
            shell = ideal[rng.permutation(len(ideal))[:cn]] * 2.1
            if on_threshold(np.ascontiguousarray(shell), cn, 1e-9):
                flagged += 1
                continue
            for _ in range(5):
                moved = shell + rng.normal(size=shell.shape) * 3e-15
                np.testing.assert_allclose(parameters(moved), parameters(shell), rtol=0, atol=1e-7)
    assert flagged > 10
