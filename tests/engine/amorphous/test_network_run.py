"""The course of a network, its stops, and the task."""

import json

import numpy as np
import pytest

from aiida_dismai.engine.amorphous.bonds import bonds_within
from aiida_dismai.engine.amorphous.crystallinity import crystalline
from aiida_dismai.engine.amorphous.making import Attempt, Rejected
from aiida_dismai.engine.amorphous.network import keating, run
from aiida_dismai.engine.amorphous.network.annealing import ANNEAL, OVER, QUENCH, RANDOMISE, Course
from aiida_dismai.engine.amorphous.network.geometry import (
    angle_sigma,
    bonds_of,
    otherwise_bonded,
    structure_of,
    wrapped,
)
from aiida_dismai.engine.amorphous.network.parameters import NetworkParameters
from aiida_dismai.engine.amorphous.rings import ring_counts
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Unfinished
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import read_npz

#: Small and soft, so that a structure takes a second or two.
QUICK = {"n_atoms": 64, "angle_sigma": 13.0, "annealing": 1500, "energies": None}


def attempt_in(folder, index=0, number=0, stop=None):
    """An attempt that is out of time from some look at the clock on."""

    class Stopped(Attempt):
        looks = 0

        def out_of_time(self):
            self.looks += 1
            return stop is not None and self.looks >= stop

    folder.mkdir(exist_ok=True)
    return Stopped(index, number, 5, folder, Context(folder, 5))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return run.make_network(attempt_in(tmp_path_factory.mktemp("made")), NetworkParameters(**QUICK))


def test_a_network_is_fourfold_amorphous_and_relaxed(made, tmp_path):
    course = run.anneal(attempt_in(tmp_path / "again"), NetworkParameters(**QUICK))
    course.finish()
    network = course.network
    assert np.array_equal(structure_of(network, 14).positions, made.structure.positions)
    bonds = bonds_of(wrapped(network))
    assert (bonds.coordination == 4).all()
    counts = ring_counts(bonds.start, bonds.neighbour, bonds.image, 8)
    assert counts[3] == 0
    assert counts[4] == made.numbers["four_rings"]
    # diamond has hexagons only; good networks have about half a pentagon and a heptagon per atom (Barkema, Mousseau)
    assert counts[5] > 10
    assert counts[7] > 10
    assert not crystalline(bonds.start, bonds.neighbour, bonds.vectors).any()
    slope = np.zeros((64, 3))
    energy = keating.gradient(np.arange(64), *network, course.constants, slope)
    assert np.abs(slope).max() < 1e-4
    assert made.numbers["keating_energy"] == pytest.approx(energy / 64, rel=1e-9)
    assert 0.2 < energy / 64 < 0.6
    # all angles between bonds of the list, by hand
    units = bonds.vectors.reshape(64, 4, 3) / bonds.lengths.reshape(64, 4, 1)
    cosines = np.einsum("iax,ibx->iab", units, units)[:, *np.triu_indices(4, 1)]
    assert np.degrees(np.arccos(cosines)).std() == pytest.approx(made.numbers["keating_sigma"])
    assert made.numbers["keating_sigma"] == pytest.approx(angle_sigma(network))
    assert made.numbers["keating_sigma"] <= 13.05


def test_the_structure_lies_in_its_cube_at_the_density(made):
    structure = made.structure
    edge = structure.cells[0, 0, 0]
    assert (structure.cells[0] == edge * np.eye(3)).all()
    assert ((structure.positions >= 0) & (structure.positions < edge)).all()
    assert (structure.numbers == 14).all()
    # 64 atoms of 28.085 u at 2.28 g/cm³
    assert edge**3 == pytest.approx(64 * 28.085 * 1.66053906660 / 2.28, rel=1e-5)


def test_atoms_bonded_otherwise_are_counted(made, tmp_path):
    course = run.anneal(attempt_in(tmp_path / "again"), NetworkParameters(**QUICK))
    course.finish()
    longest = float(bonds_of(course.network).lengths.max())
    assert made.numbers["otherwise_bonded"] == otherwise_bonded(course.network, 2.85)
    # with every distance known: no cutoff finds less than the bonds, a short one cuts off some, a long one adds many
    for cutoff in (2.3, longest + 1e-6, 3.3):
        near = bonds_within(made.structure, cutoff)
        listed = bonds_of(wrapped(course.network))
        wrong = 0
        for i in range(64):
            rows = [slice(b.start[i], b.start[i + 1]) for b in (near, listed)]
            pairs = [
                {(j, *image) for j, image in zip(b.neighbour[r].tolist(), b.image[r].tolist(), strict=True)}
                for b, r in zip((near, listed), rows, strict=True)
            ]
            wrong += pairs[0] != pairs[1]
        assert otherwise_bonded(course.network, cutoff) == wrong
        assert (wrong > 0) == (cutoff != longest + 1e-6) or cutoff > longest


def test_a_stopped_course_goes_on_to_the_last_bit(made, tmp_path):
    """Stopped five times, before the first block and in the midst of the annealing, by another object each time."""
    parameters = NetworkParameters(**QUICK)
    folder = tmp_path / "stopped"
    for stop in (1, 2, 3, 2, 4):
        with pytest.raises(Unfinished, match="run again to resume"):
            run.make_network(attempt_in(folder, stop=stop), parameters)
        assert (folder / run.STATE).is_file()
    again = run.make_network(attempt_in(folder), parameters)
    assert again.numbers == made.numbers
    assert np.array_equal(again.structure.positions, made.structure.positions)


def test_a_quench_that_is_stopped_goes_on(tmp_path):
    parameters = NetworkParameters(n_atoms=130, angle_sigma=9.0, annealing=30, rounds=1, quench_sweeps=4)
    one = Course(parameters, np.random.default_rng(1))
    while one.phase != QUENCH:
        one.go_on()
    one.go_on()
    assert len(one.pending) == 0 or one.pending.size < 18 * 130
    one.save(tmp_path / "half.npz")
    two = Course(parameters, np.random.default_rng(2))
    two.load(tmp_path / "half.npz")
    for course in (one, two):
        while course.phase != OVER:
            course.go_on()
    assert np.array_equal(one.positions, two.positions)
    assert (one.energy, one.accepted, one.trials) == (two.energy, two.accepted, two.trials)


def test_phases_follow_each_other_and_rounds_begin_less_hot():
    parameters = NetworkParameters(n_atoms=64, angle_sigma=9.0, randomise=1.0, annealing=20, rounds=2, quench_sweeps=1)
    course = Course(parameters, np.random.default_rng(0))
    seen = []
    while course.phase != OVER:
        seen.append((course.round, course.phase))
        course.go_on()
    assert list(dict.fromkeys(seen)) == [(0, RANDOMISE), (0, ANNEAL), (0, QUENCH), (1, ANNEAL), (1, QUENCH)]
    # 64 transpositions, twice 20 per atom, and a sweep over 18 chains per atom after either
    assert course.trials == 64 + 2 * 20 * 64 + 2 * 18 * 64


def test_a_quench_ends_where_no_transposition_lowers_the_energy():
    parameters = NetworkParameters(n_atoms=64, angle_sigma=9.0, annealing=300, rounds=1, quench_sweeps=100)
    course = Course(parameters, np.random.default_rng(0))
    while course.phase != OVER:
        before = course.energy
        was = course.phase
        course.go_on()
        if was == QUENCH:
            assert course.energy <= before
    assert course.sweeps < 100
    accepted = course.accepted
    course._switch(np.arange(36 * 64), np.full(36 * 64, -1e-3))
    assert course.accepted == accepted


def test_free_volume_is_that_of_least_energy(tmp_path):
    parameters = NetworkParameters(**QUICK | {"volume": "relaxed", "density": 2.2})
    course = run.anneal(attempt_in(tmp_path / "free"), parameters)
    course.finish()
    assert keating.best_scale(*course.network, course.constants) == pytest.approx(1, abs=1e-5)
    # Keating networks are about as dense as the crystal, whatever they begin with
    assert course.box**3 == pytest.approx(64 * 28.085 * 1.66053906660 / 2.334, rel=0.06)
    assert abs(course.box - parameters.edge) > 0.05


def test_no_four_rings_on_demand(tmp_path):
    made = run.make_network(
        attempt_in(tmp_path / "five"), NetworkParameters(**QUICK | {"smallest_ring": 5, "angle_sigma": 14.0})
    )
    assert made.numbers["four_rings"] == 0


def test_other_elements_are_scaled(tmp_path):
    """Germanium with springs of its own length."""
    germanium = NetworkParameters(**QUICK | {"element": "Ge", "bond_length": 2.45, "density": 5.2})
    made = run.make_network(attempt_in(tmp_path / "ge"), germanium)
    assert (made.structure.numbers == 32).all()
    near = bonds_within(made.structure, 2.97)
    assert near.lengths.mean() == pytest.approx(2.45, abs=0.06)


def test_angles_that_are_not_reached_reject_the_attempt(tmp_path):
    parameters = NetworkParameters(n_atoms=64, angle_sigma=9.0, annealing=5, rounds=1, quench_sweeps=1, energies=None)
    with pytest.raises(Rejected, match="angle sigma not reached"):
        run.make_network(attempt_in(tmp_path / "poor"), parameters)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_atoms": 255}, "even number of atoms; give 256"),
        ({"n_atoms": 30}, "n_atoms"),
        ({"density": 3.2}, "density 3.2 g/cm³ is impossible for fourfold Si .* give 1.98 to 2.68"),
        ({"density": 1.0}, "impossible"),
        ({"element": "Sy"}, "'Sy' is not a chemical symbol"),
        ({"element": "Ge"}, "impossible for fourfold Ge with bonds of 2.35"),
        ({"hot": 0.1}, r"cold \(0.2 eV\) must not exceed hot \(0.1 eV\)"),
        ({"angle_sigma": 20}, "angle_sigma"),
        ({"smallest_ring": 3}, "smallest_ring"),
        ({"forecast": 0}, "forecast"),
    ],
)
def test_bad_parameters_are_refused(values, message):
    with pytest.raises(BadInput, match=message):
        validate(NetworkParameters, values, "amorphous.network")


def task_in(folder, **parameters):
    folder.mkdir()
    told = {"task": "amorphous.network", "seed": 5, "parameters": {**QUICK, **parameters}}
    (folder / "task.json").write_text(json.dumps(told))
    return folder / "task.json"


def test_the_task_gives_the_same_structures_however_it_is_divided(made, tmp_path):
    assert run_task(task_in(tmp_path / "whole", n_structures=2)) == 0
    whole = read_npz(tmp_path / "whole" / "structures.npz")
    assert run_task(task_in(tmp_path / "second", first=1)) == 0
    second = read_npz(tmp_path / "second" / "structures.npz")
    assert np.array_equal(whole[1].positions, second.positions)
    assert not np.array_equal(whole[0].positions, whole[1].positions)
    # seed 5, structure 0, attempt 0
    assert np.array_equal(whole[0].positions, made.structure.positions)
    results = json.loads((tmp_path / "whole" / "results.json").read_text())
    assert results["n_structures"] == 2
    assert results["averages"]["keating_sigma"] <= 13.05
    assert results["rings_per_atom"]["5"] > 0.2
    assert results["crystalline_percent"] <= 5
    assert results["density"] == pytest.approx(2.28)
    assert whole.properties["keating_energy"].unit == "eV"
    assert (whole.properties["transpositions"].values > 100).all()


def test_a_task_in_which_nothing_is_good_enough_says_why(tmp_path):
    path = task_in(tmp_path / "none", angle_sigma=9.0, annealing=5, rounds=1, quench_sweeps=1, max_attempts=2)
    told = []
    assert run_task(path, report=told.append) == 1
    assert "angle sigma not reached 2×" in told[0]
