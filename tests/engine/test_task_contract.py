"""The task contract without AiiDA: what is refused, what is always left behind, and the wall between the halves."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.device import choose_device
from aiida_dismai.engine.errors import BadInput, Diverged, OutOfMemory
from aiida_dismai.engine.main import cli
from aiida_dismai.engine.runner import read_task, run_task
from aiida_dismai.engine.tasks import all_tasks, find_task


def write(folder: Path, **content) -> Path:
    path = folder / "task.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "needs a 'task'"),
        ({"task": "relaxe"}, "unknown task 'relaxe'; did you mean 'relax'"),
        ({"task": "relax", "sede": 1}, "unknown entry 'sede'; did you mean 'seed'"),
        ({"task": "relax", "parameters": {"step": 3}}, "unknown parameter 'step'; did you mean 'steps'"),
        ({"task": "relax", "inputs": {"structure": "x"}}, "no input 'structure'; did you mean 'structures'"),
        ({"task": "relax", "inputs": {"structures": "x.npz"}}, "no such file or folder: x.npz"),
        ({"task": "relax"}, "needs the input 'structures'"),
        ({"task": "generator.sample", "parameters": {}}, "give it an integer 'seed'"),
        ({"task": "generator.sample", "parameters": {}, "seed": -3}, "'seed' must be a whole number"),
        ({"task": "generator.sample", "parameters": {}, "seed": True}, "give it an integer 'seed'"),
        ({"task": "relax", "parameters": ["steps", 3]}, "'parameters' must be an object"),
        ({"task": "relax", "inputs": "structures.npz"}, "'inputs' must be an object"),
        ({"task": "relax", "inputs": {"structures": 3}}, "input 'structures' must be the path"),
    ],
)
def test_task_files_that_are_refused(tmp_path, content, message):
    with pytest.raises(BadInput, match=message):
        read_task(write(tmp_path, **content))


@pytest.mark.parametrize("limit", ["1h", -3, True])
def test_a_time_limit_that_is_none(tmp_path, limit):
    (tmp_path / "start.npz").write_text("")
    path = write(tmp_path, task="relax", inputs={"structures": "start.npz"}, max_seconds=limit)
    with pytest.raises(BadInput, match="'max_seconds' must be a number of seconds, 0 or more"):
        read_task(path)


def test_an_input_is_not_overwritten(tmp_path):
    (tmp_path / "structures.npz").write_text("mine")
    path = write(tmp_path, task="relax", inputs={"structures": f"../{tmp_path.name}/structures.npz"})
    with pytest.raises(BadInput, match="input 'structures' would be overwritten"):
        read_task(path)
    assert run_task(path, report=lambda line: None) == 1
    assert (tmp_path / "structures.npz").read_text() == "mine"


def test_a_gpu_that_is_not_there(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(BadInput, match="torch finds no GPU here"):
        choose_device("cuda")


def test_what_concerns_several_parameters_is_said_without_all_of_them():
    with pytest.raises(BadInput) as refused:
        find_task("potential.train").validate({"cutoff": 2.0, "threebody_cutoff": 3.0})
    assert str(refused.value) == (
        "potential.train: parameters: threebody_cutoff (3.0 Å) must not exceed cutoff (2.0 Å)"
    )


def test_a_task_file_that_is_none(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        read_task(tmp_path / "task.json")
    (tmp_path / "task.json").write_text("{")
    with pytest.raises(BadInput, match="not JSON"):
        read_task(tmp_path / "task.json")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadInput("x"), "bad_input"),
        (Diverged("x"), "diverged"),
        (OutOfMemory("x"), "out_of_memory"),
        (MemoryError("x"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: x"), "out_of_memory"),
        (ZeroDivisionError("x"), "crashed"),
    ],
)
def test_results_are_left_whatever_happens(tmp_path, monkeypatch, error, kind):
    (tmp_path / "start.npz").write_text("")

    def fail(context, parameters):
        raise error

    monkeypatch.setattr("aiida_dismai.engine.potentials.relax.run", fail)
    path = write(tmp_path, task="relax", inputs={"structures": "start.npz"})
    said = []
    assert run_task(path, said.append) == 1
    record = json.loads((tmp_path / "results.json").read_text())
    assert record["status"] == "failed"
    assert record["error"]["kind"] == kind
    assert "x" in record["error"]["message"]
    assert record["versions"]["python"]
    assert said


def test_results_and_progress_of_a_finished_task(tmp_path, monkeypatch):
    (tmp_path / "start.npz").write_text("")

    def work(context: Context, parameters):
        context.progress("relax", 1, 2, fmax=0.123456789, energy=float("nan"))
        return {"n_structures": 2, "nothing": float("nan"), "timings": {"relax": 1.0}, "device": "cpu"}

    monkeypatch.setattr("aiida_dismai.engine.potentials.relax.run", work)
    path = write(tmp_path, task="relax", inputs={"structures": "start.npz"}, seed=3)
    assert run_task(path) == 0
    record = json.loads((tmp_path / "results.json").read_text())
    assert (record["status"], record["seed"], record["n_structures"], record["nothing"]) == ("finished", 3, 2, None)
    assert {"imports", "relax", "total"} <= set(record["timings"])
    line = json.loads((tmp_path / "progress.jsonl").read_text())
    assert (line["stage"], line["done"], line["total"]) == ("relax", 1, 2)
    assert (line["fmax"], line["energy"]) == (0.123457, "nan")


def test_the_command_line():
    runner = CliRunner()
    listed = runner.invoke(cli, ["list"]).output
    assert [line.split()[0] for line in listed.splitlines()] == list(all_tasks())
    schema = json.loads(runner.invoke(cli, ["schema", "relax"]).output)
    assert schema["properties"]["fmax"]["default"] == 0.05
    assert schema["properties"]["mode"]["enum"] == ["sequential", "batched"]
    assert "auto" in str(schema["properties"]["workers"])
    assert "auto" in str(schema["properties"]["batch_atoms"])
    assert "cryingan" in runner.invoke(cli, ["generators"]).output


@pytest.mark.parametrize("name", sorted(all_tasks()))
def test_every_parameter_is_described(name):
    def described(schema):
        for field, entry in schema.get("properties", {}).items():
            assert entry.get("description"), f"{name}: {field}"
        for part in schema.get("$defs", {}).values():
            described(part)

    described(find_task(name).model().model_json_schema())


@pytest.mark.engine
def test_the_engine_imports_no_aiida():
    script = (
        "import importlib, pkgutil, sys\n"
        "import aiida_dismai.engine as engine\n"
        "for module in pkgutil.walk_packages(engine.__path__, 'aiida_dismai.engine.'):\n"
        "    importlib.import_module(module.name)\n"
        "sys.exit('aiida' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
