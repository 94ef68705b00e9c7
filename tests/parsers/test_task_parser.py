"""Each exit code of the parser, from the files that a job leaves behind."""

import json

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.plugins import CalculationFactory, ParserFactory

from aiida_dismai.engine.structures import StructureSet, write_npz
from aiida_dismai.parsers.base import EXIT_CODES

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
RECORD = {"task": "relax", "status": "finished", "seed": None, "n_structures": 1, "timings": {"total": 1.0}}


@pytest.fixture
def parse(quick_computer, tmp_path):
    """Return a function that parses what a job of ``dismai.relax`` left."""

    def run(results=RECORD, files=(), scheduler=None, temporary=True, entry_point="dismai.relax"):
        node = orm.CalcJobNode(computer=quick_computer, process_type=f"aiida.calculations:{entry_point}")
        node.set_options({"resources": {"num_machines": 1}, "parser_name": "dismai.task"})
        if scheduler is not None:
            node.set_exit_status(scheduler)
            node.set_exit_message("said the scheduler")
        node.store()
        retrieved = orm.FolderData()
        if results is not None:
            text = results if isinstance(results, str) else json.dumps(results)
            retrieved.base.repository.put_object_from_bytes(text.encode(), "results.json")
        retrieved.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label="retrieved")
        retrieved.store()
        for name, content in dict(files).items():
            if isinstance(content, bytes):
                (tmp_path / name).write_bytes(content)
            else:
                write_npz(content, tmp_path / name)
        parser = ParserFactory("dismai.task")
        return parser.parse_from_node(
            node, store_provenance=False, retrieved_temporary_folder=str(tmp_path) if temporary else None
        )

    return run


@pytest.fixture
def structures():
    return StructureSet.from_uniform([29], np.zeros((1, 1, 3)), np.eye(3) * 4)


def codes():
    return CalculationFactory("dismai.relax").spec().exit_codes


def test_a_finished_task_becomes_nodes(parse, structures):
    outputs, calcfunction = parse(files={"structures.npz": structures})
    assert calcfunction.is_finished_ok
    assert outputs["structures"].structures == structures
    assert outputs["results"]["n_structures"] == 1


def test_no_results(parse):
    _, node = parse(results=None)
    assert node.exit_status == codes().ERROR_RESULTS_MISSING.status
    assert "not a `dismai`" in node.exit_message


@pytest.mark.parametrize("status", [110, 120])
def test_what_the_scheduler_said_is_kept(parse, status):
    _, node = parse(results=None, scheduler=status)
    assert node.exit_status == status


@pytest.mark.parametrize("text", ["{", "[]", '{"task": "metrics", "status": "finished"}', '{"task": "relax"}'])
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
