"""No process of ours imports from the working directory (S4)."""

import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from support import handmade

from aiida_dismai.cli import main
from aiida_dismai.cli.archive.commands import write_archive

EVIL = "open('executed', 'w')\nraise SystemExit(3)\n"
#: A task that starts a process, as metrics and the training on several devices do.
WORKERS = """
import sys
from aiida_dismai.engine import main

def work():
    import multiprocessing
    process = multiprocessing.get_context("spawn").Process(target=print, args=("computed",))
    process.start()
    process.join()

main.cli = work
main.main()
"""


def test_s4_processes_of_a_task_do_not_import_from_the_working_directory(tmp_path):
    for name in ("multiprocessing", "zipfile", "numpy", "pickle"):
        (tmp_path / f"{name}.py").write_text(EVIL)
    run = subprocess.run(
        [sys.executable, "-P", "-c", WORKERS], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "computed", run.stderr
    assert not (tmp_path / "executed").exists()


def test_s4_the_console_scripts_do_not_import_from_the_working_directory(tmp_path):
    from pathlib import Path

    for name in ("zipfile", "numpy", "click", "json", "aiida_dismai"):
        (tmp_path / f"{name}.py").write_text(EVIL)
    for script in ("dismai", "aiida-dismai"):
        path = Path(sys.executable).parent / script
        run = subprocess.run([path, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
    assert not (tmp_path / "executed").exists()


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def archive(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "pipeline.aiida"
    write_archive(graph.pipeline, path)
    return path


def test_s4_the_check_does_not_import_from_the_working_directory(archive, tmp_path, monkeypatch):
    for name in ("zipfile", "json", "numpy", "sqlite3", "aiida_dismai", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    shutil.copy(archive, tmp_path / "a.aiida")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["archive", "check", "a.aiida"])
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "executed").exists()
