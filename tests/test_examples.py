"""Every example builds what it submits, on a profile with the codes and nodes that the demo leaves."""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from support import handnodes
from support.weights import weights

from aiida_dismai.cli.setup import make_localhost
from aiida_dismai.data import PotentialData, StructureSetData
from aiida_dismai.demo.profile import DISMAI, POTCAR_FAMILY, VASP
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import StructureSet, load_structures, write_npz
from aiida_dismai.standin.potcars import write_potcar_family

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
OWN_MODEL = EXAMPLES / "own_model"
#: Example → the process that it submits.
SUBMITTED = {
    "alloy_benchmark": "BenchmarkWorkChain",
    "alloy_dataset": "AlloyDatasetWorkChain",
    "alloy_file": "EvaluateWorkChain",
    "amorphous_benchmark": "BenchmarkWorkChain",
    "compare_models": "StudyWorkChain",
    "compare_regions": "CompareWorkChain",
    "amorphous_dataset": "AmorphousDatasetWorkChain",
    "benchmark_model": "BenchmarkWorkChain",
    "evaluate_file": "EvaluateWorkChain",
    "label_with_dft": "LabelWorkChain",
    "make_dataset": "InterfaceDatasetWorkChain",
    "make_interfaces": "BuildInterfacesCalculation",
    "own_model": "BenchmarkWorkChain",
    "relax_structures": "RelaxWorkChain",
    "small_study": "StudyWorkChain",
    "train_generator": "GeneratorWorkChain",
    "train_potential": "PotentialWorkChain",
    "whole_pipeline": "PipelineWorkChain",
}
#: Examples that need nothing of an earlier run.
FIRST = {"alloy_dataset", "amorphous_dataset", "make_dataset", "make_interfaces", "small_study", "whole_pipeline"}


def load(name):
    """Return an example's namespace, executed as `verdi run` does, without its main()."""
    path = EXAMPLES / f"{name}.py"
    namespace = {"__name__": name, "__file__": path.name}
    exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), namespace)
    return namespace


@pytest.fixture(scope="module")
def filled(aiida_profile, tmp_path_factory):
    """Return a data set in a profile with the demo's codes, POTCARs, and what its pipeline leaves, made by hand."""
    from aiida_vasp.data.potcar import PotcarData

    folder = tmp_path_factory.mktemp("demo")
    aiida_profile.reset_storage()
    computer, _ = make_localhost(str(folder / "jobs"))
    dismai = handnodes.code(computer, DISMAI.split("@")[0], "dismai.relax", "/opt/bin/dismai")
    handnodes.code(computer, VASP.split("@")[0], "vasp.vasp", "/opt/bin/dismai-vasp-standin")
    PotcarData.upload_potcar_family(str(write_potcar_family(folder / "potcars")), POTCAR_FAMILY, "stand-in")

    n, m = 12, len(handnodes.NUMBERS)
    built = handnodes.structures(4, 1).with_property("region", np.tile([0, 0, 1, 1, 2, 3], 4))
    handnodes.process(
        orm.CalcJobNode,
        "aiida.calculations:dismai.interfaces.build",
        "BuildInterfacesCalculation",
        {"code": dismai},
        {"structures": StructureSetData(built)},
    )
    labelled = handnodes.structures(n, 2, energy=np.arange(n), trajectory=np.repeat(range(4), 3))
    labelled = labelled.with_property("forces", np.zeros((n * m, 3))).with_property("stress", np.zeros((n, 3, 3)))
    potential = weights(PotentialData, "potential", elements=["Li", "O", "Co"])
    alloys = {
        f"datasets__{name}__{part}": StructureSetData(handnodes.structures(n, seed))
        for name, first in (("T300_wide", 5), ("T1500_narrow", 7))
        for part, n, seed in (("train", 6, first), ("validation", 2, first + 1))
    }
    workflow("dataset.alloy", "AlloyDatasetWorkChain", **alloys)
    relaxation = {"calculator": "edip", "fmax": 0.02}
    amorphous = handnodes.process(
        orm.WorkChainNode,
        "aiida.workflows:dismai.dataset.amorphous",
        "AmorphousDatasetWorkChain",
        {"relax__job__parameters": orm.Dict(relaxation)},
    )
    sets = {
        part: StructureSetData(handnodes.structures(n, n, [14] * 6)).store()
        for part, n in (("train", 6), ("validation", 2))
    }
    handnodes.finish(amorphous, sets)
    workflow("label", "LabelWorkChain", labelled=StructureSetData(labelled))
    workflow("potential", "PotentialWorkChain", potential=potential)
    return workflow(
        "dataset.interface",
        "InterfaceDatasetWorkChain",
        potential=potential,
        energies=orm.Dict({"e_cut": -4.7, "low": 8, "converged": 9}),
        train=StructureSetData(handnodes.structures(6, 3).with_property("region", np.tile([0, 0, 1, 1, 2, 3], 6))),
        validation=StructureSetData(handnodes.structures(2, 4)),
    )


def workflow(kind, label, **outputs):
    node = handnodes.process(orm.WorkChainNode, f"aiida.workflows:dismai.{kind}", label)
    for value in outputs.values():
        if not value.is_stored:
            value.store()
    handnodes.finish(node, outputs)
    return node


@pytest.fixture
def own_model(tmp_path, monkeypatch):
    """Install examples/own_model as pip does: its modules and its entry points on the path."""
    project = tomllib.loads((OWN_MODEL / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [line for group, points in project["entry-points"].items() for line in (f"[{group}]", *pairs(points))]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(OWN_MODEL))
    monkeypatch.syspath_prepend(str(info.parent))
    yield "independent-atoms"
    for name in [name for name in sys.modules if name.split(".")[0] == "independent_atoms"]:
        del sys.modules[name]


def pairs(points):
    return [f"{name} = {value}" for name, value in points.items()]


def test_every_example_is_tested():
    assert set(NAMES) == {*SUBMITTED, "export_dataset"}


@pytest.mark.parametrize("name", NAMES)
def test_example_says_how_it_is_run_and_does_nothing_when_read(name):
    namespace = load(name)
    assert f"verdi run examples/{name}.py" in namespace["__doc__"]
    assert "load_profile" not in (EXAMPLES / f"{name}.py").read_text()


@pytest.mark.parametrize("name", sorted(SUBMITTED))
def test_example_builds_what_it_submits(filled, own_model, monkeypatch, capsys, name):
    started = []

    def submit(builder):
        """Check all inputs as AiiDA does before a process runs."""
        process = instantiate_process(get_manager().get_runner(), builder)
        started.append(process)
        return process.node

    namespace = load(name)
    namespace["submit"] = submit
    monkeypatch.setattr(sys, "argv", [f"examples/{name}.py"])
    namespace["main"]()
    (process,) = started
    assert type(process).__name__ == SUBMITTED[name]
    assert f"{SUBMITTED[name]}<{process.node.pk}>" in capsys.readouterr().out


class Nothing(orm.QueryBuilder):
    """Queries of a profile in which nothing was made yet."""

    def first(self, flat=False):
        return None


@pytest.mark.parametrize("name", sorted({*NAMES} - FIRST))
def test_example_says_what_must_be_run_first(filled, own_model, monkeypatch, name):
    namespace = load(name)
    namespace["QueryBuilder"] = Nothing
    namespace["submit"] = lambda builder: pytest.fail("nothing can be submitted yet")
    monkeypatch.setattr(sys, "argv", [f"examples/{name}.py"])
    with pytest.raises(SystemExit, match=r"in this profile: verdi run examples/"):
        namespace["main"]()


def test_own_model_says_how_it_is_installed(monkeypatch):
    namespace = load("own_model")
    namespace["registered"] = dict
    with pytest.raises(SystemExit, match=r"pip install \./examples/own_model"):
        namespace["main"]()


def test_an_alloy_file_given_is_what_is_measured(filled, monkeypatch, tmp_path):
    StructureSetData(handnodes.structures(3, 9)).to_extxyz(tmp_path / "mine.extxyz")
    builders = []
    namespace = load("alloy_file")
    namespace["submit"] = lambda builder: builders.append(builder) or filled
    monkeypatch.setattr(sys, "argv", ["examples/alloy_file.py", str(tmp_path / "mine.extxyz")])
    namespace["main"]()
    assert builders[0].structures.label == "mine.extxyz"
    assert builders[0].metrics.job.parameters["alloy"]["align"] == "auto"
    assert builders[0].validation.uuid != builders[0].reference.uuid


def test_what_is_generated_is_relaxed_as_the_amorphous_data_set_was(filled, monkeypatch):
    builders = []
    namespace = load("amorphous_benchmark")
    namespace["submit"] = lambda builder: builders.append(builder) or filled
    monkeypatch.setattr(sys, "argv", ["examples/amorphous_benchmark.py", "resample"])
    namespace["main"]()
    relaxation = builders[0].evaluate.relax.job.parameters
    assert (relaxation["calculator"], relaxation["fmax"]) == ("edip", 0.02)
    assert builders[0].generator.parameters["model"] == "resample"


def test_a_large_cell_given_is_what_is_carved(filled, monkeypatch, tmp_path):
    StructureSetData(handnodes.structures(1, 9)).to_extxyz(tmp_path / "large.extxyz")
    builders = []
    namespace = load("amorphous_dataset")
    namespace["submit"] = lambda builder: builders.append(builder) or filled
    monkeypatch.setattr(sys, "argv", ["examples/amorphous_dataset.py", str(tmp_path / "large.extxyz")])
    namespace["main"]()
    assert builders[0].carve.structures.label == "large.extxyz"
    assert "code" in builders[0].carve.job
    assert "code" not in builders[0].network.job


def test_a_file_given_is_what_is_evaluated(filled, monkeypatch, tmp_path):
    generated = handnodes.structures(3, 9)
    StructureSetData(generated).to_extxyz(tmp_path / "mine.extxyz")
    builders = []
    namespace = load("evaluate_file")
    namespace["submit"] = lambda builder: builders.append(builder) or filled
    monkeypatch.setattr(sys, "argv", ["examples/evaluate_file.py", str(tmp_path / "mine.extxyz")])
    namespace["main"]()
    assert builders[0].structures.label == "mine.extxyz"
    np.testing.assert_array_equal(builders[0].structures.structures.positions, generated.positions)
    assert builders[0].reference.uuid == filled.outputs.train.uuid


def test_exported_data_set_is_the_stored_one(filled, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "argv", ["examples/export_dataset.py", str(tmp_path / "out")])
    load("export_dataset")["main"]()
    said = capsys.readouterr().out
    for name in ("train", "validation"):
        node = filled.outputs[name]
        written = load_structures(tmp_path / "out" / f"{name}.extxyz")
        np.testing.assert_array_equal(written.positions, node.structures.positions)
        assert node.uuid in said


@pytest.mark.engine
def test_own_model_learns_means_and_deviations_across_the_boundary(own_model, tmp_path):
    """Gaussian about known places, one of them at the boundary of the cell, comes back with its mean and width."""
    cell = np.diag([6.0, 6.0, 6.0])
    places, width = np.array([[0.02, 3.0, 3.0], [3.0, 3.0, 3.0]]), np.array([0.1, 0.3])
    noise = np.random.default_rng(0).normal(size=(400, 2, 3)) * width[:, None]
    training = StructureSet.from_uniform([3, 17], (places + noise) % 6.0, cell)
    results = run_engine(tmp_path / "train", "generator.train", {"model": own_model}, training)
    assert results["status"] == "finished", results.get("error")
    assert results["trainable_parameters"] == {"means": 6, "deviations": 6}
    generator = tmp_path / "train" / "generator"
    results = run_engine(tmp_path / "sample", "generator.sample", {"n_structures": 400}, generator=generator)
    assert results["status"] == "finished", results.get("error")
    generated = load_structures(tmp_path / "sample" / "structures.npz")
    moved = generated.positions.reshape(400, 2, 3) - places
    moved -= 6.0 * np.round(moved / 6.0)
    # standard errors: width / sqrt(400) of a mean, width / sqrt(2 · 1200) of a deviation over three axes
    np.testing.assert_allclose(moved.mean(axis=0) / width[:, None], 0.0, atol=0.3)
    np.testing.assert_allclose(moved.std(axis=(0, 2)), width, rtol=0.1)


@pytest.mark.engine
def test_own_model_refuses_two_cells(own_model, tmp_path):
    two = StructureSet.from_uniform([3], np.zeros((2, 1, 3)), np.array([np.eye(3) * 4, np.eye(3) * 5]))
    results = run_engine(tmp_path / "train", "generator.train", {"model": own_model}, two)
    assert results["error"]["kind"] == "bad_input"
    assert "different cells" in results["error"]["message"]


def run_engine(folder, task, parameters, structures=None, generator=None):
    folder.mkdir()
    inputs = {}
    if structures is not None:
        write_npz(structures, folder / "structures.npz")
        inputs["structures"] = "structures.npz"
    if generator is not None:
        inputs["generator"] = str(generator)
    content = {"task": task, "seed": 3, "parameters": parameters, "inputs": inputs}
    (folder / "task.json").write_text(json.dumps(content))
    run_task(folder / "task.json", report=lambda line: None)
    return json.loads((folder / "results.json").read_text())
