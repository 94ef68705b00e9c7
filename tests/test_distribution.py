"""What the registry of AiiDA plug-ins and PyPI read of the distribution; `.ci/wheel` builds and installs it."""

import subprocess
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Groups of entry points that the registry knows, and ours.
GROUPS = ("aiida.calculations", "aiida.calculations.monitors", "aiida.cmdline.data", "aiida.data", "aiida.parsers")


def test_names_that_the_registry_expects():
    """A package `aiida-NAME`, with the module `aiida_NAME` and entry points that begin with `NAME.`."""
    assert PROJECT["name"] == "aiida-dismai"
    assert (ROOT / "aiida_dismai" / "__init__.py").is_file()
    groups = PROJECT["entry-points"]
    assert {*GROUPS, "aiida.workflows"} == {name for name in groups if name.startswith("aiida.")}
    for group, points in groups.items():
        for name, value in points.items():
            assert name.startswith("dismai.") or not group.startswith("aiida."), name
            assert value.startswith("aiida_dismai."), value


def test_what_it_shows_of_a_plug_in():
    classifiers = PROJECT["classifiers"]
    assert "Framework :: AiiDA" in classifiers
    states = [item for item in classifiers if item.startswith("Development Status :: ")]
    assert len(states) == 1
    assert states[0].split(" :: ")[1][0] in "34567"
    assert PROJECT["description"]
    assert len(PROJECT["description"]) < 160
    assert set(PROJECT["urls"]) >= {"Homepage", "Documentation", "Issues", "Changelog"}
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())
    assert PROJECT["readme"] == "README.md"
    assert any(item.startswith("aiida-core>=2") for item in PROJECT["dependencies"])


def test_python_versions_agree():
    lowest = tuple(int(part) for part in PROJECT["requires-python"].removeprefix(">=").split("."))
    named = [item.rpartition(" ")[2] for item in PROJECT["classifiers"] if item.startswith("Programming Language")]
    assert min(tuple(map(int, name.split("."))) for name in named) == lowest
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert all(f'"{name}"' in workflow for name in named)


def test_the_readme_is_read_as_markdown():
    read = metadata("aiida-dismai")
    assert read["Description-Content-Type"] == "text/markdown"
    assert read["Requires-Python"] == PROJECT["requires-python"]


def test_entry_points_are_loaded_without_extras_or_say_which_they_need(tmp_path):
    script = ROOT / "tests" / "support" / "entry_points.py"
    done = subprocess.run([sys.executable, script, "--light"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "entry points are as they should be" in done.stdout
