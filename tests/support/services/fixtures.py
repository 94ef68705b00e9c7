"""Fixtures of the services and of a profile on them, made by the commands that `aiida-dismai setup` prints."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .postgresql import PostgreSQL
from .processes import free_ports
from .rabbitmq import RabbitMQ
from .slurm import Slurm

PROFILE, COMPUTER, PASSWORD = "production", "cluster", "secret-of-the-tests"
WORKERS = 2
BIN = Path(sys.executable).parent


@dataclass
class Services:
    """The running services and the folder in which everything lies."""

    folder: Path
    postgresql: PostgreSQL
    rabbitmq: RabbitMQ
    slurm: Slurm


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """PostgreSQL, RabbitMQ and Slurm; started together, stopped whatever happens."""
    place = os.environ.get("DISMAI_SERVICES")
    if place is None:
        pytest.skip("`make test-services` runs it: it starts PostgreSQL, RabbitMQ and Slurm")
    folder = Path(place)
    ports = free_ports(6)
    found = Services(
        folder,
        PostgreSQL(folder / "postgresql", ports[0]),
        RabbitMQ(folder / "rabbitmq", (ports[1], ports[2], ports[3])),
        Slurm(folder / "slurm", (ports[4], ports[5])),
    )
    all_of_them = (found.slurm, found.rabbitmq, found.postgresql)
    # an end from outside is to run what stands behind the yields
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(one.start) for one in all_of_them]:
                started.result()
        yield found
    finally:
        for one in all_of_them:
            one.stop()


class Production:
    """A profile on the services, with the commands of a user.

    Args:
        services: on which it is.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self.environment = os.environ | services.slurm.environment | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}

    def call(self, *words: Any, check: bool = True) -> str:
        """Run a program of this environment; returns what it prints."""
        command = [str(word) for word in words]
        command[0] = str(BIN / command[0])
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        assert not check or done.returncode == 0, f"{shlex.join(command)}\n{output}"
        return output

    def dismai(self, *words: Any, check: bool = True) -> str:
        """Run `aiida-dismai`."""
        return self.call("aiida-dismai", "-p", PROFILE, *words, check=check)

    def verdi(self, *words: Any, check: bool = True) -> str:
        """Run `verdi`."""
        return self.call("verdi", "-p", PROFILE, *words, check=check)

    def shell(self, lines: str) -> None:
        """Run the lines of a shell that were printed for a user, in this environment."""
        environment = self.environment | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-ec", lines], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"

    def launch(self, *words: Any) -> int:
        """Run `aiida-dismai launch`; returns the PK of what was submitted."""
        text = self.dismai("launch", *words)
        return int(text.partition("submitted ")[2].partition("<")[2].partition(">")[0])

    def wait(self, pk: int, seconds: float = 600.0) -> Any:
        """Wait until a process has ended; returns its node."""
        from aiida.orm import load_node

        end = time.monotonic() + seconds
        while not (node := load_node(pk)).is_terminated:
            assert time.monotonic() < end, f"<{pk}> has not ended in {seconds:.0f} s\n{self.dismai('status', pk)}"
            time.sleep(0.5)
        return node

    def finished(self, pk: int, seconds: float = 600.0) -> Any:
        """Wait until a process has ended well; returns its node."""
        node = self.wait(pk, seconds)
        assert node.is_finished_ok, self.dismai("status", pk) + self.verdi("process", "report", pk)
        return node

    def jobs(self, node: Any) -> list[Any]:
        """Return the CalcJobs under a process, in the order in which they were called."""
        from aiida.orm import CalcJobNode

        return [one for one in node.called_descendants if isinstance(one, CalcJobNode)]


def printed_commands(text: str, *beginnings: str) -> list[str]:
    """Return the commands in a printed text that begin with one of these words, continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip().startswith(beginnings)]


@pytest.fixture(scope="session")
def production(services: Services, aiida_config: Any) -> Iterator[Production]:
    """A profile on PostgreSQL and RabbitMQ with a daemon of two workers, a Slurm computer and the code `dismai`."""
    from aiida import load_profile
    from aiida.manage import get_manager
    from aiida.manage.configuration import reset_config

    found = Production(services)
    _make_profile(found)
    reset_config()
    os.environ.update(services.slurm.environment)
    load_profile(PROFILE)
    _make_computer(found)
    executable = BIN / "dismai"
    printed = "echo GPUs granted: ${CUDA_VISIBLE_DEVICES:-none}"
    found.dismai("setup", "code", "--computer", COMPUTER, "--executable", executable, "--prepend", printed)
    try:
        found.verdi("daemon", "start", WORKERS)
        yield found
    finally:
        with suppress(AssertionError):
            found.verdi("daemon", "stop")
        get_manager().unload_profile()  # its connections, before the servers are gone


def _make_profile(found: Production) -> None:
    postgresql, rabbitmq = found.services.postgresql, found.services.rabbitmq
    text = found.call("aiida-dismai", "setup", "profile", "--name", PROFILE)
    for line in printed_commands(text, "sudo -u postgres"):
        connection = f"PGHOST=127.0.0.1 PGPORT={postgresql.port} PGUSER={postgresql.superuser}"
        command = line.removeprefix("sudo -u postgres ").replace("--pwprompt ", "")  # no terminal to be asked at
        found.shell(f"PGPASSWORD={shlex.quote(postgresql.password)} {connection} {postgresql.bin}/{command}")
    postgresql.sql(f"ALTER ROLE {PROFILE} PASSWORD '{PASSWORD}'")
    words = {
        "EMAIL": "test@example.org", "FIRST": "A", "LAST": "Tester", "INSTITUTION": "here", "PASSWORD": PASSWORD,
        "5432": str(postgresql.port), "5672": str(rabbitmq.port), "localhost": "127.0.0.1",
        # the server is not at the port where it is looked for
        "core.rabbitmq --email": "none --email",
    }  # fmt: skip
    for line in printed_commands(text, "verdi profile"):
        command = " ".join(line.split())
        for word, value in words.items():
            command = command.replace(word, value)
        found.shell(command)
    found.verdi("config", "set", "warnings.rabbitmq_version", "False")
    found.verdi("config", "set", "daemon.timeout", "30")


def _make_computer(found: Production) -> None:
    """Make the computer by what is printed for a cluster, reached without SSH."""
    work = found.services.folder / "work"
    text = found.dismai("setup", "computer", COMPUTER, "--hostname", "127.0.0.1", "--workdir", work)
    for line in printed_commands(text, "verdi computer"):
        if " configure " in line:
            line = f"verdi computer configure core.local {COMPUTER} -n --safe-interval 0 --no-use-login-shell"
        command = line.replace("core.ssh_async", "core.local").replace(
            "-S core.slurm", "-S core.slurm --shebang '#!/bin/bash'"
        )
        found.shell(command.replace("verdi ", f"verdi -p {PROFILE} ", 1))
    from aiida.orm import load_computer

    load_computer(COMPUTER).set_minimum_job_poll_interval(1.0)
