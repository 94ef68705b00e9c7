from __future__ import annotations

import numpy as np
import pytest
import torch

from aiida_dismai.engine.potentials.folder import build_potential
from aiida_dismai.engine.potentials.graphs import GraphBuilder
from aiida_dismai.engine.potentials.losses import ErrorSums, Labels, compute, loss_part
from aiida_dismai.engine.structures import StructureSet, to_pymatgen

WEIGHTS = (1.0, 1.0, 0.1)
NETWORK = {"cutoff": 4.0, "threebody_cutoff": 3.0, "n_blocks": 1, "units": 8}


@pytest.fixture
def potential():
    torch.manual_seed(0)
    config = {"architecture": "m3gnet", "elements": ["Al", "Cu"], "network": NETWORK, "data_std": 0.7}
    return build_potential(config).train()


@pytest.fixture
def mixed(frames: StructureSet) -> StructureSet:
    """Frames of eight and of five atoms: means over structures and over atoms differ."""
    smaller = []
    for i in range(3):
        one = frames[i]
        smaller.append(
            StructureSet(
                one.numbers[:5],
                one.positions[:5],
                one.cells,
                one.pbc,
                [0, 5],
                {
                    name: type(prop)(prop.values[:5] if prop.level == "atom" else prop.values, prop.level, prop.unit)
                    for name, prop in one.properties.items()
                },
            )
        )
    return StructureSet.concatenate([frames[3:6], *smaller])


def loss_of(potential, structures: StructureSet, pieces: list[list[int]]) -> torch.Tensor:
    builder, labels = GraphBuilder((13, 29), 4.0), Labels.above(structures, np.zeros(len(structures)))
    total = sum(len(piece) for piece in pieces)
    atoms = int(structures.n_atoms[np.concatenate(pieces)].sum())
    parts = [
        loss_part(labels.errors(compute(potential, builder, structures, piece), piece), WEIGHTS, total, atoms)
        for piece in pieces
    ]
    return torch.stack(parts).sum()


def test_loss_equals_matgl_s_training_module(potential, mixed: StructureSet):
    from matgl.ext.pymatgen import Structure2Graph
    from matgl.graph.data import collate_fn_pes
    from matgl.utils.training import PotentialLightningModule

    converter = Structure2Graph(("Al", "Cu"), 4.0)
    items = []
    for i, structure in enumerate(to_pymatgen(mixed.without_properties())):
        graph, lattice, state = converter.get_graph(structure)
        labels = {
            "energies": float(mixed.values("energy")[i]),
            "forces": torch.tensor(mixed.values("forces")[mixed.atoms_of(i)], dtype=torch.float32),
            "stresses": torch.tensor(mixed.values("stress")[i], dtype=torch.float32),
        }
        items.append((graph, lattice, torch.tensor(state), labels))
    module = PotentialLightningModule(
        model=potential.model, energy_weight=1.0, force_weight=1.0, stress_weight=0.1, data_std=0.7
    )
    theirs = module.step(collate_fn_pes(items, include_stress=True))[0]["Total_Loss"]
    ours = loss_of(potential, mixed, [list(range(6))])
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-5)


def test_gradients_do_not_depend_on_the_cut_into_micro_batches(potential, mixed: StructureSet):
    gradients = []
    for pieces in ([[0, 1, 2, 3, 4, 5]], [[0], [1, 5, 2], [3, 4]]):
        potential.zero_grad()
        loss_of(potential, mixed, pieces).backward()
        gradients.append([p.grad.clone() for p in potential.model.parameters() if p.grad is not None])
    for whole, cut in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, cut, rtol=1e-3, atol=1e-4)


def test_error_sums_are_means_over_components():
    sums = ErrorSums()
    sums.add((torch.tensor([1.0, -3.0]), torch.full((5, 3), -2.0), torch.full((2, 3, 3), 0.5)))
    sums.add((torch.tensor([2.0]), torch.full((5, 3), 4.0), torch.full((1, 3, 3), -1.0)))
    assert sums.means() == pytest.approx((2.0, 3.0, 2 / 3))


def test_references_are_taken_off_before_rounding(frames: StructureSet):
    shifted = frames.with_property("energy", frames.values("energy") - 1e7)
    near = Labels.above(shifted, np.full(len(frames), -1e7)).energy_per_atom
    np.testing.assert_allclose(near, Labels.above(frames, np.zeros(len(frames))).energy_per_atom, atol=1e-6)
