"""The task amorphous.quench: structures, resumption, rejection, refusal."""

import json

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from aiida_dismai.engine.amorphous.making import Attempt
from aiida_dismai.engine.amorphous.quench import run as quench_run
from aiida_dismai.engine.amorphous.quench.course import Course, quench_one
from aiida_dismai.engine.amorphous.quench.parameters import QuenchParameters
from aiida_dismai.engine.amorphous.quench.run import choose_dynamics, run
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, NothingLeft, Unfinished
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import read_npz, to_ase

pytest.importorskip("lammps")

#: Quick: 64 atoms, four thousand timesteps.
QUICK = {"n_atoms": 64, "timestep": 1.0, "rate": 1e15, "melt_time": 1.0, "melt_displacement": 3.0, "gate": {}}
#: Copper by ASE's effective medium theory, a few hundred timesteps.
COPPER = {
    "element": "Cu",
    "n_atoms": 16,
    "density": 8.0,
    "potential": "ase.calculators.emt:EMT",
    "melt_temperature": 3000,
    "rate": 2e16,
    "melt_time": 0.1,
    "melt_displacement": 0.5,
    "timestep": 2.0,
    "gate": {},
    "energies": None,
}


class Impatient(Context):
    """A context whose time is up when it is asked for the n-th time."""

    left = 10**9

    def out_of_time(self) -> bool:
        self.left -= 1
        return self.left < 0


def start(folder, seed=3, left=10**9, **values):
    folder.mkdir(exist_ok=True)
    context = Impatient(folder, seed)
    context.left = left
    return run(context, QuenchParameters(**values))


def test_a_quench_by_lammps(tmp_path):
    results = start(tmp_path, n_structures=2, **QUICK)
    structures = read_npz(tmp_path / "structures.npz")
    assert results["n_structures"] == len(structures) == 2
    assert results["timesteps"] == 1000 + 2700
    assert results["estimated_hours"] > 0
    assert results["potential_file"]["name"] == "Si.vink.sw"
    assert results["density"] == pytest.approx(2.28)
    assert results["coordination_percent"]["4"] > 70
    assert results["crystalline_percent"] < 20
    # between that of diamond, -4.65 eV, and a liquid
    assert -4.6 < results["energy_per_atom"] < -4.1
    assert (structures.values("melt_displacement") >= 3).all()
    assert structures.values("melt_time").tolist() == [1.0, 1.0]
    assert structures.properties["quench_energy"].unit == "eV"
    dynamics = choose_dynamics(QuenchParameters(**QUICK))
    for atoms, energy in zip(to_ase(structures.without_properties()), structures.values("quench_energy"), strict=True):
        atoms.calc = dynamics.calculator
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-9)
        assert np.linalg.norm(atoms.get_forces(), axis=1).max() < 0.05
        assert neighbor_list("d", atoms, 3.0).min() > 2.0
        scaled = atoms.get_scaled_positions(wrap=False)
        assert scaled.min() >= -1e-9
        assert scaled.max() < 1 + 1e-9
    first, second = structures.positions[:64], structures.positions[64:]
    assert np.abs(first - second).max() > 1


def test_a_structure_is_the_same_however_the_work_is_divided(tmp_path):
    quick = QUICK | {"n_atoms": 27, "melt_displacement": 1.0, "melt_time": 0.3, "rate": 5e15}
    start(tmp_path / "whole", n_structures=2, **quick)
    start(tmp_path / "part", first=1, **quick)
    whole = read_npz(tmp_path / "whole" / "structures.npz")
    assert read_npz(tmp_path / "part" / "structures.npz") == whole[1:]
    start(tmp_path / "other", seed=4, first=1, **quick)
    assert read_npz(tmp_path / "other" / "structures.npz") != whole[1:]


@pytest.mark.parametrize(
    ("values", "piece"),
    [
        (QUICK | {"rate": 2e15, "melt_time": 0.4, "ensemble": "npt", "max_hours": 1}, 200),
        (QUICK | {"rate": 2e15, "melt_time": 0.4, "n_atoms": 216, "density": 2.0}, 150),
        (COPPER, 10),
    ],
)
def test_a_stopped_quench_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, values, piece):
    def shorter(parameters):
        dynamics = choose_dynamics(parameters)
        dynamics.piece = piece
        return dynamics

    monkeypatch.setattr(quench_run, "choose_dynamics", shorter)
    start(tmp_path / "whole", n_structures=1, **values)
    # four stops after two pieces each, then one inside the minimisation
    for stops, left in enumerate((3, 3, 3, 3, 12), start=1):
        with pytest.raises(Unfinished):
            start(tmp_path / "stopped", n_structures=1, left=left, **values)
        (state,) = (tmp_path / "stopped" / "checkpoint").glob("attempt_*/course.npz")
        course = Course.load(state, QuenchParameters(**values).n_atoms)
        assert course.pieces == 2 * stops if stops < 5 else course.quenched == QuenchParameters(**values).quench_steps
    resumed = start(tmp_path / "stopped", n_structures=1, **values)
    assert "estimated_hours" not in resumed
    whole, stopped = (read_npz(tmp_path / name / "structures.npz") for name in ("whole", "stopped"))
    if values is COPPER:  # EMT keeps a neighbour list, in an order that depends on the past
        np.testing.assert_allclose(stopped.positions, whole.positions, atol=1e-6)
    else:
        assert stopped.positions.tolist() == whole.positions.tolist()
        assert stopped == whole
    assert list((tmp_path / "stopped" / "checkpoint").glob("attempt_*")) == []


def test_a_damaged_half_way_state_is_begun_anew(tmp_path):
    given = QuenchParameters(**COPPER)
    dynamics = choose_dynamics(given)
    made = []
    for text in (None, b"PK\x03\x04 not a zip"):
        scratch = tmp_path / str(len(made))
        scratch.mkdir()
        if text:
            (scratch / "course.npz").write_bytes(text)
        made.append(quench_one(Attempt(0, 0, 3, scratch, Context(tmp_path, 3)), given, dynamics))
    assert made[0].structure == made[1].structure


def test_a_free_cell_forgets_the_density_it_began_with(tmp_path):
    densities = []
    free = {"ensemble": "npt", "potential": "sw", "barostat_time": 200.0, "timestep": 2.0, "melt_temperature": 2200}
    for begun in (2.0, 2.8):
        results = start(tmp_path / str(begun), **(QUICK | free | {"density": begun, "melt_time": 2.0, "n_atoms": 125}))
        densities.append(results["density"])
    # a quenched Stillinger–Weber liquid, 2.46 g/cm³ at melting, is denser than diamond, 2.33
    assert densities == pytest.approx([2.4, 2.4], abs=0.12)


# ---------------------------------------------------------------------- rejected
def test_what_does_not_melt_is_rejected(tmp_path):
    cold = QUICK | {
        "melt_temperature": 310,
        "melt_time": 0.05,
        "melt_displacement": 30,
        "rate": 1e14,
        "max_attempts": 2,
    }
    with pytest.raises(NothingLeft, match=r"in 2 attempts: did not melt 2×"):
        start(tmp_path, **cold)


def test_what_breaks_down_is_rejected(tmp_path):
    wild = QUICK | {"timestep": 10.0, "melt_temperature": 20_000, "rate": 1e17, "max_attempts": 1}
    with pytest.raises(NothingLeft, match=r"the molecular dynamics broke down 1×"):
        start(tmp_path, **wild)


def test_the_gate_rejects_and_counts(tmp_path):
    strict = QUICK | {"gate": {"max_angle_sigma": 5.0}, "max_attempts": 2, "melt_time": 0.2, "rate": 5e15}
    with pytest.raises(NothingLeft, match=r"bond angles too wide 2×"):
        start(tmp_path, **(strict | {"melt_displacement": 1.0}))


def test_a_minimisation_that_does_not_end_is_rejected(tmp_path):
    with pytest.raises(NothingLeft, match=r"the minimisation ran out of steps 1×"):
        start(tmp_path, **(COPPER | {"relax_steps": 1, "fmax": 1e-6, "max_attempts": 1}))


# ---------------------------------------------------------------------- refused
def test_days_are_refused_before_anything_runs_and_a_running_one_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(quench_run, "seconds_per_step", lambda *_: 3600.0)
    with pytest.raises(BadInput, match="estimated to take"):
        start(tmp_path / "new", **COPPER)
    assert not list((tmp_path / "new").glob("structures.npz"))
    monkeypatch.undo()
    with pytest.raises(Unfinished):
        start(tmp_path / "begun", left=2, **COPPER)
    monkeypatch.setattr(quench_run, "seconds_per_step", lambda *_: 3600.0)
    assert start(tmp_path / "begun", **COPPER)["n_structures"] == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_atoms": 1000, "rate": 1e9}, "estimated to take"),
        ({"density": 12.0}, "would overlap"),
        ({"element": "Ge"}, "the potential 'sw_vink' (Si.vink.sw) does not know Ge; it knows Si"),
        ({"potential": "gap", "potential_kwargs": {"param_filename": "gone.xml"}, "rate": 1e14}, "no such file"),
        (
            {"potential": "lammps", "potential_kwargs": {"pair_style": "sw", "file": "gone.sw", "elements": ["Si"]}},
            "no potential file gone.sw",
        ),
        (
            {"potential": "no_such_module:Thing"},
            "'no_such_module:Thing' is a function of a Python module and no registered calculator",
        ),
    ],
)
def test_bad_input_ends_the_task_before_anything_runs(tmp_path, values, message):
    file = tmp_path / "task.json"
    file.write_text(json.dumps({"task": "amorphous.quench", "seed": 1, "parameters": values}))
    assert run_task(file, report=lambda _: None) == 1
    error = json.loads((tmp_path / "results.json").read_text())["error"]
    assert error["kind"] == "bad_input"
    assert message in error["message"]
