"""Fixtures shared by all tests: one temporary AiiDA profile, never the user's own."""

import os
import sqlite3
import sys
from pathlib import Path

import pytest
from aiida.orm import InstalledCode
from ase.build import bulk
from sqlalchemy import Engine, event

from aiida_dismai.engine.structures import from_ase

# the daemon is started by the name `verdi`, also where the environment is not activated
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# calculators that tests name as `module:factory`; nothing but the environment can allow them
os.environ["DISMAI_ALLOW_FACTORY"] = ",".join(
    (
        "ase.calculators.emt:EMT",
        "ase.calculators.lj:LennardJones",
        "support.standin_calculators:PausedOnce",
        "support.standin_calculators:KilledOnce",
    )
)

#: Folders whose files run whole workflows, for minutes; those that run longest first.
LONG = ("integration", "dft", "workchains", "faults")

pytest_plugins = ["aiida.tools.pytest_fixtures", "support.light", "support.services.fixtures"]


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that workers which share the files end together."""
    order = {Path(__file__).parent / name: rank for rank, name in enumerate(LONG)}

    def rank(item):
        return min((order[folder] for folder in item.path.parents if folder in order), default=len(order))

    items.sort(key=rank)


# Nothing that tests write has to outlive the computer. A job commits and stores hundreds of times, and would wait each
# time for the disk, milliseconds on a quiet one. Processes that tests start do, as for users, except under `eatmydata`.
os.fsync = lambda file: None


@event.listens_for(Engine, "connect")
def _without_waiting(connection, _):
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session")
def aiida_profile(aiida_config, aiida_profile_factory):
    """A profile on SQLite with the broker that needs no service, so that `submit` works too."""
    with aiida_profile_factory(
        aiida_config,
        storage_backend="core.sqlite_dos",
        broker_backend="core.zeromq",
        broker_config={"supervised_by_daemon": False},
    ) as profile:
        # In a test profile, AiiDA asks without a pause whether a process that another one waits for has ended, in the
        # daemon, too: that takes a core for as long as jobs run. A broadcast says it anyhow.
        profile.is_test_profile = False
        profile.set_option("runner.poll.interval", 1)
        aiida_config.store()
        yield profile


@pytest.fixture
def quick_computer(aiida_localhost):
    """A computer that is asked for its jobs often; without a pause, asking would take as much as the jobs do."""
    aiida_localhost.set_minimum_job_poll_interval(0.5)
    aiida_localhost.configure(safe_interval=0.0, use_login_shell=False)
    return aiida_localhost


@pytest.fixture
def dismai_code(quick_computer):
    """The real engine as a code on this computer."""
    return InstalledCode(
        label="dismai",
        computer=quick_computer,
        filepath_executable=str(Path(sys.prefix) / "bin" / "dismai"),
        default_calc_job_plugin="dismai.relax",
        prepend_text=f"export OMP_NUM_THREADS=1 PYTHONPATH={Path(__file__).parent} "
        f"DISMAI_ALLOW_FACTORY={os.environ['DISMAI_ALLOW_FACTORY']}",
    ).store()


@pytest.fixture
def copper():
    """Return a factory of rattled four-atom copper cells."""

    def make(count=2, seed=3, rattle=0.1):
        frames = []
        for index in range(count):
            atoms = bulk("Cu", cubic=True)
            atoms.rattle(rattle, seed=seed + index)
            frames.append(atoms)
        return from_ase(frames)

    return make
