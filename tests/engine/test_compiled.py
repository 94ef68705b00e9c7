"""Compiled kernels: what Python may call, what is kept on disk, and who is told of compiling."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.engine import compiled, compiling, kept
from aiida_dismai.engine.structures import load_structures, write_npz

ALLOYS = Path(__file__).parents[1] / "data" / "reference" / "alloy" / "inputs" / "gen_i.extxyz.gz"

#: A module with a kernel of its own, so that nothing but what the tests do has been kept of it.
MODULE = """
import numpy as np
from aiida_dismai.engine.compiled import helper, kernel

FACTOR = {factor}
TABLE = np.array([1.0, {table}])

@helper
def scaled(x, times):
    {comment}
    if x < 0.0:
        raise ValueError("below zero")
    return x * FACTOR + times

@kernel
def total(values):
    found = TABLE[1]
    for i in range(values.shape[0]):
        found += scaled(values[i], {times})
    return found
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of kernels for this test alone."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    kept.folders.cache_clear()
    yield tmp_path / "cache" / kept.NAME
    kept.folders.cache_clear()


def module(factor="2.0", table="3.0", times="1", comment="pass"):
    """Return the module as if read from disk in a new process."""
    space = {"__name__": "kernels_of_a_test"}
    exec(MODULE.format(factor=factor, table=table, times=times, comment=comment), space)
    return space


def times_told(work) -> int:
    told = []
    with compiling.listener(lambda: told.append(1)):
        work()
    return len(told)


def test_what_was_compiled_is_found_again_and_nobody_is_told(folder):
    values = np.array([1.0, 2.0])
    assert times_told(lambda: module()["total"](values)) == 1
    names = [path.name for path in folder.iterdir()]
    assert len(names) == 1  # the helper is in the kernel
    assert names[0].startswith("total-")
    found = []
    assert times_told(lambda: found.append(module()["total"](values))) == 0
    assert found == [3.0 + 2 * 3.0 + 2]


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"factor": "5.0"}, 20.0), ({"table": "4.0"}, 12.0), ({"times": "2"}, 13.0), ({"comment": "x = x + 1.0"}, 15.0)],
)
def test_a_change_of_what_the_kernel_is_made_of_is_noticed(folder, change, expected):
    values = np.array([1.0, 2.0])
    assert module()["total"](values) == 11.0
    found = []
    assert times_told(lambda: found.append(module(**change)["total"](values))) == 1
    assert found == [expected]


def test_a_change_of_a_comment_is_none(folder):
    module()["total"](np.ones(2))
    assert times_told(lambda: module(comment="pass  # another")["total"](np.ones(2))) == 0


def test_other_types_have_a_file_of_their_own(folder):
    space = module()
    assert space["total"](np.array([1.0])) == space["total"](np.array([1])) == 6.0
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x80\x04N."])
def test_a_damaged_file_is_made_again(folder, content):
    module()["total"](np.ones(2))
    (path,) = folder.iterdir()
    path.write_bytes(content)
    assert module()["total"](np.ones(2)) == 9.0
    assert times_told(lambda: module()["total"](np.ones(2))) == 0


def test_what_a_helper_raises_is_raised(folder):
    for _ in ("compiled", "found on disk"):
        with pytest.raises(ValueError, match="below zero"):
            module()["total"](np.array([1.0, -1.0]))


def test_without_the_parts_of_numba_that_are_replaced_it_works_as_well(folder, monkeypatch):
    monkeypatch.setattr(compiled, "KNOWN_PARTS", False)
    assert module()["total"](np.ones(2)) == 9.0


def test_a_helper_can_be_called_from_python(folder):
    assert module()["scaled"](3.0, 1) == 7.0


def test_integers_in_the_source_make_no_function_of_their_own(folder):
    space = module()
    space["total"](np.ones(2))
    assert len(space["scaled"].signatures) == 1


def test_the_listener_is_told_once_and_the_last_one_only():
    told = []
    with compiling.listener(lambda: told.append("outer")):
        with compiling.listener(lambda: told.append("inner")):
            compiling.announce()
            compiling.announce()
        assert told == ["inner"]
        compiling.announce()
    compiling.announce()
    assert told == ["inner", "outer"]


def test_two_processes_at_once_make_one_file_of_each_kernel(folder, tmp_path):
    (tmp_path / "kernels_of_a_test.py").write_text(MODULE.format(factor="2.0", table="3.0", times="1", comment="pass"))
    command = "import numpy, kernels_of_a_test as test; print(test.total(numpy.ones(2)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(compiled.__file__).parents[2])])}
    running = [
        subprocess.Popen([sys.executable, "-c", command], env=environment, stdout=subprocess.PIPE) for _ in range(2)
    ]
    assert [process.communicate()[0] for process in running] == [b"9.0\n"] * 2
    assert len(list(folder.iterdir())) == 1


def test_a_task_says_when_it_compiles_and_only_then(folder, tmp_path, capfd):
    def run(name: str) -> list[dict]:
        (tmp_path / name).mkdir()
        content = {"task": "describe", "inputs": {"structures": "set.npz"}, "parameters": {"kind": "alloy"}}
        (tmp_path / name / "task.json").write_text(json.dumps(content))
        write_npz(load_structures(ALLOYS)[0], tmp_path / name / "set.npz")
        command = [sys.executable, "-c", "from aiida_dismai.engine.main import main; main()", "run", "task.json"]
        subprocess.run(command, cwd=tmp_path / name, check=True, env=os.environ)
        return [json.loads(line) for line in (tmp_path / name / "progress.jsonl").read_text().splitlines()]

    first, second = run("first"), run("second")
    assert [line["stage"] for line in first] == [compiling.STAGE, "describe"]
    assert first[0]["note"] == compiling.MESSAGE
    assert [line["stage"] for line in second] == ["describe"]
    assert capfd.readouterr().err.count(compiling.MESSAGE) == 1
