"""CryinGAN on the benchmark's alloy, from training structures through generated ones to the metrics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aiida_dismai.engine.generators.cryingan.config import CryinganParameters
from aiida_dismai.engine.generators.cryingan.model import parts
from aiida_dismai.engine.main import cli
from aiida_dismai.engine.structures import load_structures, read_npz, write_npz

ALLOY = Path(__file__).parents[2] / "data" / "reference" / "alloy" / "inputs" / "train_300K.extxyz.gz"


def metrics(folder, structures):
    write_npz(structures, folder / "generated.npz")
    command = ["metrics", "alloy", "--generated", folder / "generated.npz", "--reference", ALLOY]
    outcome = CliRunner().invoke(cli, [*map(str, command), "--output", str(folder / "out.json")])
    assert outcome.exit_code == 0, outcome.output
    return json.loads((folder / "out.json").read_text())


def test_trainable_parameters_of_the_alloy_models():
    """Those published for the interface, less what its 8 further atoms and 2 further elements have."""
    published = {"generator": 2_560_257, "critic_coordinates": 1_879_242, "critic_distances": 1_880_778}
    counts = parts(load_structures(ALLOY)[0], CryinganParameters())
    assert counts["generator"] == published["generator"] - 8 * 128 * (64 + 1)
    for critic in ("critic_coordinates", "critic_distances"):
        assert counts[critic] == published[critic] - 2 * 256 * 1000


@pytest.fixture
def generated(run, tiny, tmp_path):
    """Three structures of a model that has seen every image of four structures twice."""
    hyper = tiny | {"epochs": 2, "batch_size": 32, "lambda_distance": 0.1, "translations": [4, 4, 4]}
    parameters = {"model": "cryingan", "threads": 1, "hyperparameters": hyper}
    trained = run("generator.train", "trained", parameters, structures=ALLOY)
    assert (trained["status"], trained["images_per_structure"], trained["steps_per_epoch"]) == ("finished", 64, 8)
    sampled = run("generator.sample", "sampled", {"n_structures": 3}, generator=trained["folder"] / "generator")
    assert (sampled["status"], sampled["n_structures"], sampled["n_nonfinite"]) == ("finished", 3, 0)
    return read_npz(sampled["folder"] / "structures.npz")


def test_an_alloy_is_trained_sampled_and_judged(generated, tmp_path):
    assert generated.formulas == load_structures(ALLOY)[0].formulas * 3
    np.testing.assert_allclose(generated.cells, np.tile(14.4 * np.eye(3), (3, 1, 1)))
    assert generated.pbc.all()
    found = metrics(tmp_path, generated)
    assert (found["n_generated"], found["n_analysed"]) == (3, 0)  # it has learnt nothing: off the lattice
    assert found["failed_percent"]["value"] == 100
    assert found["d_cluster"]["value"] is None
    assert found["n_reference"] == 4


def test_what_failed_was_the_places_of_the_atoms(generated, tmp_path):
    """The same file of generated structures with the atoms of training structures on their sites passes."""
    sites = load_structures(ALLOY)[[1, 2, 3]].positions
    found = metrics(tmp_path, generated.with_positions(sites))
    assert (found["n_generated"], found["n_analysed"], found["failed_percent"]["value"]) == (3, 3, 0)
    assert found["vacancy_percent"]["value"] == 0
    assert 0 < found["d_cluster"]["value"] < 0.2
