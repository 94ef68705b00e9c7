"""Sphinx builds the pages without a warning; every page is listed; anchors lead somewhere; examples say the truth."""

import doctest
import importlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
LINKING = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
#: Modules whose docstrings show examples that can be run (others name files or nodes of the reader's).
EXAMPLE = re.compile(r">>> (?!.*doctest: \+SKIP)")
MODULES = sorted(path for path in (ROOT / "aiida_dismai").rglob("*.py") if EXAMPLE.search(path.read_text()))


def without_fences(text):
    return re.sub(r"^(`{3,}).*?^\1`*$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """Return the anchors of a page's headings as GitHub and MyST name them."""
    found = []
    for title in re.findall(r"^#{1,6} +(.+)$", without_fences(page.read_text()), flags=re.MULTILINE):
        title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        count = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", name) is not None for name in found)
        found.append(f"{slug}-{count}" if count else slug)
    return found


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.skipif(find_spec("sphinx") is None or find_spec("myst_parser") is None, reason="needs the extra `docs`")
def test_sphinx_builds_without_warnings(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", "-d", tmp_path / "trees"]
    done = subprocess.run(
        [*command, DOCS, tmp_path / "html"], capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "agg"}
    )
    assert done.returncode == 0, done.stderr
    for page in PAGES:
        assert (tmp_path / "html" / page.relative_to(DOCS)).with_suffix(".html").is_file()
    written = (tmp_path / "html" / "api" / "structures.html").read_text()
    assert 'id="aiida_dismai.engine.structures.container.StructureSet.content_hash"' in written
    # what leaves docs/ leads to the repository
    small = (tmp_path / "html" / "howto" / "small.html").read_text()
    assert "blob/main/aiida_dismai/engine/small/data/README.md" in small


def test_every_page_is_listed_once():
    listed = []
    index = (DOCS / "index.md").read_text()
    for entries in re.findall(r"^```\{toctree\}\n(.*?)^```", index, flags=re.DOTALL | re.MULTILINE):
        listed += [line for line in entries.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted(
        page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES if page != DOCS / "index.md"
    )


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_anchors_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", without_fences(page.read_text())):
        if not target.startswith(("http://", "https://")) and not target.endswith(".py"):
            aim = (page.parent / target).resolve() if target else page
            assert anchor in anchors(aim), f"{page}: {target}#{anchor}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_in_docstrings(path):
    if "crystalnn" in path.parts:
        pytest.importorskip("numba")
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0, f"python -m doctest {path}"


@pytest.mark.parametrize("page", [page for page in PAGES if ">>> " in page.read_text()], ids=lambda page: page.name)
def test_examples_on_pages(page):
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert tried > 0
    assert failed == 0, f"python -m doctest {page}"
