"""Lines of progress in the terminal, from jobs in every state."""

from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from aiida_dismai.demo import watch


def job(**attributes):
    default = {
        "pk": 7,
        "process_label": "RelaxCalculation",
        "is_terminated": False,
        "is_finished_ok": False,
        "exit_status": None,
        "exit_message": None,
        "base": SimpleNamespace(caching=SimpleNamespace(is_created_from_cache=False)),
        "get_state": lambda: SimpleNamespace(value="withscheduler"),
    }
    return SimpleNamespace(**default | attributes)


@pytest.mark.parametrize(
    ("node", "lines", "expected"),
    [
        (job(), [], "Relax<7> running"),
        (job(get_state=lambda: None), [], None),
        (
            job(),
            [{"time": 1.0, "stage": "relax", "done": 2, "total": 6, "fmax": 0.123456, "failed": 0, "loss": None}],
            "Relax<7> relax 2/6  fmax 0.1235, failed 0",
        ),
        (job(is_terminated=True, is_finished_ok=True), [], "Relax<7> done"),
        (
            job(
                is_terminated=True,
                is_finished_ok=True,
                base=SimpleNamespace(caching=SimpleNamespace(is_created_from_cache=True)),
            ),
            [],
            "Relax<7> done (from the cache)",
        ),
        (job(is_terminated=True, exit_status=410, exit_message="no memory"), [], "Relax<7> ended with 410: no memory"),
    ],
)
def test_one_line_for_each_job(monkeypatch, node, lines, expected):
    monkeypatch.setattr(watch, "progress_lines", lambda node: lines)
    assert watch._describe(node) == expected


def test_the_clock():
    assert watch._clock(5) == "  0:05"
    assert watch._clock(754) == " 12:34"


def test_a_database_that_is_busy_ends_nothing(aiida_profile, monkeypatch):
    """The daemon writes to the same SQLite file."""
    done = job(is_terminated=True, is_finished_ok=True)
    looks = iter([OperationalError("SELECT", {}, Exception("database is locked")), [job()], [done], [done]])

    def jobs(node):
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        node.is_terminated = found[0].is_terminated
        return found

    monkeypatch.setattr(watch, "POLL", 0.0)
    monkeypatch.setattr(watch, "_jobs", jobs)
    monkeypatch.setattr(watch, "progress_lines", lambda node: [])
    said = []
    watch.follow(SimpleNamespace(is_terminated=False), said.append, 0.0)
    assert [line.split("  ")[-1] for line in said] == ["Relax<7> running", "Relax<7> done"]
