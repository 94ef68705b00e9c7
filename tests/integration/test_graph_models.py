"""CDVAE and DiffCSP through the benchmark, from training to metrics, on structures of all three families."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from ase.build import bulk

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import from_ase
from aiida_dismai.workchains.benchmark import BenchmarkWorkChain

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("aiida_profile_clean")]

#: Narrow networks for a few seconds; what they learn is the business of benchmarks/learning.py.
SMALL = {
    "cdvae": {
        "epochs": 2, "teacher_forcing_epochs": 1, "batch_size": 2, "latent_dim": 4, "cutoff": 4.0, "max_neighbours": 8,
        "encoder_channels": 8, "encoder_blocks": 1, "encoder_triplet_channels": 4, "encoder_output_channels": 8,
        "decoder_channels": 8, "decoder_blocks": 1, "decoder_triplet_channels": 4, "decoder_radial": 8,
        "n_spherical": 3, "head_channels": 8, "noise_levels": 3, "langevin_steps": 2, "sigma_begin": 0.3,
        "sigma_end": 0.1, "step_size": 0.01, "composition": "template",
    },
    "diffcsp": {
        "epochs": 2, "hidden_dim": 8, "num_layers": 1, "num_frequencies": 4, "time_dim": 8, "timesteps": 3,
    },
}  # fmt: skip
LJ = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"sigma": 1.8, "epsilon": 0.1, "rc": 4.0}}


def interfaces(random):
    """Li, Sc, Co, Cl and O at random on a lattice below a vacuum, 32 atoms."""
    atoms = bulk("Li", "sc", a=2.1).repeat((4, 4, 2))
    atoms.symbols[random.permutation(32)] = ["Li"] * 8 + ["Sc"] * 2 + ["Co"] * 4 + ["Cl"] * 8 + ["O"] * 10
    atoms.cell[2, 2] += 6.0
    return atoms


def alloys(random):
    atoms = bulk("Fe", "fcc", a=3.6, cubic=True).repeat(2)
    atoms.symbols[random.permutation(32)] = ["Fe"] * 20 + ["Ni"] * 6 + ["Cr"] * 6
    return atoms


def silicon(random):
    return bulk("Si", cubic=True).repeat(2)


FAMILIES = {
    "interface": (interfaces, {"relax": {"parameters": LJ | {"fmax": 5.0, "steps": 3}}}),
    "amorphous": (silicon, {"relax": {"parameters": {"steps": 3}}}),
    "alloy": (alloys, {}),
}


@pytest.mark.parametrize(("family", "model"), [("interface", "cdvae"), ("amorphous", "diffcsp"), ("alloy", "cdvae")])
def test_a_graph_model_on_every_family(dismai_code, family, model):
    make, evaluate = FAMILIES[family]
    random = np.random.default_rng(1)
    frames = [make(random) for _ in range(6)]
    for atoms in frames:
        atoms.rattle(0.05, rng=random)
    train, validation = StructureSetData(from_ase(frames[:4])), StructureSetData(from_ase(frames[4:]))
    overrides = {
        "n_models": 1,
        "generator": {"models": {model: {"hyperparameters": SMALL[model]}}},
        "sample": {"n_structures": 2},
        "evaluate": evaluate,
    }
    builder = BenchmarkWorkChain.get_builder_from_protocol(
        dismai_code, train, validation, model, 1, kind=family, protocol="demo", overrides=overrides
    )
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, f"{node.exit_status} {node.exit_message}"
    generated = outputs["generated"]["model_0"].structures
    assert len(generated) == 2
    np.testing.assert_array_equal(np.sort(generated[0].numbers), np.sort(frames[0].numbers))
    results = outputs["training"]["model_0"].get_dict()
    assert results["epochs"] == 2
    assert sum(results["trainable_parameters"].values()) > 100
    metrics = outputs["metrics"]["model_0"].get_dict()
    assert metrics["kind"] == family
    assert metrics["failed_percent"]["value"] in (0.0, 50.0, 100.0)
