"""The repulsion beneath the network: against the published formula, its end, and its forces."""

import math

import numpy as np
import pytest
import torch
from ase.data import covalent_radii

from aiida_dismai.engine.potentials.folder import build_potential, load_potential, network_of, save_potential
from aiida_dismai.engine.potentials.graphs import GraphBuilder
from aiida_dismai.engine.potentials.losses import compute
from aiida_dismai.engine.potentials.repulsion import Repulsion
from aiida_dismai.engine.structures import StructureSet

CONFIG = {
    "architecture": "m3gnet",
    "network": {
        "cutoff": 4.0,
        "threebody_cutoff": 3.0,
        "n_blocks": 1,
        "units": 8,
        "max_n": 2,
        "max_l": 2,
        "use_smooth": True,
    },
    "elements": ["O", "Co"],
    "reference_energies": {"O": 0.0, "Co": 0.0},
    "data_std": 0.7,
    "repulsion": True,
}


def pair(*distances):
    positions = np.zeros((len(distances), 2, 3))
    positions[:, 1, 0] = distances
    return StructureSet.from_uniform([8, 27], positions, np.eye(3) * 20)


def universal(distance, first=8, second=27):
    """The universal potential with its envelope, written once more with plain numbers."""
    x = distance / (0.8854 * 0.529177 / (first**0.23 + second**0.23))
    terms = ((0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162))
    y = min(distance / (covalent_radii[first] + covalent_radii[second]), 1.0)
    envelope = 1 - 28 * y**6 + 48 * y**7 - 21 * y**8
    return 14.399645 * first * second / distance * sum(c * math.exp(-e * x) for c, e in terms) * envelope


def energies(potential, structures):
    found = compute(potential, GraphBuilder((8, 27), 4.0), structures, range(len(structures)))
    return found.energy.detach().numpy()


@pytest.fixture
def potentials():
    """The same network with and without the repulsion."""
    torch.manual_seed(0)
    with_it = build_potential(CONFIG).eval()
    without = build_potential(CONFIG | {"repulsion": False}).eval()
    network_of(without).load_state_dict(network_of(with_it).network.state_dict())
    return with_it, without


def test_the_repulsion_is_the_universal_potential(potentials):
    distances = [0.4, 0.9, 1.3, 1.7, 1.91, 1.93, 2.5]
    structures = pair(*distances)
    difference = energies(potentials[0], structures) - energies(potentials[1], structures)
    np.testing.assert_allclose(difference, [universal(d) for d in distances], rtol=2e-5, atol=1e-5)
    assert difference[0] > 100
    np.testing.assert_allclose(difference[-2:], 0, atol=1e-5)  # beyond the covalent radii, 1.92 Å


def test_its_forces_are_the_slope(potentials):
    step = 1e-3
    builder = GraphBuilder((8, 27), 4.0)
    forces = compute(potentials[0], builder, pair(1.4), [0]).forces.detach().numpy()
    upper, lower = energies(potentials[0], pair(1.4 + step, 1.4 - step))
    assert forces[1, 0] == pytest.approx(-(upper - lower) / (2 * step), rel=1e-2)


def test_batches_are_their_structures_one_by_one():
    builder = GraphBuilder((8, 27), 4.0)
    graph, _ = builder.batch(pair(0.9, 1.5), [0, 1])
    graph.pos, graph.pbc_offshift = 20 * graph.frac_coords, 20 * graph.pbc_offset
    found = Repulsion((8, 27))(graph).numpy()
    np.testing.assert_allclose(found, [universal(0.9), universal(1.5)], rtol=2e-5)


def test_it_survives_the_folder(potentials, tmp_path):
    save_potential(tmp_path / "potential", network_of(potentials[0]).state_dict(), CONFIG)
    loaded = load_potential(tmp_path / "potential")
    structures = pair(0.9, 1.8)
    np.testing.assert_array_equal(energies(loaded.potential, structures), energies(potentials[0], structures))
