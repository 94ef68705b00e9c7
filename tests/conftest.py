"""Fixtures shared by all tests: one temporary AiiDA profile, never the user's own."""

import pytest

pytest_plugins = ["aiida.tools.pytest_fixtures"]


@pytest.fixture(scope="session")
def aiida_profile(aiida_config, aiida_profile_factory):
    """A profile on SQLite with the broker that needs no service, so that `submit` works too."""
    with aiida_profile_factory(
        aiida_config,
        storage_backend="core.sqlite_dos",
        broker_backend="core.zeromq",
        broker_config={"supervised_by_daemon": False},
    ) as profile:
        yield profile
