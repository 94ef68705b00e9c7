"""No process of ours imports from the working directory (S4)."""

import subprocess
import sys

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
