"""The demo's own profile: kept apart from the user's, and its daemon wakes what an interruption has lost."""

from types import SimpleNamespace

import pytest

from aiida_dismai.demo import profile
from aiida_dismai.demo.__main__ import fingerprint


def test_the_users_configuration_is_never_loaded(tmp_path):
    import aiida.manage.configuration  # noqa: F401

    with pytest.raises(RuntimeError, match="before aiida is imported"):
        profile.use_own_configuration(tmp_path)


@pytest.fixture
def daemon(monkeypatch):
    """A daemon that notes what happens to it, two active processes, and a queue that knows one of them."""
    events = []
    client = SimpleNamespace(
        is_daemon_running=False,
        start_daemon=lambda **arguments: events.append("start"),
        stop_daemon=lambda **arguments: events.append("stop"),
    )
    control = "aiida.engine.processes.control."
    monkeypatch.setattr("aiida.engine.daemon.client.get_daemon_client", lambda name: client)
    monkeypatch.setattr("aiida.manage.get_manager", lambda: SimpleNamespace(get_broker=object))
    monkeypatch.setattr(control + "get_process_tasks", lambda broker: [1])
    monkeypatch.setattr(control + "get_active_processes", lambda: [SimpleNamespace(pk=1), SimpleNamespace(pk=2)])
    monkeypatch.setattr(control + "revive_processes", lambda nodes: events.append([node.pk for node in nodes]))
    return SimpleNamespace(client=client, events=events)


def test_a_process_without_a_task_is_woken_once_the_daemon_runs(daemon):
    profile.start_daemon()
    assert daemon.events == ["start", [2]]


def test_a_running_daemon_is_left_alone(daemon):
    daemon.client.is_daemon_running = True
    profile.start_daemon()
    assert daemon.events == []
    profile.stop_daemon()
    assert daemon.events == ["stop"]


def test_another_protocol_is_another_demo():
    assert fingerprint({"a": 1}) == fingerprint({"a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


@pytest.mark.parametrize(
    ("value", "folder"),
    [(None, "."), ("", "."), ("a", "a"), ("a:b", "a"), ("a/.aiida", "a"), (":a", "a")],
)
def test_the_folder_is_that_of_aiida_path(tmp_path, monkeypatch, value, folder):
    monkeypatch.chdir(tmp_path)
    if value is None:
        monkeypatch.delenv("AIIDA_PATH", raising=False)
    else:
        monkeypatch.setenv("AIIDA_PATH", value)
    assert profile.own_folder() == (tmp_path / folder).resolve()


def test_a_default_profile_that_was_there_stays_the_default(monkeypatch):
    ran = []
    monkeypatch.setattr(profile, "verdi", lambda *arguments, **options: ran.append(arguments))
    monkeypatch.setattr(profile, "exists", lambda: False)
    config = SimpleNamespace(default_profile_name="mine")
    monkeypatch.setattr("aiida.manage.configuration.get_config", lambda: config)
    assert profile.make_profile()
    assert ran[1] == ("profile", "set-default", "mine")
    ran.clear()
    config.default_profile_name = None
    profile.make_profile()
    assert [arguments[0] for arguments in ran] == ["presto"]


def test_every_element_has_a_potcar():
    symbols = profile.potcar_symbols()
    assert len(symbols) == len(set(symbols))
    assert {"Mg", "F", "Na", "Ca", "U", "Li", "Li_sv", "Sc_sv"} <= set(symbols)
