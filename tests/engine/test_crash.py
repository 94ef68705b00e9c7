"""What is written down of an exception: the line of the author's code, not of the library beneath it."""

import json
import sys

import pytest

from aiida_dismai.engine.crash import FRAMES, describe, without_folder
from aiida_dismai.engine.runner import run_task

PLUGIN = """
import math
import numpy as np
from aiida_dismai.engine.structures import StructureSet

def divide(context=None, parameters=None):
    return helper(0)

def helper(x):
    return 1 / x

def key(context=None, parameters=None):
    return {}["width"]

def library(context=None, parameters=None):
    return np.stack([np.zeros(2), np.zeros(3)])

def standard(context=None, parameters=None):
    return math.sqrt(-1)

def ours(context=None, parameters=None):
    return StructureSet("no arrays", None, None, None, None)

def deep(context=None, parameters=None, depth=60):
    return 1 / 0 if depth == 0 else deep(depth=depth - 1)

def leave(context=None, parameters=None):
    raise SystemExit(3)

class Silent(Exception):
    def __str__(self):
        raise RuntimeError("not even a text")

def silent(context=None, parameters=None):
    raise Silent

def long(context=None, parameters=None):
    raise ValueError("x" * 5_000_000)

def hostile(context=None, parameters=None):
    raise ValueError("\\x1b[31mred\\n\\nand more")

def tensor(context=None, parameters=None):
    return {"loss": object()}

def missing(context=None, parameters=None):
    from their_model.model import nothing

def memory(context=None, parameters=None):
    raise MemoryError
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package of someone else."""
    folder = tmp_path / "site" / "their_model"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "model.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield __import__("their_model.model", fromlist=["model"])
    for name in ("their_model", "their_model.model"):
        sys.modules.pop(name, None)


@pytest.fixture
def error(plugin, tmp_path, monkeypatch):
    """Return a function that runs a task in which a function of the plug-in is called, and returns its ``error``."""
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "start.npz").write_text("")
    (folder / "task.json").write_text(json.dumps({"task": "relax", "inputs": {"structures": "start.npz"}}))

    def run(name):
        monkeypatch.setattr("aiida_dismai.engine.potentials.relax.run", getattr(plugin, name))
        assert run_task(folder / "task.json", lambda line: None) == 1
        return json.loads((folder / "results.json").read_text())["error"]

    return run


@pytest.mark.parametrize(
    ("name", "message", "line"),
    [
        ("divide", "ZeroDivisionError: division by zero", "10 in helper"),
        ("key", "KeyError: 'width'", "13 in key"),
        ("library", "ValueError: all input arrays must have the same shape", "16 in library"),
        ("standard", "ValueError: math domain error", "19 in standard"),
        ("leave", "SystemExit: 3", "28 in leave"),
        ("silent", "Silent", "35 in silent"),
        ("deep", "ZeroDivisionError: division by zero", "25 in deep"),
    ],
)
def test_message_and_place(error, name, message, line):
    found = error(name)
    assert found["kind"] == "crashed"
    assert found["where"] == f"their_model/model.py:{line}"
    assert found["message"] == f"{message} ({found['where']})"
    assert 0 < len(found["traceback"]) <= FRAMES
    assert any(found["where"] in row for row in found["traceback"])


def test_a_refusal_of_ours_in_a_plug_in_is_placed_in_the_plug_in(error):
    found = error("ours")
    assert found["kind"] in ("crashed", "bad_input")
    if found["kind"] == "crashed":
        assert found["where"] == "their_model/model.py:22 in ours"


def test_text_is_bounded_and_harmless(error):
    assert len(error("long")["message"]) < 1200
    found = error("hostile")
    assert found["message"] == "ValueError: \\x1b[31mred and more (their_model/model.py:41 in hostile)"
    assert not any("\x1b" in row for row in found["traceback"])


def test_no_paths_of_the_machine(error, tmp_path):
    for name in ("divide", "library", "standard", "missing"):
        assert str(tmp_path) not in json.dumps(error(name))
        assert "site-packages" not in json.dumps(error(name))


def test_results_that_json_cannot_hold(error):
    assert "the results cannot be written as JSON" in error("tensor")["message"]


def test_memory_without_a_text(error):
    assert error("memory") == {"kind": "out_of_memory", "message": "no memory is left"}


def test_without_a_plug_in_the_place_is_ours():
    from aiida_dismai.engine.structures import StructureSet

    with pytest.raises(Exception) as raised:
        StructureSet.concatenate(3)
    trace = raised.value.__traceback__.tb_next  # without the frame of this test
    assert describe(raised.value.with_traceback(trace))["where"].startswith("aiida_dismai/engine/structures/")


def test_paths_below_the_folder_are_relative(tmp_path):
    assert without_folder(f"{tmp_path}/x/a.npz: frame 3; {tmp_path}: no", tmp_path) == "x/a.npz: frame 3; .: no"


def test_an_exception_that_was_never_raised():
    assert describe(ValueError("x")) == {"message": "ValueError: x", "where": None, "traceback": []}
