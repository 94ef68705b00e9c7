"""Every command of the tutorial on the first report, run in its order in one shell; the page quotes what comes out."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PAGE = (Path(__file__).parent.parent / "docs" / "tutorial_first_report.md").read_text()


def section(title):
    """Return a section of the page."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(text):
    return [line[4:] for line in text.splitlines() if line.startswith("    ")]


def in_shell(lines, folder, environment):
    """Run lines in one shell that stops at the first failure; return what they printed."""
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(lines)], cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def words_of(page):
    """Return the words of a page in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.read_text())).split())


def test_every_command_runs_and_the_verdicts_are_those_of_the_page(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "AIIDA_PATH"}
    environment |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    install = commands(section("Install"))
    assert install[:3] == ["git clone … && cd aiida-dismai", "make setup", "source .venv/bin/activate"]
    begin, folder = install[3:], tmp_path / "first_report"
    assert begin == ["mkdir first_report", "cd first_report", "export AIIDA_PATH=$PWD"]

    plain = section("Something to evaluate") + section("A report without AiiDA")
    in_shell([*begin, *commands(plain)], tmp_path, environment)
    quoted = [line[2:] for line in plain.splitlines() if line.startswith("> ")]
    pages = [words_of(folder / name) for name in ("report.html", "perfect.html")]
    assert len(quoted) == 2
    for said, page in zip(quoted, pages, strict=True):
        assert said in page

    with_aiida = commands(section("The same with AiiDA"))
    about = [line for line in with_aiida if " PK" in line]
    first = in_shell([*begin[1:], *[line for line in with_aiida if line not in about]], tmp_path, environment)
    pk = re.search(r"see it: aiida-dismai report (\d+)", first)[1]
    assert "evaluates 150 structures, 4,800 atoms" in first
    assert quoted[0] in words_of(folder / "report_aiida.html")
    last = in_shell([*begin[1:], *[re.sub(r"\bPK\b", pk, line) for line in about]], tmp_path, environment)
    assert len(about) == 3
    assert "EvaluateWorkChain" in last
    # nothing was written anywhere else
    assert not (tmp_path / ".aiida").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"first_report", ".cache", ".config"}
