"""Exit codes of all processes: in the ranges that docs/architecture.md gives, and each number with one meaning."""

from importlib.metadata import entry_points

import pytest
from aiida.engine import BaseRestartWorkChain, CalcJob, WorkChain

from aiida_dismai.workchains.label_lane import LabelLaneWorkChain


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
    """Return its exit codes without those that AiiDA gives every process of the kind."""
    base = next(kind for kind in (CalcJob, BaseRestartWorkChain, WorkChain) if issubclass(process, kind))
    inherited = set(base.spec().exit_codes)
    return {label: code.status for label, code in process.spec().exit_codes.items() if label not in inherited}


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.__name__)
def test_exit_codes_are_in_the_ranges_of_the_architecture(process):
    allowed = range(300, 500) if issubclass(process, CalcJob) else range(500, 600)
    outside = {label: status for label, status in own(process).items() if status not in allowed}
    assert outside == {}


def test_no_number_has_two_meanings():
    meanings = {}
    for process in processes():
        for label, status in own(process).items():
            meanings.setdefault(status, set()).add(label)
    assert {status: labels for status, labels in meanings.items() if len(labels) > 1} == {}
    assert {515, 516, 517, 595, 596, 597, 598, 504} <= set(meanings)
