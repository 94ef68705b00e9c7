"""Processes that nobody works on are noticed, and what takes them up again is said."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from aiida import orm
from click.testing import CliRunner
from kiwipy import RemoteException, UnroutableError
from support import handmade

from aiida_dismai.cli import main, stuck


@pytest.fixture
def waiting(aiida_profile, tmp_path):
    """A WorkChain that waits for a job, which waits, and a function that has ended."""
    graph = handmade.fresh(aiida_profile, tmp_path)
    top = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "relax", "RelaxWorkChain")
    job = handmade.process(
        orm.CalcJobNode,
        handmade.CALCULATIONS + "relax",
        "RelaxCalculation",
        {"code": graph.code},
        caller=top,
        exit_status=None,
    )
    handmade.process(orm.CalcFunctionNode, "", "slice_structures", caller=top)
    for node in (top, job):
        node.set_process_state("waiting")
    return SimpleNamespace(top=top, job=job, graph=graph)


def answered_by(monkeypatch, held, error=UnroutableError):
    """Let a daemon run whose workers hold these processes, and everyone else be unknown to the broker."""

    def get_status(pk):
        future = Future()
        if pk in held:
            future.set_result({"state": "waiting"})
        else:
            future.set_exception(error(f"Recipient not found: {pk}"))
        return future

    monkeypatch.setattr(stuck, "_controller", lambda: SimpleNamespace(get_status=get_status))
    monkeypatch.setattr(stuck, "daemon_runs", lambda: True)


def test_active_processes_are_those_that_somebody_must_hold(waiting):
    assert set(stuck.active(waiting.top)) == {waiting.top.pk, waiting.job.pk}
    assert stuck.active(waiting.graph.pipeline) == []


@pytest.mark.parametrize("error", [UnroutableError, RemoteException])
def test_a_process_that_no_worker_has(waiting, monkeypatch, error):
    answered_by(monkeypatch, {waiting.top.pk}, error)
    assert stuck.unreachable(waiting.top) == [waiting.job.pk]
    text = stuck.hint(waiting.top)
    assert f"none of its workers has {waiting.job.pk}:" in text
    assert "verdi daemon stop; verdi process repair; verdi daemon start" in text


def test_nothing_is_said_where_all_is_well(waiting, monkeypatch):
    answered_by(monkeypatch, {waiting.top.pk, waiting.job.pk})
    assert stuck.hint(waiting.top) is None
    assert stuck.hint(waiting.graph.pipeline) is None


def test_a_worker_that_is_busy_has_its_process(waiting, monkeypatch):
    answered_by(monkeypatch, set(), lambda text: TimeoutError("no answer"))
    assert stuck.unreachable(waiting.top) == []


def test_a_daemon_that_does_not_run(waiting, monkeypatch):
    monkeypatch.setattr(stuck, "daemon_runs", lambda: False)
    assert "the daemon is not running" in stuck.hint(waiting.top)
    monkeypatch.setattr(stuck, "daemon_runs", lambda: None)  # a profile without a broker
    assert stuck.hint(waiting.top) is None


def test_status_and_archive_say_it(waiting, monkeypatch, tmp_path):
    monkeypatch.setattr(stuck, "daemon_runs", lambda: False)
    shown = CliRunner().invoke(main, ["status", str(waiting.top.pk)])
    assert shown.exit_code == 0, shown.output
    assert "RelaxCalculation" in shown.output
    assert stuck.RECIPE in shown.output
    refused = CliRunner().invoke(main, ["archive", "create", str(waiting.top.pk), str(tmp_path / "a.aiida")])
    assert refused.exit_code == 1
    assert stuck.RECIPE in refused.output
    assert "2 processes of it have not ended" in refused.output


def test_status_says_why_a_process_raised(waiting):
    node = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "relax", "RelaxWorkChain")
    node.set_process_state("excepted")
    node.set_exception('Traceback (most recent call last):\n  File "x.py", line 3\nKeyError: "width\x1b[31m"\n')
    shown = CliRunner().invoke(main, ["status", str(node.pk)]).output
    assert 'excepted KeyError: "width\\x1b[31m"' in shown
    assert "\x1b" not in shown
