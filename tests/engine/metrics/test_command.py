"""The command ``dismai metrics``: files in, files out, nothing written over, killed and resumed."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aiida_dismai.engine.main import cli
from aiida_dismai.engine.metrics.command import table
from aiida_dismai.engine.structures import StructureSet, load_structures, write_extxyz, write_npz

DATA = Path(__file__).parents[2] / "data" / "reference"
ALLOYS = DATA / "alloy" / "inputs"


def call(*arguments: object):
    return CliRunner().invoke(cli, ["metrics", *map(str, arguments)])


def test_alloys_from_the_command_line(tmp_path):
    output = tmp_path / "out.json"
    result = call(
        "alloy",
        "--generated",
        ALLOYS / "gen_ii.extxyz.gz",
        "--reference",
        ALLOYS / "train_300K.extxyz.gz",
        "--generated-total",
        8,
        "--align",
        "translate",
        "--write-reference",
        tmp_path / "ref.npz",
        "--output",
        output,
    )
    assert result.exit_code == 0, result.output
    results = json.loads(output.read_text())
    assert results["alignments"] == {"none": 0, "translate": 5, "rotate": 0}
    assert results["failed_percent"]["value"] == 37.5
    assert set(results["d_cluster"]) == {"value", "lower", "upper", "floor"}
    assert "5 of 8 generated structures analysed, against 4 training structures" in result.output
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        assert arrays["vacancies"].tolist() == [0, 4, 0, 0, 4]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.npz", "ref.npz"]
    # the reference written is a reference, with the same parameters
    arguments = ["alloy", "--generated", ALLOYS / "gen_ii.extxyz.gz", "--reference", tmp_path / "ref.npz"]
    again = call(*arguments, "--align", "translate", "--output", tmp_path / "again.json")
    assert again.exit_code == 0, again.output
    assert json.loads((tmp_path / "again.json").read_text())["d_cluster"] == results["d_cluster"]
    other = call(*arguments, "--align", "none", "--output", tmp_path / "other.json")
    assert other.exit_code == 1
    assert "made with align 'translate' (now 'none')" in other.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "again.json",
        "again.npz",
        "out.json",
        "out.npz",
        "ref.npz",
    ]


def test_parameters_from_a_file(tmp_path, rock_salt):
    write_extxyz(rock_salt, tmp_path / "salt.extxyz")
    salt = {
        "interface": {"oxidation_states": {"Li": 1, "Cl": -1}, "cations": ["Li"], "anions": ["Cl"]},
        "resamples": 20,
    }
    (tmp_path / "salt.json").write_text(json.dumps(salt))
    both = ["--generated", tmp_path / "salt.extxyz", "--reference", tmp_path / "salt.extxyz"]
    result = call("interface", *both, "--parameters", tmp_path / "salt.json", "--output", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out.json").read_text())["d_Li"]["value"] == pytest.approx(0, abs=1e-15)
    (tmp_path / "salt.json").write_text(json.dumps(salt | {"resample": 20}))
    result = call("interface", *both, "--parameters", tmp_path / "salt.json", "--output", tmp_path / "none.json")
    assert result.exit_code == 1
    assert "unknown parameter 'resample'; did you mean 'resamples'" in result.stderr
    (tmp_path / "salt.json").write_text("[1]")
    result = call("interface", *both, "--parameters", tmp_path / "salt.json", "--output", tmp_path / "none.json")
    assert "must be an object" in str(result.exception)
    assert not (tmp_path / "none.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "gen.extxyz"], "would be overwritten"),
        (["--output", "out.npz"], "give it the ending json"),
        (["--output", "absent/out.json"], "there is no folder"),
        (["--output", "o.json", "--write-reference", "o.npz"], "two outputs are to be one file"),
        (["--output", "o.json", "--write-reference", "ref.json"], "give it the ending npz"),
        (["--output", "o.json", "--align", "none"], "are not aligned with a lattice"),
    ],
)
def test_bad_options(tmp_path, rock_salt, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    write_extxyz(rock_salt, tmp_path / "gen.extxyz")
    before = (tmp_path / "gen.extxyz").read_bytes()
    result = call("interface", "--generated", "gen.extxyz", "--reference", "gen.extxyz", *options)
    assert result.exit_code == 1
    assert message in str(result.exception)
    assert (tmp_path / "gen.extxyz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["gen.extxyz"]


def test_an_old_result_stays_where_the_input_is_bad(tmp_path, rock_salt):
    write_extxyz(rock_salt, tmp_path / "salt.extxyz")
    (tmp_path / "out.json").write_text("old")
    both = ["--generated", tmp_path / "salt.extxyz", "--reference", tmp_path / "salt.extxyz"]
    result = call("interface", *both, "--oxidation-states", "Na=1,Cl=-1", "--output", tmp_path / "out.json")
    assert result.exit_code == 1
    assert "Li" in f"{result.stderr} {result.exception}"
    assert (tmp_path / "out.json").read_text() == "old"


def test_killed_it_goes_on_where_it_was(tmp_path):
    """SIGKILL in the middle of the generated structures; what was finished is not computed again."""
    one = load_structures(DATA / "a_Si" / "inputs" / "train.extxyz.gz")[0].without_properties()
    generator = np.random.default_rng(0)
    positions = one.positions + generator.normal(0, 0.05, (150, 256, 3))
    many = StructureSet.from_uniform(one.numbers, positions, one.cells[0])
    write_npz(many, tmp_path / "gen.npz")
    write_npz(many[:2], tmp_path / "train.npz")
    command = [sys.executable, "-m", "aiida_dismai.engine.main", "metrics", "amorphous"]
    command += ["--generated", "gen.npz", "--reference", "train.npz", "--output", "out.json"]
    progress = tmp_path / ".out.json.unfinished" / "progress.jsonl"
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        for _ in range(3000):
            if progress.is_file() and progress.read_text().count('"generated"') >= 20:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    done = progress.read_text().count('"generated"')
    assert 20 <= done < 150
    assert not (tmp_path / "out.json").exists()
    completed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "150 of 150 generated structures analysed" in completed.stdout
    first = json.loads((tmp_path / "out.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gen.npz", "out.json", "out.npz", "train.npz"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    again = json.loads((tmp_path / "out.json").read_text())
    ours = {"timings"}
    assert {k: v for k, v in first.items() if k not in ours} == {k: v for k, v in again.items() if k not in ours}
    # of the 150, the two of the training set and those finished before the kill were not computed again
    rate = first["timings"]["generated"] / first["timings"]["seconds_per_structure"]
    assert round(rate) <= 150 - done


def test_two_runs_do_not_write_one_result(tmp_path, rock_salt):
    write_extxyz(rock_salt, tmp_path / "salt.extxyz")
    folder = tmp_path / ".out.json.unfinished"
    folder.mkdir()
    arguments = ["amorphous", "--generated", tmp_path / "salt.extxyz", "--reference", tmp_path / "salt.extxyz"]
    arguments += ["--output", tmp_path / "out.json"]
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = call(*arguments)
        assert result.exit_code == 1
        assert "another run is writing it" in str(result.exception)
        assert sorted(path.name for path in tmp_path.iterdir()) == [".out.json.unfinished", "salt.extxyz"]
    assert call(*arguments).exit_code == 0
    assert not folder.exists()


def test_a_place_that_cannot_be_written(tmp_path, rock_salt):
    write_extxyz(rock_salt, tmp_path / "salt.extxyz")
    (tmp_path / ".out.json.unfinished").write_text("in the way")
    both = ["--generated", tmp_path / "salt.extxyz", "--reference", tmp_path / "salt.extxyz"]
    result = call("amorphous", *both, "--output", tmp_path / "out.json")
    assert result.exit_code == 1
    assert "cannot be written there (File exists); choose another folder" in str(result.exception)


def test_processes_end_with_the_one_that_was_killed(tmp_path):
    code = """if __name__ == "__main__":
    import multiprocessing, os
    from concurrent.futures import ProcessPoolExecutor
    from aiida_dismai.engine.workers import end_with_parent
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=end_with_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    input()
"""
    (tmp_path / "parent.py").write_text(code)
    command = [sys.executable, "parent.py"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        # the end of what it writes comes when no process is left that could write
        ended, _, _ = select.select([process.stdout], [], [], 20)
        if not ended:
            os.kill(worker, signal.SIGKILL)
    assert ended, "a worker outlived its parent"


def test_table_shows_missing_values_as_a_dash():
    missing = {"value": None, "lower": None, "upper": None, "floor": None}
    lines = table(
        {"d_rdf": missing, "n_analysed": 0, "n_generated": 3, "n_reference": 4, "not_in_reference": ["d_rdf"]}
    )
    assert lines[1].split() == ["d_rdf", "–", "–", "…", "–", "–"]
    assert lines[-1].endswith("so not compared: d_rdf")


def test_the_page_shows_the_numbers_and_the_structures(tmp_path):
    options = ["--generated", ALLOYS / "gen_ii.extxyz.gz", "--reference", ALLOYS / "train_300K.extxyz.gz"]
    result = call("alloy", *options, "--output", tmp_path / "out.json", "--report", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "page.html").read_text()
    assert "The generated alloys are" in page
    assert "noise floor" in page
    assert 'id="viewer-data"' in page
    assert "gen_ii.extxyz.gz, SHA-256 " in page
    # a reference of records has no structures to show
    reference = tmp_path / "ref.npz"
    call("alloy", *options, "--output", tmp_path / "b.json", "--write-reference", reference)
    options = ["--generated", ALLOYS / "gen_ii.extxyz.gz", "--reference", reference]
    result = call("alloy", *options, "--output", tmp_path / "c.json", "--report", tmp_path / "records.html")
    assert result.exit_code == 0, result.output
    assert "the reference is a file of records" in (tmp_path / "records.html").read_text()


def test_the_page_is_no_other_output(tmp_path):
    options = ["--generated", ALLOYS / "gen_ii.extxyz.gz", "--reference", ALLOYS / "train_300K.extxyz.gz"]
    same = tmp_path / "out.json"
    assert "two outputs are to be one file" in str(
        call("alloy", *options, "--output", same, "--report", same).exception
    )
