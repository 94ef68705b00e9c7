from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from aiida_dismai.engine.potentials.evaluator import Site, TrainedEvaluator
from aiida_dismai.engine.potentials.folder import TrainedPotential, build_potential, network_of
from aiida_dismai.engine.potentials.graphs import GraphBuilder
from aiida_dismai.engine.structures import StructureSet
from aiida_dismai.engine.units import EV_PER_A3_IN_GPA

SIZE = {"cutoff": 4.0, "threebody_cutoff": 3.2, "n_blocks": 2, "units": 8}


def potential(**more: Any) -> TrainedPotential:
    """A potential with random weights, scaled so that its forces are about 1 eV/Å."""
    repulsion = more.pop("repulsion", False)
    network = {**SIZE, **more}
    config: dict[str, Any] = {"architecture": "m3gnet", "elements": ["Al", "Cu"], "network": network}
    config |= {"data_std": 30.0, "repulsion": repulsion}
    with torch.random.fork_rng():
        torch.manual_seed(2)
        made = build_potential(config)
    with torch.no_grad():
        for parameter in network_of(made).parameters():
            parameter *= 2
    made = made.eval().requires_grad_(False)
    return TrainedPotential(made, np.array([-3.0, -4.0]), GraphBuilder((13, 29), network["cutoff"]), config, "cpu")


def by_matgl(trained: TrainedPotential, structures: StructureSet) -> tuple[Any, Any, Any]:
    graph, _ = trained.builder.batch(structures, range(len(structures)))
    graph.frac_coords = torch.from_numpy(
        np.concatenate([one.positions @ np.linalg.inv(one.cells[0]) for one in structures])
    )
    energy, forces, stress, _ = trained.potential.double()(graph, torch.from_numpy(structures.cells))
    energy = energy.detach().numpy() + [trained.reference_energy(one.numbers) for one in structures]
    return energy, forces.detach().numpy(), stress.detach().numpy().reshape(-1, 3, 3) / EV_PER_A3_IN_GPA


def by_us(trained: TrainedPotential, structures: StructureSet, precision: str, **more: Any) -> tuple[Any, Any, Any]:
    evaluator = TrainedEvaluator(trained, precision, **more)
    sites = [Site(evaluator, one.numbers, one.pbc[0]) for one in structures]
    positions, cells = [one.positions for one in structures], [one.cells[0] for one in structures]
    found = evaluator.evaluate(sites, positions, cells, stress=True)
    forces = np.concatenate([one.forces for one in found])
    return np.array([one.energy for one in found]), forces, np.array([one.stress for one in found])


@pytest.mark.parametrize(
    "size",
    [
        {},
        {"repulsion": True},
        {"use_smooth": False},
        {"max_l": 1},
        {"max_l": 2, "max_n": 2},
        {"max_l": 4, "max_n": 4, "use_smooth": False},
        {"max_l": 4, "max_n": 2, "n_blocks": 1, "cutoff": 5.0, "threebody_cutoff": 5.0},
        {"threebody_cutoff": 1.0},
    ],
)
def test_the_network_is_matgl_s(size: dict[str, Any], frames: StructureSet):
    trained, structures = potential(**size), frames[:4].without_properties("energy", "forces", "stress")
    ours = by_us(trained, structures, "float64")
    theirs = by_matgl(trained, structures)
    assert np.abs(theirs[1]).max() > 0.05
    # matgl rounds the constants of its radial functions to single precision
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own, other, atol=3e-6 * np.abs(theirs[1]).max())


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("tf32", 1e-5), ("bf16", 0.1)])
def test_precisions_beside_double(precision: str, tolerance: float, frames: StructureSet):
    trained = potential(n_blocks=3)
    exact, found = by_us(trained, frames[:3], "float64"), by_us(trained, frames[:3], precision)
    largest = np.abs(exact[1]).max()
    difference = np.abs(found[1] - exact[1]).max()
    assert 0 < difference < tolerance * largest
    assert torch.get_float32_matmul_precision() == "highest"
    if precision == "bf16":
        assert difference > 1e-4 * largest


def test_compiled(frames: StructureSet, monkeypatch: pytest.MonkeyPatch):
    """One compilation serves other numbers of atoms and bonds; nothing in it waits for a value.

    It is traced, forwards and backwards; that code is generated for it too would take half a minute more.
    """
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    trained = potential(n_blocks=1, max_n=2, max_l=2)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    evaluator = TrainedEvaluator(trained, compiled=True)
    plain = TrainedEvaluator(trained)
    for structures in (frames[:3], frames[:12]):
        found, expected = [], []
        for one, results in ((evaluator, found), (plain, expected)):
            sites = [Site(one, part.numbers, part.pbc[0]) for part in structures]
            results += one.evaluate(sites, [part.positions for part in structures], list(structures.cells))
        forces, others = (np.concatenate([one.forces for one in results]) for results in (found, expected))
        np.testing.assert_allclose(forces, others, atol=1e-5 * np.abs(others).max())
        np.testing.assert_allclose([one.energy for one in found], [one.energy for one in expected], rtol=1e-6)
    counters = torch._dynamo.utils.counters
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 1


def test_an_atom_without_neighbours_and_one_in_a_small_cell(frames: StructureSet):
    trained = potential()
    lone = StructureSet.from_uniform([29], np.zeros((1, 1, 3)), 20 * np.eye(3))
    dense = StructureSet.from_uniform([29], np.zeros((1, 1, 3)), 1.27 * (1 - np.eye(3)) + 0.5 * np.eye(3))
    both = StructureSet.concatenate([lone, dense])
    for own, other in zip(by_us(trained, both, "float64"), by_matgl(trained, both), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_structure_does_not_depend_on_its_batch(precision: str, frames: StructureSet):
    trained = potential(units=64, n_blocks=3)
    whole = by_us(trained, frames, precision)
    for i in (0, 7, len(frames) - 1):
        alone = by_us(trained, frames[[i]], precision)
        own = frames.atoms_of(i)
        difference = max(np.abs(alone[1] - whole[1][own]).max(), abs(alone[0][0] - whole[0][i]))
        assert difference <= (1e-6 if precision == "float32" else 0.0)


def test_coincident_atoms_spoil_their_own_structure_only(frames: StructureSet):
    positions = frames.positions.copy()
    positions[frames.offsets[1] + 1] = positions[frames.offsets[1]]
    spoilt = by_us(potential(), frames.with_positions(positions)[:3], "float32")
    right = by_us(potential(), frames[:3], "float32")
    assert np.isnan(spoilt[0]).tolist() == [False, True, False]
    for i in (0, 2):
        np.testing.assert_array_equal(spoilt[1][frames.atoms_of(i)], right[1][frames.atoms_of(i)])
