"""Floor and ceiling of every family of data sets: with the project's metrics, every model lies between the baselines.

The held-out structures come from the same source as the training structures, so their distance is that of two samples
of it: the noise floor. Its interval covers 95 % of divisions of the training set; the factor 2 below is wide of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.protocol import lsc_lco
from aiida_dismai.engine.structures import StructureSet, load_structures, read_npz

pytestmark = pytest.mark.engine

SILICON = Path(__file__).parents[3] / "data" / "reference" / "a_Si" / "inputs" / "train.extxyz.gz"


def interfaces(run) -> StructureSet:
    """Return interfaces of the paper as they are built, not relaxed."""
    parameters = {**lsc_lco(), "n_structures": 16}
    results = run("interfaces.build", "build", parameters, slab_a=licoo2(), slab_b=li3sccl6())
    assert results["status"] == "finished", results.get("error")
    return read_npz(results["folder"] / "structures.npz")


def alloys(run) -> StructureSet:
    """Return alloys of 32 atoms with strong order."""
    parameters = {"temperature": 300, "passes": 3000, "burn_in": 1000, "snapshot_interval": 100, "runs": 4}
    small = {"supercell": [2, 2, 2], "composition": {"Cr": 6, "Fe": 20, "Ni": 6}}
    results = run("alloys.sample", "sample", {**parameters, **small})
    assert results["status"] == "finished", results.get("error")
    return read_npz(results["folder"] / "structures.npz")


def silicon(run) -> StructureSet:
    """Return the six cells of 256 atoms that the reference data of the metrics were made of."""
    return load_structures(SILICON)


@pytest.mark.parametrize(
    ("make", "kind", "distances", "least"),
    [
        (interfaces, "interface", ("d_Li", "d_Co", "d_Sc", "d_all"), 10),
        (alloys, "alloy", ("d_cluster",), 5),
        (silicon, "amorphous", ("d_motif", "d_rdf", "d_angle"), 3),
    ],
)
def test_held_out_structures_are_at_the_noise_floor_and_random_ones_far_above(run, make, kind, distances, least):
    data = make(run).without_properties()
    data = data[np.random.default_rng(0).permutation(len(data))]
    training, held_out = data[: len(data) // 2], data[len(data) // 2 :]
    found = {}
    for model in ("resample", "random"):
        results = run("generator.train", f"t_{model}", {"model": model}, structures=training, validation=held_out)
        assert results["status"] == "finished", results.get("error")
        generator = results["folder"] / "generator"
        results = run("generator.sample", f"s_{model}", {"n_structures": len(held_out)}, generator=generator)
        generated = results["folder"] / "structures.npz"
        found[model] = run(
            "metrics", model, {"kind": kind}, structures=generated, reference=generator.parent / "structures.npz"
        )
        assert found[model]["status"] == "finished", found[model].get("error")
        assert found[model]["failed_percent"]["value"] == 0
    for name in distances:
        floor = found["resample"][name]["floor"]
        assert found["resample"][name]["value"] < 2 * floor
        assert found["random"][name]["value"] > least * floor
        assert found["random"][name]["value"] > least * found["resample"][name]["value"]
