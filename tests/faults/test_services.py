"""What happens to the services under AiiDA; after each, and after the commands that the docs name, all ends."""

import os
import signal

import pytest
from aiida.manage import get_manager

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def woken(production):
    """Return a function that runs the commands which wake processes that nothing moves any more."""

    def run():
        production.verdi("daemon", "stop", check=False)
        production.verdi("process", "repair", "--force")  # it asks before it ends connections of others, if any
        production.verdi("daemon", "start", 2)

    return run


def test_the_whole_daemon_is_killed(production, waiting, ends_well):
    """Workers and their supervisor; a new daemon takes up what they had, without a repair."""
    from aiida.engine.daemon.client import get_daemon_client

    client = get_daemon_client()
    workers = [int(pid) for pid in client.get_worker_info()["info"]]
    for pid in (client.get_daemon_pid(), *workers):
        os.kill(pid, signal.SIGKILL)
    os.kill(waiting.pid, signal.SIGKILL)
    production.verdi("daemon", "start", 2)
    ends_well(waiting.chain, 420, 0)


@pytest.mark.parametrize("name", ["rabbitmq", "postgresql"])
def test_a_service_is_killed(production, waiting, ends_well, woken, name):
    pk, pid = waiting.chain.pk, waiting.pid
    get_manager().reset_profile()  # the connections of this process
    service = getattr(production.services, name)
    service.kill()
    service.start()
    woken()
    os.kill(pid, signal.SIGKILL)
    ends_well(pk, 420, 0)
