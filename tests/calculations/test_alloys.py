"""The CalcJob ``dismai.alloys.sample``: refused before a submission, and run for real."""

from __future__ import annotations

import json

import numpy as np
import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory
from support.children import process

from aiida_dismai.data import ClusterExpansionData
from aiida_dismai.engine.alloys.expansion import packaged_file

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
PARAMETERS = {
    "temperature": 900.0,
    "passes": 200,
    "burn_in": 100,
    "runs": 2,
    "supercell": [2, 2, 3],
    "composition": {"Cr": 10, "Fe": 28, "Ni": 10},
}


def inputs_of(code, node=None, **parameters):
    inputs = {
        "code": code,
        "parameters": orm.Dict({**PARAMETERS, **parameters}),
        "seed": orm.Int(3),
        "metadata": {"options": {"max_wallclock_seconds": 600}},
    }
    return inputs | ({} if node is None else {"expansion": node})


def test_the_expansion_is_staged(dismai_code):
    with SandboxFolder() as folder:
        job = process("dismai.alloys.sample", inputs_of(dismai_code, ClusterExpansionData.packaged()))
        info = job.prepare_for_submission(folder)
        with folder.open("task.json") as handle:
            task = json.load(handle)
    assert task["inputs"] == {"expansion": "input_expansion.json"}
    assert task["seed"] == 3
    assert [entry[1:] for entry in info.local_copy_list] == [("expansion.json", "input_expansion.json")]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperature": -1}, "temperature: Input should be greater than 0"),
        ({"composition": {"Fe": 40, "Ni": 10}}, "do not fit the supercell's 48 sites; nearest is Cr 0, Fe 38, Ni 10"),
        ({"composition": {"Fe": 38, "Co": 10}}, "has no species 'Co'"),
        ({"expansion": "given"}, "the cluster expansion is given twice"),
    ],
)
def test_what_does_not_fit_is_refused_before_submission(dismai_code, parameters, message):
    node = None
    if "expansion" in parameters:
        node = ClusterExpansionData.packaged()
        parameters = {"expansion": json.loads(packaged_file().model_dump_json(exclude_none=True))}
    with pytest.raises(ValueError, match=message):
        process("dismai.alloys.sample", inputs_of(dismai_code, node, **parameters))


@pytest.mark.engine
def test_it_runs(dismai_code):
    expansion = ClusterExpansionData.packaged()
    outputs, node = run_get_node(CalculationFactory("dismai.alloys.sample"), **inputs_of(dismai_code, expansion))
    assert node.is_finished_ok, node.exit_message
    structures = outputs["structures"]
    assert len(structures) == 2 * 10
    assert structures.formulas == ["Cr10Fe28Ni10"]
    assert {"run", "pass", "formation_energy", "sro"} <= set(structures.property_names)
    snapshots = outputs["snapshots"]
    assert snapshots.get_array("numbers").shape == (20, 48)
    np.testing.assert_array_equal(snapshots.get_array("formation_energy"), structures.read_property("formation_energy"))
    assert outputs["traces"].get_array("energy").shape == (2, 201)
    results = outputs["results"].get_dict()
    assert results["expansion"]["name"] == expansion.base.attributes.get("name")
    assert results["drift"] < 1e-12
