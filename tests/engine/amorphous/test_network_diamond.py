"""Diamond in a cube for any even number of atoms, by its rings and neighbours."""

import numpy as np
import pytest

from aiida_dismai.engine.amorphous.crystallinity import CUBIC, crystalline
from aiida_dismai.engine.amorphous.network.diamond import diamond_network, nearly_cubic
from aiida_dismai.engine.amorphous.network.geometry import bonds_of
from aiida_dismai.engine.amorphous.rings import ring_counts

SIZES = [32, 34, 46, 64, 66, 74, 98, 128, 130, 216, 250, 256, 398, 512, 1000, 1002]


@pytest.mark.parametrize("n_atoms", SIZES)
def test_the_network_is_that_of_diamond(n_atoms):
    network = diamond_network(n_atoms, 5.43 * (n_atoms / 8) ** (1 / 3))
    bonds = bonds_of(network)
    # the only shortest-path rings of diamond are two hexagons per atom, in cells of every size
    assert ring_counts(bonds.start, bonds.neighbour, bonds.image, 8).tolist() == [0] * 6 + [2 * n_atoms, 0, 0]
    for atom, others in enumerate(network.bonded.tolist()):
        assert len(set(others)) == 4
        assert atom not in others


@pytest.mark.parametrize("n_atoms", SIZES)
def test_every_bond_is_there_from_either_end(n_atoms):
    network = diamond_network(n_atoms, 10.0)
    there = {
        (i, *row) for i in range(n_atoms) for row in np.column_stack([network.bonded[i], network.images[i]]).tolist()
    }
    assert len(there) == 4 * n_atoms
    assert {(j, i, -x, -y, -z) for i, j, x, y, z in there} == there


@pytest.mark.parametrize(("n_atoms", "strain"), [(64, 0), (216, 0), (512, 0), (1000, 0), (256, 0.09), (500, 0.08)])
def test_strain(n_atoms, strain):
    """Eight times a cube (and 1000 = 8 × 125) need none, and others little: stretches of three orthogonal axes."""
    vectors = nearly_cubic(n_atoms // 2)
    assert round(np.linalg.det(vectors)) == n_atoms
    stretches = np.linalg.svd(vectors, compute_uv=False) / n_atoms ** (1 / 3)
    assert np.abs(stretches - 1).max() <= strain + 1e-9
    network = diamond_network(n_atoms, 5.43 * (n_atoms / 8) ** (1 / 3))
    bonds = bonds_of(network)
    assert (crystalline(bonds.start, bonds.neighbour, bonds.vectors) == CUBIC).all()
    np.testing.assert_allclose(bonds.lengths, 5.43 * 3**0.5 / 4, rtol=1.5 * strain + 1e-12)


def test_no_supercell_is_nearer_to_a_cube():
    """All supercells of 22 points, by their Hermite normal forms, after an exhaustive search for short vectors."""
    primitive = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    edge = 44 ** (1 / 3)
    coefficients = np.array(np.meshgrid(*[np.arange(-4, 5)] * 3)).reshape(3, -1).T
    least = np.inf
    for a in (1, 2, 11, 22):
        for c in [divisor for divisor in (1, 2, 11, 22) if 22 % (a * divisor) == 0]:
            for b, d, e in np.ndindex(c, 22 // (a * c), 22 // (a * c)):
                rows = np.array([[a, b, d], [0, c, e], [0, 0, 22 // (a * c)]]) @ primitive
                short = coefficients @ rows
                short = short[np.abs(np.linalg.norm(short, axis=1) / edge - 1) < 0.3]
                dots = short @ short.T
                volumes = np.einsum("ijx,kx->ijk", np.cross(short[:, None], short[None]), short)
                for i, j, k in np.argwhere(volumes == 44):
                    if max(abs(dots[i, j]), abs(dots[i, k]), abs(dots[j, k])) < 0.4 * edge**2:
                        stretches = np.linalg.svd(short[[i, j, k]] / edge, compute_uv=False)
                        least = min(least, float((np.log(stretches) ** 2).sum()))
    found = np.linalg.svd(nearly_cubic(22) / edge, compute_uv=False)
    assert float((np.log(found) ** 2).sum()) == pytest.approx(least)


@pytest.mark.parametrize("n_atoms", [33, 30, 0, -64, 20_002])
def test_sizes_that_do_not_work_are_refused(n_atoms):
    with pytest.raises(ValueError, match="even number of atoms from 32 to 20000"):
        diamond_network(n_atoms, 10.0)
