"""The pages that are made from the code are what the code says; links between pages lead somewhere."""

import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "examples").rglob("*.md")]
PAGES = [page for page in PAGES if "_build" not in page.parts]


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import generate_reference

    yield generate_reference
    for name in ("generate_reference", *(path.stem for path in DOCS.glob("reference_*.py"))):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["exit_codes.md", "processes.md", "result.schema.json", "tasks.md"])
def test_reference_is_up_to_date(reference, name):
    written = (DOCS / "reference" / name).read_text()
    assert written == reference.PAGES[name](), "run: python docs/generate_reference.py"


def test_reference_has_every_entry_point():
    text = (DOCS / "reference" / "processes.md").read_text()
    for group in ("aiida.data", "aiida.calculations", "aiida.workflows"):
        for point in entry_points(group=group):
            if point.name.startswith("dismai."):
                assert f"`{point.name}`" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page):
    """What a page tells the reader to type must be a command of ours."""
    from aiida_dismai.cli import main
    from aiida_dismai.engine.main import cli

    for program, group in (("aiida-dismai", main), ("dismai", cli)):
        for words in re.findall(rf"(?:`|^ {{4,}}){program} ((?:[a-z]+ ?)+)", page.read_text(), flags=re.MULTILINE):
            command = group
            for word in words.split():
                if not hasattr(command, "commands"):
                    break
                assert word in command.commands, f"{page}: `{program} {words}`"
                command = command.commands[word]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tasks_on_pages_are_accepted(page):
    """Every task that a page shows has parameters that the task takes."""
    import json

    from aiida_dismai.engine.tasks import find_task

    blocks = re.findall(r"(?:```json|<<'JSON')\n(.*?)\n(?:```|JSON)", page.read_text(), flags=re.DOTALL)
    for block in blocks:
        if '"task":' not in block or "…" in block:
            continue
        content = json.loads(block)
        find_task(content["task"]).validate(content.get("parameters") or {})


def test_the_package_of_metrics_says_what_its_modules_are():
    """All modules of the folder are named, and what is named is there."""
    import aiida_dismai
    from aiida_dismai.engine import metrics

    engine = Path(aiida_dismai.__file__).parent / "engine"
    modules = {path.stem for path in (engine / "metrics").glob("*.py")} - {"__init__"}
    named = set(re.findall(r"``([\w.]+)``", metrics.__doc__))
    assert {name for name in named if "." not in name} == modules
    for name in named - modules:
        place = engine.joinpath(*name.split(".")[1:])
        assert place.is_dir() or place.with_suffix(".py").is_file(), name


def test_a_page_does_not_change_the_readers_default_profile():
    """`verdi presto` makes its profile the default; a page that calls it chooses a configuration of its own before."""
    for page in PAGES:
        before, found, _ = page.read_text().partition("    verdi presto")
        assert not found or "export AIIDA_PATH=" in before, page
