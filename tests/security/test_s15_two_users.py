"""Two users in one folder: what one puts there, the other does not write through or work in (S15, S16)."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

STRANGER = 65_534
#: Runs as the stranger, before the victim comes.
ATTACK = """
import os, sys
from pathlib import Path
folder, victim = Path(sys.argv[1]), sys.argv[2]
for name in ("results.json", "report.html", "progress.jsonl", "checkpoint", ".out.json.unfinished"):
    (folder / name).symlink_to(victim)
"""
FOLDERS = """
import sys
from pathlib import Path
for name in ("checkpoint", ".out.json.unfinished"):
    (Path(sys.argv[1]) / name).mkdir(mode=0o777)
    (Path(sys.argv[1]) / name / "lock").symlink_to(sys.argv[2])
"""


@pytest.fixture
def shared():
    """A folder like /tmp, in which everybody may write, and a file of ours outside it."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    folder = Path(tempfile.mkdtemp(prefix="shared-", dir="/tmp"))
    (folder / "victim").write_text("precious")
    (folder / "victim").chmod(0o600)
    place = folder / "place"
    place.mkdir()
    folder.chmod(0o755)
    place.chmod(0o1777)
    yield place, folder / "victim"
    shutil.rmtree(folder)


def as_stranger(code, *arguments):
    run = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import os, pathlib, sys; os.setgid({STRANGER}); os.setuid({STRANGER})\n{code}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def dismai(folder, *arguments):
    path = Path(sys.executable).parent / "dismai"
    return subprocess.run([path, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.engine
def test_s15_s16_links_of_somebody_else_are_not_written_through(shared, copper):
    from aiida_dismai.engine.structures import write_npz

    place, victim = shared
    as_stranger(ATTACK, place, victim)
    write_npz(copper(2), place / "input.npz")
    parameters = {"calculator": "ase.calculators.emt:EMT"}
    task = {"task": "relax", "parameters": parameters, "inputs": {"structures": "input.npz"}}
    (place / "task.json").write_text(json.dumps(task))
    run = dismai(place, "run", "task.json")
    assert victim.read_text() == "precious"
    assert run.returncode == 1
    assert "link" in run.stderr
    assert not (place / "results.json").is_symlink()
    assert json.loads((place / "results.json").read_text())["error"]["kind"] == "bad_input"


@pytest.mark.parametrize("attack", [ATTACK, FOLDERS])
def test_s15_a_folder_of_somebody_else_is_not_worked_in(shared, copper, attack):
    from aiida_dismai.engine.structures import write_npz

    place, victim = shared
    as_stranger(attack, place, victim)
    write_npz(copper(2), place / "input.npz")
    both = ("--generated", "input.npz", "--reference", "input.npz", "--output", "out.json")
    run = dismai(place, "metrics", "amorphous", *both)
    assert run.returncode == 1
    assert "a link, or not a folder of yours" in run.stderr
    assert victim.read_text() == "precious"


def test_s16_what_was_private_stays_private(shared, copper):
    from aiida_dismai.engine.files import write_text

    place, _ = shared
    (place / "report.html").write_text("old")
    (place / "report.html").chmod(0o600)
    write_text(place / "report.html", "new and secret")
    assert stat.S_IMODE((place / "report.html").stat().st_mode) == 0o600
    read = """
import sys
from pathlib import Path
try:
    print(Path(sys.argv[1]).read_text())
except PermissionError:
    print("refused")
"""
    assert as_stranger(read, place / "report.html").strip() == "refused"
