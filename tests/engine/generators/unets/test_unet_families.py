"""CrysTens and UniMat on all families, through the tasks: trained, sampled and measured, to an honest result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.protocol import lsc_lco
from aiida_dismai.engine.structures import load_structures, read_npz

pytestmark = pytest.mark.engine
REFERENCE = Path(__file__).parents[3] / "data" / "reference"
TINY = {"width": 8, "steps": 1, "batch_size": 2, "sampling_steps": 2}
OWN = {"crystens": {"small_side": 16}, "unimat": {"accept": "all"}}


def interfaces(run):
    """Return interfaces of the paper, 264 atoms, as they are built."""
    results = run("interfaces.build", "build", {**lsc_lco(), "n_structures": 3}, slab_a=licoo2(), slab_b=li3sccl6())
    return read_npz(results["folder"] / "structures.npz")


def alloys(run):
    return load_structures(REFERENCE / "alloy" / "inputs" / "train_300K.extxyz.gz")[:3]


def silicon(run):
    return load_structures(REFERENCE / "a_Si" / "inputs" / "train.extxyz.gz")[:3]


@pytest.mark.parametrize("model", OWN)
@pytest.mark.parametrize(
    ("make", "kind", "shuffled"), [(interfaces, "interface", 30), (alloys, "alloy", 0), (silicon, "amorphous", 0)]
)
def test_from_training_to_metrics(run, model, make, kind, shuffled):
    data = make(run)
    parameters = {"model": model, "threads": 1, "device": "cpu", "hyperparameters": TINY | OWN[model]}
    trained = run("generator.train", "trained", parameters, structures=data)
    assert trained["status"] == "finished", trained.get("error")
    assert trained["shuffled_atoms"] == shuffled
    sampled = run("generator.sample", "sampled", {"n_structures": 2}, generator=trained["folder"] / "generator")
    assert (sampled["status"], sampled["n_structures"], sampled["n_rejected"]) == ("finished", 2, 0)
    generated = read_npz(sampled["folder"] / "structures.npz")
    assert generated.formulas == data.formulas[:2]
    np.testing.assert_array_equal(generated.cells[0], data.cells[0])
    if shuffled:
        assert np.array_equal(generated.values("region")[:264], data.values("region")[:264])
    found = run(
        "metrics", "metrics", {"kind": kind}, structures=generated, reference=trained["folder"] / "structures.npz"
    )
    assert found["status"] == "finished", found.get("error")
    assert found["n_generated"] == 2
    # an untrained network puts atoms anywhere: what cannot be analysed is counted as failed
    assert found["failed_percent"]["value"] == 100 * (1 - found["n_analysed"] / 2)
