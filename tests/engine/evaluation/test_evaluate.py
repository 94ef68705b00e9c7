"""``dismai evaluate``: from what a generator leaves to results, a list of structures, relaxed files and a page."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read, write
from click.testing import CliRunner
from support.cifs import PARTIAL

from aiida_dismai.engine.evaluation import course
from aiida_dismai.engine.main import cli, main
from aiida_dismai.engine.structures import from_ase, load_structures, write_extxyz

pytestmark = pytest.mark.engine

ALLOYS = Path(__file__).parents[2] / "data" / "reference" / "alloy" / "inputs"


def silicon(n, seed, rattle=0.1):
    found = []
    for i in range(n):
        atoms = bulk("Si", cubic=True)
        atoms.rattle(rattle, seed=seed + i)
        found.append(atoms)
    return found


@pytest.fixture
def generated(tmp_path):
    """Three good structures, one with an atom too few, and one with two atoms in one place."""
    folder = tmp_path / "gen"
    folder.mkdir()
    for i, atoms in enumerate(silicon(3, 10)):
        write(folder / f"g{i}.cif", atoms)
    few = silicon(1, 20)[0]
    del few[0]
    write(folder / "g3.cif", few)
    (folder / "notes.txt").write_text("by my model")
    write_extxyz(from_ase(silicon(6, 40, 0.05)), tmp_path / "train.extxyz")
    return folder


def call(*arguments):
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


def evaluate(tmp_path, *more):
    options = ["--reference", tmp_path / "train.extxyz", "--kind", "amorphous", "--calculator", "sw", "--fmax", "0.5"]
    return call(tmp_path / "gen", *options, "--workers", 1, "--output", tmp_path / "out", *more)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_from_a_folder_of_cifs_to_the_page(generated, tmp_path):
    result = evaluate(tmp_path, "--report", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert "not files of structures, and so not read: notes.txt" in result.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["n_generated"], results["n_analysed"]) == (4, 3)
    listed = rows(tmp_path / "out" / "structures.csv")
    assert [row["file"] for row in listed] == ["g0.cif", "g1.cif", "g2.cif", "g3.cif"]
    assert [row["outcome"] for row in listed] == ["measured"] * 3 + ["failed"]
    assert (listed[3]["stage"], listed[3]["reason"]) == ("analysis", "Si7 where the reference has Si8")
    with np.load(tmp_path / "out" / "per_structure.npz") as arrays:
        assert [float(row["d_motif"]) for row in listed[:3]] == arrays["d_motif"].tolist()
    assert float(listed[0]["energy_eV"]) < float(listed[0]["energy_initial_eV"])
    # relaxed structures bear the names of the files, and are lower in energy where they say so
    relaxed = read(tmp_path / "out" / "relaxed" / "g1.cif")
    assert len(relaxed) == 8
    kept = load_structures(tmp_path / "out" / "work" / "relax" / "structures.npz")
    shift = relaxed.get_scaled_positions() - np.linalg.solve(kept.cells[1].T, kept[1].positions.T).T
    assert np.abs(shift - np.round(shift)).max() < 1e-4
    page = (tmp_path / "page.html").read_text()
    assert "1 of 4 generated structures failed (25 %): 1 in the analysis (Si7 where the reference has Si8)." in page
    assert "g1.cif, frame 0" in page
    assert "dismai evaluate" in page or "Make it again" in page
    again = evaluate(tmp_path)
    assert again.exit_code == 0
    assert "relax: relax" not in again.output  # nothing is computed twice


def test_what_cannot_be_read_is_refused_or_counted(generated, tmp_path):
    (generated / "g9.cif").write_text(PARTIAL)
    result = evaluate(tmp_path)
    assert result.exit_code == 1
    assert "1 of 5 structures cannot be read: gen/g9.cif" in str(result.exception)
    assert "--count-unreadable" in str(result.exception)
    assert not (tmp_path / "out").exists()
    result = evaluate(tmp_path, "--count-unreadable")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out" / "results.json").read_text())["failed_percent"]["value"] == 40.0
    last = rows(tmp_path / "out" / "structures.csv")[-1]
    assert (last["file"], last["outcome"], last["stage"]) == ("g9.cif", "failed", "reading")
    assert "occupanc" in last["reason"]


def test_an_estimate_first_and_the_same_command_resumes(generated, tmp_path, monkeypatch):
    monkeypatch.setattr(course, "TRIAL", 0.0)
    first = evaluate(tmp_path, "--dry-run")
    assert first.exit_code == 0, first.output
    assert "pushing atoms apart: about " in first.output
    assert "1 of 4 structures in " in first.output
    assert not (tmp_path / "out" / "results.json").exists()
    rest = evaluate(tmp_path)
    assert rest.exit_code == 0, rest.output
    assert "pushing atoms apart: about " in rest.output
    assert "the same command resumes" in rest.output
    assert len(rows(tmp_path / "out" / "structures.csv")) == 4


def test_structures_that_do_not_converge_are_kept_apart(generated, tmp_path):
    result = evaluate(tmp_path, "--steps", 0)
    assert result.exit_code == 0, result.output
    listed = rows(tmp_path / "out" / "structures.csv")
    assert {row["stage"] for row in listed} == {"relaxation"}
    assert {row["reason"] for row in listed} == {"ran out of steps before the force tolerance was met"}
    assert {row.get("d_motif", "") for row in listed} == {""}
    assert sorted(path.name for path in (tmp_path / "out" / "relaxed" / "not_converged").iterdir()) == [
        f"g{i}.cif" for i in range(4)
    ]


def test_a_file_of_many_and_structures_that_are_measured_as_they_are(tmp_path):
    options = ["--reference", "small:alloy_300K_wide", "--workers", 1, "--output", tmp_path / "out"]
    result = call(ALLOYS / "gen_ii.extxyz.gz", *options, "--report", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    listed = rows(tmp_path / "out" / "structures.csv")
    assert [row["frame"] for row in listed] == [str(i) for i in range(len(listed))]
    assert {row["file"] for row in listed} == {"gen_ii.extxyz.gz"}
    assert not (tmp_path / "out" / "relaxed").exists()
    assert "measured as it was generated, not relaxed" in (tmp_path / "page.html").read_text()


def test_relaxed_before(generated, tmp_path):
    relaxed = from_ase(silicon(3, 30)).with_property("energy", np.array([-34.0, -33.0, -32.0]))
    relaxed = relaxed.with_property("converged", np.array([True, True, False]))
    write_extxyz(relaxed, tmp_path / "done.extxyz")
    options = ["--reference", tmp_path / "train.extxyz", "--kind", "amorphous", "--as-is"]
    result = call(tmp_path / "done.extxyz", *options, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    listed = rows(tmp_path / "out" / "structures.csv")
    assert [row["outcome"] for row in listed] == ["measured", "measured", "failed"]
    assert [row["energy_per_atom_eV"] for row in listed] == ["-4.25", "-4.125", ""]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--kind", "interface"], "--potential: interfaces are relaxed with the data set's trained potential"),
        (["--as-is", "--fmax", "0.1"], "--fmax: nothing is relaxed \\(--as-is\\)"),
        (["--as-is", "--report", "nowhere/page.html"], "there is no folder"),
        (["--as-is", "--output", "gen/inside"], "is inside of gen"),
        (["--as-is", "--output", "taken"], "is a folder with other files"),
        (["--as-is", "--workers", "0"], "--workers 0: a number of processes, or auto"),
        (["--as-is", "--kind", "interface", "--oxidation-states", "Na=1"], "none of Si"),
        (["--as-is", "--kind", "alloy", "--oxidation-states", "Si=4"], "do not use oxidation states"),
        (["--calculator", "sww"], "sww"),
    ],
)
def test_wrong_input_is_said_before_anything_takes_time(generated, tmp_path, monkeypatch, more, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    kind = [] if "--kind" in more else ["--kind", "amorphous"]
    result = call("gen", "--reference", "train.extxyz", *kind, *more)
    assert result.exit_code == 1
    assert re.search(said, str(result.exception)), result.exception
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "mine"
    assert not list(tmp_path.rglob("results.json"))


def test_alloys_are_not_relaxed(generated, tmp_path):
    result = call(tmp_path / "gen", "--reference", "small:alloy_300K_wide", "--calculator", "sw")
    assert "--calculator: nothing is relaxed (structures of the kind 'alloy' are measured" in str(result.exception)


def test_a_folder_of_other_structures_is_left_alone(generated, tmp_path):
    assert evaluate(tmp_path, "--steps", 0).exit_code == 0
    (generated / "g0.cif").unlink()
    result = evaluate(tmp_path, "--steps", 0)
    assert "holds the evaluation of other structures" in str(result.exception)


def test_names_of_files_are_no_formulas(tmp_path):
    (tmp_path / "gen").mkdir()
    write_extxyz(from_ase(silicon(2, 1)), tmp_path / "gen" / "=cmd().xyz")
    write_extxyz(from_ase(silicon(3, 5)), tmp_path / "train.extxyz")
    options = ["--reference", tmp_path / "train.extxyz", "--kind", "amorphous", "--as-is"]
    assert call(tmp_path / "gen", *options, "--output", tmp_path / "out").exit_code == 0
    assert {row["file"] for row in rows(tmp_path / "out" / "structures.csv")} == {"'=cmd().xyz"}


def test_without_aiida(generated, tmp_path):
    """Neither the evaluation nor the page imports AiiDA."""
    script = (
        "import sys; from aiida_dismai.engine.main import cli; "
        "cli(sys.argv[1:], standalone_mode=False); "
        "print('loaded', [name for name in sys.modules if name.split('.')[0] == 'aiida'])"
    )
    options = ["--reference", "train.extxyz", "--kind", "amorphous", "--as-is", "--report", "page.html"]
    run = subprocess.run(
        [sys.executable, "-c", script, "evaluate", "gen", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "loaded []" in run.stdout, run.stdout + run.stderr
    assert (tmp_path / "page.html").is_file()


def test_durations():
    assert [course.duration(s) for s in (5, 400, 9000, 400_000, None)] == [
        "5 s",
        "7 min",
        "2 h 30 min",
        "4 d 15 h",
        "an unknown time",
    ]


def test_help_names_what_is_read(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["dismai", "evaluate", "--help"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().out
    assert "folder or zip archive" in " ".join(said.split())


def test_a_task_runs_until_a_structure_is_finished(tmp_path):
    """What takes long for its first structure is given more time before it is said how long all takes."""

    class Slow:
        def __init__(self):
            self.given = []

        def begin(self, name, task, parameters, inputs, max_seconds):
            self.given.append(max_seconds)
            if max_seconds > 100:
                watch({"stage": "relax", "done": 1, "total": 50})
            return False

        def run(self, *arguments):
            self.given.append(None)

    said = []
    steps, watch = Slow(), course.Watch(lambda line, over: said.append(line))
    task = course.Task("relax", "relax", {}, {}, "relaxing")
    assert not course.run_task_with_estimate(steps, task, watch, said.append, dry_run=True)
    assert steps.given == [20, 40, 80, 160]
    assert said[-1].startswith("relaxing: about ")
    assert said[-1].endswith("(1 of 50 structures in 0 s)")
    assert course.run_task_with_estimate(steps, task, watch, said.append, dry_run=False)
    assert steps.given[-1] is None
