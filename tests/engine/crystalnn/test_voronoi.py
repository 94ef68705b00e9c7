"""Voronoi cells: pymatgen's beside ours, geometry that must hold for any crystal, and cells that rounding decides."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from pymatgen.core.local_env import VoronoiNN
from support import crystals

from aiida_dismai.engine.crystalnn.errors import CrystalNNError
from aiida_dismai.engine.crystalnn.points import lay_out
from aiida_dismai.engine.crystalnn.polyhedron import BOX, CONTRADICTION, cut, face, is_open, make_room, reach, start
from aiida_dismai.engine.crystalnn.voronoi import search_radii, voronoi_faces
from aiida_dismai.engine.structures import to_pymatgen

CRYSTALS = {
    "fcc": lambda: crystals.of("Fe", "fcc", 3.6, 2),
    "bcc": lambda: crystals.of("Fe", "bcc", 2.87, 2),
    "hcp": lambda: crystals.of("Mg", "hcp", 3.2),
    "simple cubic, points at 7 Å": lambda: crystals.of("Po", "sc", 3.5),
    "rock salt": lambda: crystals.of("NaCl", "rocksalt", 5.64),
    "diamond": lambda: crystals.of("Si", "diamond", 5.43),
    "fcc, displaced by rounding": lambda: crystals.of("Fe", "fcc", 3.6, 2, 1e-9),
    "fcc, displaced": lambda: crystals.of("Fe", "fcc", 3.6, 2, 0.1),
    "one atom": lambda: crystals.tilted(1, 0),
    "two atoms": lambda: crystals.tilted(2, 1),
    "four atoms, tilted": lambda: crystals.tilted(4, 2),
    # The plane of a second neighbour cuts 0.4 mÅ deep, while the cell is still open along the third axis.
    "plates": lambda: crystals.crystal([6, 6], [[0, 0, 0], [0, 1.42, 0]], [[2.46, 0, 0], [1.23, 2.13, 0], [0, 0, 5.4]]),
    "rough slab": lambda: crystals.slab(14.0, 0.1),
    "slab, almost flat": lambda: crystals.slab(14.0, 1e-3),
    "interface": crystals.interface,
}
#: In these a ball around a site can have points on one side only, some of them exactly in line.
DEGENERATE = ("rough slab", "slab, almost flat")


def pymatgen_faces(structure, site: int, cutoff: float) -> dict[tuple[float, ...], tuple[float, float]]:
    """Return solid angle and area by vector."""
    crystal = to_pymatgen(structure.without_properties())[0]
    finder = VoronoiNN(cutoff=cutoff, compute_adj_neighbors=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = finder.get_voronoi_polyhedra(crystal, site)
    center = crystal[site].coords
    return {
        tuple(np.round(entry["site"].coords - center, 4) + 0.0): (entry["solid_angle"], entry["area"])
        for entry in found.values()
    }


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("cutoff", [7.0, 5.5])
def test_faces_are_those_of_pymatgen(name, cutoff):
    structure = CRYSTALS[name]()
    sites = np.unique(np.linspace(0, len(structure.positions) - 1, 6).astype(int))
    faces = voronoi_faces(structure, sites, cutoff)
    # In slabs two cells wide, an outermost site is exactly on the line between two of its images: an edge.
    assert faces.ambiguous.sum() <= (len(sites) // 3 if name in DEGENERATE else 0)
    for i, site in enumerate(sites):
        if faces.ambiguous[i]:
            continue
        expected = pymatgen_faces(structure, int(site), cutoff)
        own = slice(faces.start[i], faces.start[i + 1])
        keys = [tuple(vector) for vector in np.round(faces.vectors[own], 4) + 0.0]
        found = dict(zip(keys, zip(faces.solid_angle[own], faces.area[own], strict=True), strict=True))
        assert len(found) == len(keys)
        for key in found.keys() | expected.keys():
            # A face of a degenerate vertex may be there or not.
            np.testing.assert_allclose(found.get(key, (0, 0)), expected.get(key, (0, 0)), rtol=1e-9, atol=1e-9)


def test_cells_fill_the_crystal_and_share_their_faces():
    structure = crystals.silicon()
    faces = voronoi_faces(structure)
    site = np.repeat(faces.sites, np.diff(faces.start))
    np.testing.assert_allclose(np.add.reduceat(faces.solid_angle, faces.start[:-1]), 4 * np.pi, atol=1e-10)
    height = np.linalg.norm(faces.vectors, axis=1) / 2
    assert (faces.area * height).sum() / 3 == pytest.approx(abs(np.linalg.det(structure.cells[0])), rel=1e-12)
    # The face from i to j is that from j to i.
    there = sorted(zip(site, faces.neighbour, np.round(faces.vectors, 6).tolist(), faces.area, strict=True))
    back = sorted(zip(faces.neighbour, site, (np.round(-faces.vectors, 6) + 0.0).tolist(), faces.area, strict=True))
    for one, other in zip(there, back, strict=True):
        assert one[:2] == other[:2]
        np.testing.assert_allclose(one[2], other[2], atol=2e-6)
        assert one[3] == pytest.approx(other[3], abs=1e-10)


def test_rhombic_dodecahedron():
    faces = voronoi_faces(crystals.of("Fe", "fcc", 3.6, 1), np.array([0]))
    large = faces.solid_angle > 1e-9
    assert large.sum() == 12
    np.testing.assert_allclose(faces.solid_angle[large], 4 * np.pi / 12, rtol=1e-12)
    np.testing.assert_allclose(faces.area[large], np.sqrt(2) / 8 * 3.6**2, rtol=1e-12)


def test_where_the_atoms_are_written_does_not_matter():
    structure = crystals.oxide()
    faces = voronoi_faces(structure)
    random = np.random.default_rng(0)
    images = random.integers(-3, 4, (32, 3)) @ structure.cells[0]
    moved = voronoi_faces(structure.with_positions(structure.positions + images + random.uniform(-9, 9, 3)))
    from scipy.spatial.transform import Rotation

    turn = Rotation.random(random_state=1).as_matrix()
    turned = voronoi_faces(crystals.crystal(structure.numbers, structure.positions @ turn, structure.cells[0] @ turn))
    for other in (moved, turned):
        np.testing.assert_array_equal(other.start, faces.start)
        for i in range(32):
            own = slice(faces.start[i], faces.start[i + 1])
            np.testing.assert_allclose(np.sort(other.area[own]), np.sort(faces.area[own]), atol=1e-10)


def test_radii_of_the_search():
    # pymatgen: doubled up to the longest diagonal + 0.01, then once that + 0.001.
    assert search_radii(np.diag([3.0, 4.0, 12.0]), 7.0) == pytest.approx([7.0, 13.011])
    assert search_radii(np.diag([3.0, 4.0, 12.0]), 20.0) == [20.0]
    tilted = np.array([[10.0, 0, 0], [9.0, 3.0, 0], [0, 0, 2.0]])  # (1, 1, 1): 19, 3, 2
    assert search_radii(tilted, 2.0)[-1] == pytest.approx(np.sqrt(19**2 + 9 + 4) + 0.011)


@pytest.mark.parametrize("bumps", [0.0, 1e-13, 1e-11])
def test_flat_surfaces_are_ambiguous(bumps):
    structure = crystals.slab(14.0, bumps)
    faces = voronoi_faces(structure)
    z = structure.positions[:, 2]
    outermost = (z < z.min() + 0.1) | (z > z.max() - 0.1)
    np.testing.assert_array_equal(faces.ambiguous, outermost)


def test_open_cells_with_upright_edges():
    # Faces between upright images are parallel to the edges of cells that are open upwards.
    cell = [[4.7, 0.09, 0], [0, 5.17, 0], [0, 0, 16.29]]
    atoms = [[3.01, 2.57, 1.46], [0.69, 0.36, 2.22], [4.34, 4.18, 0.07], [0.18, 2.65, 1.87], [2.85, 4.59, 2.93]]
    structure = crystals.crystal([14] * 5, atoms, cell)
    faces = voronoi_faces(structure)
    np.testing.assert_allclose(np.add.reduceat(faces.solid_angle, faces.start[:-1]), 4 * np.pi, rtol=1e-12)
    for site in np.flatnonzero(~faces.ambiguous):
        expected = sorted(pymatgen_faces(structure, int(site), 7.0).values())
        own = slice(faces.start[site], faces.start[site + 1])
        np.testing.assert_allclose(np.sort(faces.solid_angle[own]), [angle for angle, _ in expected], rtol=1e-9)


def test_a_point_on_the_border_of_the_ball_is_in_it_and_makes_the_cell_ambiguous():
    structure = crystals.of("Po", "sc", 7.0)
    faces = voronoi_faces(structure)
    assert len(faces.area) == len(pymatgen_faces(structure, 0, 7.0)) == 6
    assert faces.ambiguous.all()
    assert not voronoi_faces(crystals.of("Po", "sc", 6.999)).ambiguous.any()
    # Just outside: the cell is open, and closed by a larger ball. That was as close.
    beyond = voronoi_faces(crystals.of("Po", "sc", 7.00000005))
    np.testing.assert_allclose(beyond.solid_angle, 4 * np.pi / 6)
    assert beyond.ambiguous.all()


@pytest.mark.parametrize("noise", [0.0, 1e-13, 1e-11, 1e-9])
def test_many_points_on_one_sphere(noise):
    # On a grid with holes most vertices have more than four nearest points: rounding must not break a cell.
    for seed in range(25):
        random = np.random.default_rng(seed)
        grid = np.array([[i, j, k] for i in range(4) for j in range(4) for k in range(4)], dtype=float)
        grid = random.permutation(grid)[: random.integers(6, 60)] * 1.7
        structure = crystals.crystal(
            [14] * len(grid), grid + random.normal(0, 1, grid.shape) * noise, np.eye(3) * 4 * 1.7
        )
        faces = voronoi_faces(structure)
        angles = np.add.reduceat(faces.solid_angle, faces.start[:-1])
        np.testing.assert_allclose(angles[~faces.ambiguous], 4 * np.pi, rtol=0, atol=1e-8)
        volume = (faces.area * np.linalg.norm(faces.vectors, axis=1)).sum() / 6
        # Cells that end at the ball, not where they would, overlap.
        assert volume >= 6.8**3 * (1 - 1e-9)


def test_a_cell_of_a_hundred_faces():
    # Points all around at the same distance: room for the planes and the rim of the cuts must suffice.
    k = np.arange(300) + 0.5
    z, phi = 1 - 2 * k / 300, np.pi * (1 + np.sqrt(5)) * k
    around = np.column_stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z])
    structure = crystals.crystal([14] * 301, np.vstack([5 * around, np.zeros(3)]) + 10, np.eye(3) * 20)
    faces = voronoi_faces(structure, np.array([300]))
    expected = pymatgen_faces(structure, 300, 7.0)
    assert len(faces.area) == len(expected) == 300
    np.testing.assert_allclose(np.sort(faces.area), np.sort([area for _, area in expected.values()]), rtol=1e-9)


def test_cells_without_end():
    layer = crystals.of("Al", "fcc", 4.05)
    open_above = crystals.crystal(layer.numbers, layer.positions, layer.cells[0], [True, True, False])
    with pytest.raises(CrystalNNError, match=r"site 0: its Voronoi cell is open, even with all atoms within 7\.026 Å"):
        voronoi_faces(open_above)
    with pytest.raises(RuntimeError, match="infinite vertex"):
        pymatgen_faces(open_above, 0, 7.0)
    with pytest.raises(CrystalNNError, match="open"):
        voronoi_faces(crystals.crystal([14, 14], [[0, 0, 0], [0, 0, 2]], np.eye(3) * 9, False))


def test_atoms_on_top_of_each_other():
    structure = crystals.of("Al", "fcc", 4.05, 2)
    positions = structure.positions.copy()
    positions[7] = positions[20] + [4e-4, 0, 0] + structure.cells[0, 0]
    with pytest.raises(CrystalNNError, match=r"site 7: another atom is within 0\.001 Å") as raised:
        voronoi_faces(structure.with_positions(positions))
    assert raised.value.site == 7
    assert len(voronoi_faces(structure.with_positions(positions), np.array([0, 1])).start) == 3


def test_a_cell_too_small_for_any_crystal():
    with pytest.raises(CrystalNNError, match="far too small or flat"):
        lay_out(np.zeros((1, 3)), np.diag([0.01, 0.01, 30.0]), np.array([True] * 3), 7.0)


def test_few_boxes_for_atoms_far_apart():
    points = lay_out(np.array([[0.0, 0, 0], [0, 0, 1e7]]), np.eye(3) * 3, np.array([True, True, False]), 7.0)
    assert len(points.box_start) < 20 * len(points.positions) + 2000
    assert points.box_start[-1] == len(points.positions)


def test_cutting_a_cube():
    shape = make_room(10)
    start(shape, 2.0)
    assert is_open(shape)
    for axis in range(3):
        for sign in (-1.0, 1.0):
            normal = np.zeros(3)
            normal[axis] = sign
            assert cut(shape, *normal, 1.0, 1e-11, False) == 1  # would cut
            assert cut(shape, *normal, 1.0, 1e-11, True) == 1
            assert cut(shape, *normal, 1.0, 1e-11, True) == 0  # touches
    assert not is_open(shape)
    assert reach(shape) == pytest.approx(np.sqrt(3))
    for plane in range(BOX, BOX + 6):
        assert face(shape, plane) == pytest.approx((4 * np.pi / 6, 4.0))
    # A corner off: a triangle with the legs 3 - d, d = 2.
    diagonal = np.ones(3) / np.sqrt(3)
    assert cut(shape, *diagonal, 2 / np.sqrt(3), 1e-11, True) == 1
    assert face(shape, BOX + 6)[1] == pytest.approx(np.sqrt(3) / 4 * 2)
    # The plane through its three corners again: nothing left to cut.
    assert cut(shape, *diagonal, 2 / np.sqrt(3), 1e-11, True) == 0


def test_a_cut_that_contradicts_itself_is_told():
    shape = make_room(10)
    start(shape, 1.0)
    # No rounding makes two opposite corners come out beyond one plane and none between; a test may.
    opposite = [0, 7]
    shape.corner[opposite] = [[5.0, 0, 0], [5.0, 0, 0]]
    assert cut(shape, 1.0, 0.0, 0.0, 3.0, 1e-11, True) == CONTRADICTION
