"""Each exit code of the parser, from the files that a job leaves behind."""

from functools import partial

import numpy as np
import pytest
from support.parsing import RECORD, codes, parse_left

from aiida_dismai.engine.structures import StructureSet
from aiida_dismai.parsers.base import EXIT_CODES

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")


@pytest.fixture
def parse(quick_computer, tmp_path):
    """Return a function that parses what a job of ``dismai.relax`` left."""
    return partial(parse_left, quick_computer, tmp_path)


@pytest.fixture
def structures():
    return StructureSet.from_uniform([29], np.zeros((1, 1, 3)), np.eye(3) * 4)


def test_a_finished_task_becomes_nodes(parse, structures):
    outputs, calcfunction = parse(files={"structures.npz": structures})
    assert calcfunction.is_finished_ok
    assert outputs["structures"].structures == structures
    assert outputs["results"]["n_structures"] == 1


def test_no_results(parse):
    _, node = parse(results=None, left={"_scheduler-stdout.txt": "", "_scheduler-stderr.txt": ""})
    assert node.exit_status == codes().ERROR_RESULTS_MISSING.status
    assert node.exit_message.endswith("not a `dismai` (its stderr is empty)")


def test_no_results_quotes_the_last_line_of_stderr(parse):
    _, node = parse(results=None, left={"_scheduler-stderr.txt": "a\nline 3: /opt/dismai: No such file or directory\n"})
    assert node.exit_status == codes().ERROR_RESULTS_MISSING.status
    assert "(_scheduler-stderr.txt: line 3: /opt/dismai: No such file or directory)" in node.exit_message


@pytest.mark.parametrize("status", [110, 120])
def test_what_the_scheduler_said_is_kept(parse, status):
    _, node = parse(results=None, scheduler=status)
    assert node.exit_status == status


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"task": "metrics", "status": "finished"}', b'{"task": "relax"}'])
def test_results_that_are_none(parse, text):
    _, node = parse(results=text)
    assert node.exit_status == codes().ERROR_RESULTS_UNREADABLE.status


@pytest.mark.parametrize(("kind", "label"), [*EXIT_CODES.items(), ("crashed", "ERROR_CRASHED")])
def test_every_kind_of_error_has_its_exit_code(parse, kind, label):
    status = "unfinished" if kind == "unfinished" else "failed"
    outputs, node = parse({**RECORD, "status": status, "error": {"kind": kind, "message": "this and that"}})
    assert node.exit_status == getattr(codes(), label).status
    assert "this and that" in node.exit_message
    assert outputs["results"]["error"]["kind"] == kind


def test_a_missing_output(parse):
    _, node = parse()
    assert node.exit_status == codes().ERROR_OUTPUT_MISSING.status
    assert "structures.npz" in node.exit_message


def test_an_unreadable_output(parse):
    _, node = parse(files={"structures.npz": b"half a file"})
    assert node.exit_status == codes().ERROR_OUTPUT_UNREADABLE.status


def test_no_temporary_folder(parse):
    _, node = parse(temporary=False)
    assert node.exit_status == codes().ERROR_NO_RETRIEVED_TEMPORARY_FOLDER.status


def test_arrays_that_need_pickle_are_refused(parse, tmp_path):
    np.savez(tmp_path / "per_structure.npz", a=np.array([{}], dtype=object), allow_pickle=True)
    _, node = parse({**RECORD, "task": "metrics"}, entry_point="dismai.metrics")
    assert node.exit_status == codes().ERROR_OUTPUT_UNREADABLE.status


def test_a_record_without_what_is_null_or_unknown_is_read(parse, structures):
    record = {
        **RECORD,
        "task": None,
        "device": "cuda",
        "versions": {"numpy": "2"},
        "timings": {"total": None},
        "odd": [1],
    }
    outputs, node = parse(record, files={"structures.npz": structures})
    assert node.is_finished_ok
    assert outputs["results"]["odd"] == [1]
