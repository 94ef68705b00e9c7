"""Exit codes of all processes: those of the table, in the ranges of docs/architecture.md, each with one meaning."""

import ast
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from aiida.engine import BaseRestartWorkChain, CalcJob, WorkChain

import aiida_dismai
from aiida_dismai.exit_codes import EXIT_CODES, JOB, OF_AIIDA
from aiida_dismai.workchains.label_lane import LabelLaneWorkChain

PACKAGE = Path(aiida_dismai.__file__).parent
TABLE = {(code.status, code.label, code.message) for code in EXIT_CODES}


def processes():
    """Return all processes of the project that have exit codes."""
    found = [
        point.load()
        for group in ("aiida.calculations", "aiida.workflows")
        for point in entry_points(group=group)
        if point.name.startswith("dismai.")
    ]
    classes = [item for item in found if isinstance(item, type) and issubclass(item, (CalcJob, WorkChain))]
    return [*classes, LabelLaneWorkChain]


def own(process):
    """Return its exit codes without those that it has of a class of AiiDA, or of the plugin of a DFT code."""
    base = next(kind for kind in process.__mro__ if not kind.__module__.startswith("aiida_dismai"))
    inherited = set(base.spec().exit_codes)
    return {
        (code.status, label, code.message)
        for label, code in process.spec().exit_codes.items()
        if label not in inherited
    }


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.__name__)
def test_exit_codes_are_those_of_the_table_in_the_range_of_the_process(process):
    codes = own(process)
    assert codes <= TABLE
    allowed = range(300, 500) if issubclass(process, CalcJob) else range(500, 600)
    assert {code for code in codes if code[0] not in allowed} == set()


def test_every_code_of_the_table_belongs_to_a_process_and_says_what_to_do():
    assert set().union(*map(own, processes())) == TABLE
    assert all(code.remedy for code in EXIT_CODES)


def test_no_number_has_two_meanings():
    assert len({code.status for code in EXIT_CODES}) == len(EXIT_CODES)


def test_aiidas_own_codes_are_explained():
    every_process = set(WorkChain.spec().exit_codes)
    own_of_aiida = set(CalcJob.spec().exit_codes) | set(BaseRestartWorkChain.spec().exit_codes)
    assert set(OF_AIIDA) == own_of_aiida - every_process


def test_only_what_another_run_would_repeat_is_taken_from_the_cache():
    codes = next(process for process in processes() if issubclass(process, CalcJob)).spec().exit_codes
    assert {code.label for code in JOB if not codes[code.label].invalidates_cache} == {
        "ERROR_DIVERGED",
        "ERROR_NOTHING_LEFT",
    }


def numbers_compared_with_an_exit_status(tree):
    """Yield the numbers, 0 aside, that an ``exit_status`` or the ``status`` of an exit code is compared with."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        parts = [item for part in (node.left, *node.comparators) for item in ast.walk(part)]
        if any(isinstance(item, ast.Attribute) and item.attr == "exit_status" for item in parts):
            yield from (item.value for item in parts if isinstance(item, ast.Constant) and item.value not in (0, None))


def test_no_code_compares_exit_statuses_with_numbers():
    found = {
        str(path.relative_to(PACKAGE)): numbers
        for path in PACKAGE.rglob("*.py")
        if (numbers := list(numbers_compared_with_an_exit_status(ast.parse(path.read_text()))))
    }
    assert found == {}
