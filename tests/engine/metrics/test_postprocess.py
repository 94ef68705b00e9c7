"""Task ``postprocess``: the authors' numbers inside the cell, the right ones across its faces."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from support.interface_reference import DATA

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Unfinished
from aiida_dismai.engine.metrics.parameters import PostprocessParameters
from aiida_dismai.engine.metrics.postprocess import FAILED, NONFINITE, push_apart, run
from aiida_dismai.engine.neighbours import close_pairs
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.structures import StructureSet, load_structures, read_npz, write_npz

#: Structures of gen_overlap in which no pair is close across a face of the cell.
INSIDE = (0, 1, 2, 4)
DEFAULT = PostprocessParameters()
COMPAT = PostprocessParameters(compat=True)
PERIODIC = np.ones(3, dtype=bool)


@pytest.fixture(scope="module")
def overlaps() -> StructureSet:
    return load_structures(DATA / "inputs" / "gen_overlap.extxyz.gz")


def push(structures: StructureSet, i: int, parameters: PostprocessParameters = DEFAULT):
    own = structures.atoms_of(i)
    return push_apart(structures.positions[own], structures.cells[i], structures.pbc[i], parameters)


def context_for(folder: Path, structures: StructureSet, **more) -> Context:
    write_npz(structures, folder / "in.npz")
    return Context(folder, inputs={"structures": folder / "in.npz"}, **more)


@pytest.mark.parametrize("i", INSIDE)
def test_pairs_inside_the_cell_as_the_authors(overlaps, i):
    clean = load_structures(DATA / "apart" / "gen_clean.extxyz.gz")
    with gzip.open(DATA / "apart" / "too_close_count.csv.gz", "rt") as handle:
        iterations = {int(row["No"]) - 1: int(row["iterations"]) for row in csv.DictReader(handle)}
    positions, rounds = push(overlaps, i)
    assert rounds == iterations[i]
    assert np.abs(positions - clean.positions[clean.atoms_of(i)]).max() < 1e-8  # the file has eight decimals


def test_too_few_rounds_fail_as_the_authors(overlaps):
    with (DATA / "apart_max3" / "too_close_count.csv").open() as handle:
        accepted = {int(row["No"]) - 1 for row in csv.DictReader(handle)}
    few = PostprocessParameters(max_rounds=3)
    assert {i for i in INSIDE if push(overlaps, i, few)[1] != FAILED} == accepted & set(INSIDE)


def read_log(folder: str) -> dict[int, int]:
    path = next((DATA / folder).glob("too_close_count.csv*"))
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as handle:
        csv.field_size_limit(10**8)
        return {int(row["No"]) - 1: int(row["iterations"]) for row in csv.DictReader(handle)}


@pytest.mark.parametrize(("folder", "max_rounds"), [("apart", 100), ("apart_max3", 3)])
def test_compat_gives_the_authors_files(overlaps, tmp_path, folder, max_rounds):
    iterations = read_log(folder)
    results = run(context_for(tmp_path, overlaps), PostprocessParameters(max_rounds=max_rounds, compat=True))
    out = read_npz(tmp_path / "structures.npz")
    assert dict(zip(out.values("source_index").tolist(), out.values("rounds").tolist(), strict=True)) == iterations
    assert results["failed_indices"] == sorted(set(range(6)) - set(iterations))
    clean = load_structures(DATA / folder / "gen_clean.extxyz.gz")
    assert np.array_equal(out.numbers, clean.numbers)
    assert np.abs(out.positions - clean.positions).max() < 1e-8  # the file has eight decimals


def test_compat_moves_by_a_cell_and_once_where_the_default_does_not():
    positions = np.array([[0.2, 4.0, 4.0], [7.7, 4.0, 4.0]])  # 0.5 Å apart through the boundary
    cell = np.eye(3) * 8.0
    ours, _ = push_apart(positions, cell, PERIODIC, DEFAULT)
    theirs, _ = push_apart(positions, cell, PERIODIC, COMPAT)
    assert np.allclose(ours[1], [6.6, 4, 4])
    assert np.allclose(theirs[1], [1.8, 4, 4])
    # Close through two images: theirs is one push, ours two.
    narrow = np.diag([2.0, 8.0, 8.0])
    positions = np.array([[0.0, 0, 0], [1.0, 0.4, 0]])
    theirs, rounds = push_apart(positions, narrow, PERIODIC, PostprocessParameters(max_rounds=2, compat=True))
    assert rounds == FAILED
    assert np.allclose(positions[1] / np.linalg.norm(positions[1]) * 1.6, theirs[1])


def test_compat_makes_no_nan_of_coincident_atoms():
    cell = np.eye(3) * 8.0
    new, rounds = push_apart(np.array([[1.0, 1, 1], [1.0, 1, 1]]), cell, PERIODIC, COMPAT)
    assert rounds == 2
    assert np.linalg.norm(new[1] - new[0]) == pytest.approx(1.6)
    assert push_apart(np.zeros((1, 3)), np.eye(3) * 1.2, PERIODIC, COMPAT)[1] == FAILED


def test_pairs_across_the_boundary_are_pushed_through_it(overlaps):
    """The authors move these atoms by nearly a cell (more than 10 Å)."""
    own = overlaps.atoms_of(3)
    positions, rounds = push(overlaps, 3)
    assert rounds > 1
    assert overlaps[3].with_positions(positions).closest_pair(0) >= 1.5
    moved = np.linalg.norm(positions - overlaps.positions[own], axis=1)
    assert 0.9 < moved.max() < 3
    clean = load_structures(DATA / "apart" / "gen_clean.extxyz.gz")
    theirs = np.linalg.norm(clean.positions[own] - overlaps.positions[own], axis=1)
    assert theirs.max() > 10


def test_one_pair_across_an_oblique_boundary():
    cell = np.array([[6.0, 0, 0], [2.0, 7, 0], [0, 0, 8]])
    positions = np.array([[0.2, 0.1, 1.0], [0.2, 0.1, 1.0] + cell[1] - [0, 0.5, 0]])
    new, rounds = push_apart(positions, cell, PERIODIC, DEFAULT)
    assert rounds == 2
    assert np.array_equal(new[0], positions[0])
    assert np.allclose(new[1], positions[0] + cell[1] - [0, 1.6, 0], atol=1e-12)


def test_a_crowd_is_dissolved(overlaps):
    positions, rounds = push(overlaps, 5)
    assert 2 < rounds <= 100
    assert overlaps[5].with_positions(positions).closest_pair(0) >= 1.5


def test_coincident_atoms_get_a_direction():
    cell = np.eye(3) * 8.0
    positions = np.array([[1.0, 1, 1], [1.0, 1, 1], [9.0, 1, 1]])  # the third one through the boundary
    new, rounds = push_apart(positions, cell, PERIODIC, DEFAULT)
    assert rounds > 1
    assert np.isfinite(new).all()
    assert not len(close_pairs(new, cell, PERIODIC, 1.5).first)
    assert np.array_equal(new, push_apart(positions, cell, PERIODIC, DEFAULT)[0])


def test_what_cannot_be_pushed():
    assert push_apart(np.zeros((1, 3)), np.eye(3) * 1.2, PERIODIC, DEFAULT)[1] == FAILED
    assert push_apart(np.full((1, 3), np.nan), np.eye(3) * 4.0, PERIODIC, DEFAULT)[1] == NONFINITE


def test_the_task(overlaps, tmp_path):
    structures = overlaps.with_property("energy", np.arange(6.0)).with_property("source", np.array(list("abcdef")))
    positions = structures.positions.copy()
    positions[structures.atoms_of(2)][5, 1] = np.nan
    context = context_for(tmp_path, structures.with_positions(positions))
    results = run(context, PostprocessParameters(max_rounds=3))
    assert results["n_structures"] == 6
    assert results["failed_nonfinite"] == 1
    assert results["failed_indices"] == [1, 2, 3, 5]
    assert results["failed"] == 3
    assert (results["n_passed"], results["n_changed"]) == (2, 1)
    assert (results["max_rounds"], results["mean_rounds"]) == (2, 1.5)
    out = read_npz(tmp_path / "structures.npz")
    assert out.values("source_index").tolist() == [0, 4]
    assert out.values("rounds").tolist() == [2, 1]
    assert out.values("source").tolist() == ["a", "e"]
    assert "energy" not in out.properties  # it belonged to the old positions
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [line["done"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_close_pairs_are_counted_as_generated(tmp_path):
    cell, far = np.eye(3) * 10.0, [[0, 0, 0], [5, 5, 5], [5, 5, 1.0]]
    near = [[0.2, 0, 0], [9.5, 0, 0], [1.0, 0.5, 0]]  # two pairs, one of them across a face; the third is 1.58 Å apart
    structures = StructureSet.from_uniform([3, 3, 3], np.array([far, near, np.full((3, 3), np.nan)]), cell)
    results = run(context_for(tmp_path, structures), DEFAULT)
    assert results["mean_close_pairs"] == 1.0
    assert results["n_changed"] == 1


def test_none_passes(overlaps, tmp_path):
    rubbish = overlaps.with_positions(np.full_like(overlaps.positions, np.nan))
    results = run(context_for(tmp_path, rubbish), DEFAULT)
    assert (results["n_passed"], results["failed_nonfinite"], results["mean_rounds"]) == (0, 6, None)
    assert results["mean_close_pairs"] is None
    assert len(read_npz(tmp_path / "structures.npz")) == 0


def test_empty_set(tmp_path):
    with pytest.raises(BadInput, match="empty"):
        run(context_for(tmp_path, StructureSet.empty()), DEFAULT)


def test_goes_on_after_the_time_is_up(overlaps, tmp_path):
    (tmp_path / "straight").mkdir()
    expected = run(context_for(tmp_path / "straight", overlaps), DEFAULT)
    for done in range(1, 6):
        with pytest.raises(Unfinished, match=f"{done} of 6"):
            run(context_for(tmp_path, overlaps, max_seconds=0.0), DEFAULT)
    with pytest.raises(BadInput, match=r"another run \(parameters\.max_rounds differs\)"):
        run(context_for(tmp_path, overlaps), PostprocessParameters(max_rounds=7))
    assert run(context_for(tmp_path, overlaps), DEFAULT) == expected
    assert (tmp_path / "structures.npz").read_bytes() == (tmp_path / "straight" / "structures.npz").read_bytes()


def test_any_number_of_workers_gives_the_same_file(overlaps, tmp_path):
    many = StructureSet.concatenate([overlaps, overlaps.with_positions(overlaps.positions + 0.1)])
    files, found = set(), []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        found.append(run(context_for(folder, many), PostprocessParameters(workers=workers)))
        files.add((folder / "structures.npz").read_bytes())
        lines = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
        assert [line["done"] for line in lines] == list(range(1, 13))
    assert len(files) == 1
    assert found[0] == found[1]


def test_parameters():
    with pytest.raises(BadInput, match="'min_distanc'; did you mean 'min_distance'"):
        validate(PostprocessParameters, {"min_distanc": 1.0}, "postprocess")
    with pytest.raises(BadInput, match="not above min_distance"):
        validate(PostprocessParameters, {"min_distance": 1.6}, "postprocess")
