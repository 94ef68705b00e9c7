"""What is refused before a submission, what is written for the engine, and the tasks run for real."""

import io
import json
import sys

import numpy as np
import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory
from support.children import process

from aiida_dismai.calculations.base import TaskCalculation, validate_code
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import StructureSet
from aiida_dismai.engine.tasks import all_tasks

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
OPTIONS = {"options": {"max_wallclock_seconds": 600}}
LJ = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"sigma": 2.3, "epsilon": 0.2, "rc": 5.0}}


def relax(code, structures, **parameters):
    return {
        "code": code,
        "structures": StructureSetData(structures),
        "parameters": orm.Dict({**LJ, **parameters}),
        "metadata": OPTIONS,
    }


@pytest.mark.parametrize("task", sorted(all_tasks()))
def test_every_task_has_a_calcjob_that_fits_it(task):
    calculation = CalculationFactory(f"dismai.{task}")
    assert issubclass(calculation, TaskCalculation)
    spec = calculation.spec()
    described = all_tasks()[task]
    assert set(calculation.INPUT_PORTS) == set(described.inputs)
    for name, (_, required) in described.inputs.items():
        assert spec.inputs[name].required is required
    assert ("seed" in spec.inputs) is described.seeded
    assert set(calculation.OUTPUT_FILES.values()) == set(described.outputs)
    for port in [*spec.inputs.values(), *spec.outputs.values()]:
        assert port.help or port.name == "metadata", port.name
    statuses = [code.status for code in spec.exit_codes.values()]
    assert len(statuses) == len(set(statuses))


def test_codes_that_leave_something_to_do_invalidate_the_cache():
    codes = CalculationFactory("dismai.relax").spec().exit_codes
    for code in codes.values():
        if 300 <= code.status < 450:
            assert code.invalidates_cache, code.label


def test_the_job_gets_its_task_and_nothing_twice(dismai_code, copper):
    calculation = process("dismai.relax", relax(dismai_code, copper(), fmax=0.1))
    with SandboxFolder() as folder:
        info = calculation.prepare_for_submission(folder)
        with folder.open("task.json") as handle:
            task = json.load(handle)
        assert folder.get_content_list() == ["task.json"]
    assert task["task"] == "relax"
    assert task["parameters"]["fmax"] == 0.1
    assert task["inputs"] == {"structures": "input_structures.npz"}
    assert task["max_seconds"] == pytest.approx(570)
    assert info.local_copy_list[0][1:] == ("structures.npz", "input_structures.npz")
    assert "structures.npz" in info.retrieve_temporary_list
    assert "structures.npz" not in info.retrieve_list


def test_files_and_folders_keep_their_endings(dismai_code, copper):
    structures = StructureSetData(copper(1))
    inputs = {
        "code": dismai_code,
        "structures": structures,
        "reference": orm.FolderData(),
        "validation": structures,
        "records": orm.SinglefileData(io.BytesIO(b"x"), filename="anything.bin"),
        "parameters": orm.Dict({"kind": "amorphous"}),
        "metadata": OPTIONS,
    }
    inputs["reference"].base.repository.put_object_from_bytes(b"x", "below/rdf_Si-Si.csv")
    calculation = process("dismai.metrics", inputs)
    with SandboxFolder() as folder:
        info = calculation.prepare_for_submission(folder)
        with folder.open("task.json") as handle:
            task = json.load(handle)
    assert task["inputs"] == {
        "structures": "input_structures.npz",
        "reference": "input_reference",
        "validation": "input_validation.npz",
        "records": "input_records.bin",
    }
    assert {entry[2] for entry in info.local_copy_list} == set(task["inputs"].values())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"kind": "glass"},
            "kind: no family of structures 'glass' is registered; known are: alloy, amorphous, interface",
        ),
        (
            {"kind": "alloy", "amorphous": {}},
            "'amorphous' holds parameters of the kind 'amorphous', but kind is 'alloy'",
        ),
        ({"oxidation_states": {"Li": 1}}, "unknown parameter 'oxidation_states'"),
    ],
)
def test_wrong_parameters_of_the_metrics_are_refused(dismai_code, copper, parameters, message):
    structures = StructureSetData(copper(1))
    inputs = {"code": dismai_code, "structures": structures, "reference": structures, "metadata": OPTIONS}
    with pytest.raises(ValueError, match=message):
        process("dismai.metrics", inputs | {"parameters": orm.Dict(parameters)})


def test_a_parent_folder_is_copied_from(dismai_code, copper, tmp_path):
    inputs = relax(dismai_code, copper())
    inputs["parent_folder"] = orm.RemoteData(computer=dismai_code.computer, remote_path=str(tmp_path)).store()
    calculation = process("dismai.relax", inputs)
    with SandboxFolder() as folder:
        info = calculation.prepare_for_submission(folder)
    assert [entry[1] for entry in info.remote_copy_list] == [f"{tmp_path}/checkpoint*", f"{tmp_path}/progress.jsonl*"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fmaks": 0.1}, "unknown parameter 'fmaks'; did you mean 'fmax'"),
        ({"fmax": -1}, "fmax: Input should be greater than 0"),
        ({"optimizer": "GPMin"}, "optimizer: Input should be 'SciPyFminCG'"),
        ({"calculator": "m3gnet", "calculator_kwargs": {}}, "needs a `potential`"),
    ],
)
def test_wrong_parameters_are_refused_before_submission(dismai_code, copper, parameters, message):
    with pytest.raises(ValueError, match=message):
        process("dismai.relax", relax(dismai_code, copper(), **parameters))


def test_an_empty_set_is_refused(dismai_code):
    with pytest.raises(ValueError, match="the set of structures given as 'structures' is empty"):
        process("dismai.relax", relax(dismai_code, StructureSet.empty()))


def test_unlabelled_structures_are_refused_for_training(dismai_code, copper):
    inputs = relax(dismai_code, copper()) | {"parameters": orm.Dict({}), "seed": orm.Int(1)}
    with pytest.raises(ValueError, match=r"no energy, forces, stress: label them"):
        process("dismai.potential.train", inputs)


def test_a_model_of_fixed_atoms_refuses_others_before_submission(dismai_code, copper):
    mixed = StructureSet.concatenate([copper(1), StructureSet.from_uniform([29], np.zeros((1, 1, 3)), np.eye(3) * 4)])
    inputs = {"code": dismai_code, "structures": StructureSetData(mixed), "seed": orm.Int(1), "metadata": OPTIONS}
    with pytest.raises(ValueError, match="'cryingan' needs the same atoms in all structures; these have Cu, Cu4"):
        process("dismai.generator.train", inputs | {"parameters": orm.Dict({"model": "cryingan"})})


def test_a_seed_is_required(dismai_code, copper):
    inputs = relax(dismai_code, copper()) | {"parameters": orm.Dict({"model": "cryingan"})}
    with pytest.raises(ValueError, match="seed"):
        process("dismai.generator.train", inputs)
    with pytest.raises(ValueError, match="must not be negative"):
        process("dismai.generator.train", inputs | {"seed": orm.Int(-1)})


def test_a_code_that_is_not_dismai_is_refused(quick_computer, dismai_code):
    other = orm.InstalledCode(label="bash", computer=quick_computer, filepath_executable="/bin/bash").store()
    assert "runs 'bash', not 'dismai'" in validate_code(other)
    own = orm.InstalledCode(
        label="own", computer=quick_computer, filepath_executable="/bin/bash", default_calc_job_plugin="dismai.relax"
    )
    assert validate_code(own) is None
    assert validate_code(dismai_code) is None


def test_building_a_submission_imports_no_torch():
    import subprocess

    script = (
        "import sys\n"
        "import aiida_dismai\n"
        "from aiida.plugins import CalculationFactory, WorkflowFactory\n"
        "from aiida.plugins.entry_point import get_entry_point_names\n"
        "for group, factory in (('aiida.calculations', CalculationFactory), ('aiida.workflows', WorkflowFactory)):\n"
        "    for name in get_entry_point_names(group):\n"
        "        if name.startswith('dismai.'):\n"
        "            loaded = factory(name)\n"
        "            if hasattr(loaded, 'get_protocol_inputs'):\n"
        "                for protocol in loaded.get_available_protocols():\n"
        "                    loaded.get_protocol_inputs(protocol)\n"
        "            getattr(loaded, 'get_builder', lambda: None)()\n"
        "            if hasattr(loaded, 'task'):\n"
        "                loaded.task().model().model_json_schema()\n"
        "from aiida_dismai.engine.generators.parameters import TrainParameters\n"
        "TrainParameters(model='cryingan')\n"
        "heavy = {'torch', 'matgl', 'lightning', 'chgnet', 'numba', 'torch_geometric'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.engine
def test_relax_runs_and_is_cached(dismai_code, copper):
    from aiida.manage.caching import enable_caching

    inputs = relax(dismai_code, copper(3), fmax=0.05, steps=200, optimizer="BFGS")
    results, node = run_get_node(CalculationFactory("dismai.relax"), **inputs)
    assert node.is_finished_ok, node.exit_message
    relaxed = results["structures"].structures
    assert len(relaxed) == 3
    assert relaxed.values("converged").all()
    assert (relaxed.values("energy") < relaxed.values("energy_initial")).all()
    assert results["results"]["status"] == "finished"
    np.testing.assert_array_equal(relaxed.cells, inputs["structures"].structures.cells)
    with enable_caching(identifier="aiida.calculations:dismai.*"):
        again, second = run_get_node(CalculationFactory("dismai.relax"), **inputs)
    assert second.base.caching.is_created_from_cache
    assert again["structures"].content_hash == results["structures"].content_hash


@pytest.mark.engine
def test_input_that_only_the_engine_can_refuse_ends_with_300(dismai_code, copper):
    inputs = relax(dismai_code, copper(), calculator="no_such_module:Nothing", calculator_kwargs={})
    _, node = run_get_node(CalculationFactory("dismai.relax"), **inputs)
    assert node.exit_status == 300
    assert "no_such_module" in node.exit_message
    assert not node.base.caching.is_valid_cache
