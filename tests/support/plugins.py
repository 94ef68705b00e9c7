"""Plug-ins that are installed for a test as ``pip`` would: an entry point of a distribution on the path."""

from pathlib import Path

import pytest


def install(patch: pytest.MonkeyPatch, site: Path, group: str, **points: str) -> None:
    """Install a distribution with entry points of a group: ``name="module:object"``.

    Args:
        patch: takes it off the path after the test.
        site: folder of the distribution, put first on the path; a new one for each distribution.
        group: of the entry points.
        points: the entry points.
    """
    info = site / f"plug_in_{'_'.join(points)}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plug-in-{'-'.join(points)}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    patch.syspath_prepend(str(site))
