"""Keating's energy beside a plain sum over bonds and angles, finite differences, and SciPy's minimisers."""

import itertools

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize, minimize_scalar

from aiida_dismai.engine.amorphous.network import keating
from aiida_dismai.engine.amorphous.network.diamond import diamond_network
from aiida_dismai.engine.amorphous.network.geometry import wrapped
from aiida_dismai.engine.amorphous.network.switching import find_chain, switch

ALPHA, RATIO, D = 2.965, 0.285, 2.35
CONSTANTS = keating.constants_of(ALPHA, RATIO, D)


def switched(n_atoms=64, seed=0, noise=0.1, times=8):
    """A network that is no crystal any more, with atoms outside the box."""
    network = diamond_network(n_atoms, 4 * D / 3**0.5 * (n_atoms / 8) ** (1 / 3) * 1.01)
    rng = np.random.default_rng(seed)
    while times:
        i, j, k, l = find_chain(rng.integers(36 * n_atoms), network.bonded)  # noqa: E741
        if i != l and k not in network.bonded[i] and l not in network.bonded[j]:
            switch(i, j, k, l, network.bonded, network.images)
            times -= 1
    return network._replace(positions=network.positions + rng.normal(0, noise, (n_atoms, 3)))


def plain_energy(network, positions=None):
    """The sum as it is written, over the bonds that the list names."""
    positions = network.positions if positions is None else positions
    energy = 0.0
    for i in range(len(positions)):
        vectors = [
            positions[j] + network.box * image - positions[i]
            for j, image in zip(network.bonded[i], network.images[i], strict=True)
        ]
        energy += sum(3 / 16 * ALPHA / D**2 * (v @ v - D**2) ** 2 for v in vectors) / 2
        pairs = itertools.combinations(vectors, 2)
        energy += sum(3 / 8 * RATIO * ALPHA / D**2 * (v @ w + D**2 / 3) ** 2 for v, w in pairs)
    return energy


def energy_and_slope(network, flat):
    n = len(network.positions)
    slope = np.zeros((n, 3))
    positions = np.ascontiguousarray(flat.reshape(-1, 3))
    energy = keating.gradient(
        np.arange(n), positions, network.bonded, network.images, network.box, CONSTANTS, slope
    )  # fmt: skip
    return energy, slope.ravel()


def relaxed(network, movers=None, owners=None, rest=0.0, limits=(1e-16, 3000, 10**6, np.inf, 0.0)):
    n = len(network.positions)
    positions = network.positions.copy()
    everyone = np.arange(n)
    room, direction = np.zeros((n, 3)), np.zeros((n, 3))
    result = keating.relax(
        everyone if movers is None else movers,
        everyone if owners is None else owners,
        positions, network.bonded, network.images, network.box, CONSTANTS, rest, np.array(limits), room, direction,
    )  # fmt: skip
    assert not direction.any()
    return positions, *result


@pytest.mark.parametrize("seed", range(3))
def test_energy_is_the_sum_over_bonds_and_angles(seed):
    network = switched(seed=seed)
    n = len(network.positions)
    owned = np.zeros(n)
    total = keating.owned_energies(np.arange(n), *network, CONSTANTS, owned)
    assert total == pytest.approx(plain_energy(network), rel=1e-12)
    assert owned.sum() == pytest.approx(total, rel=1e-12)
    assert energy_and_slope(network, network.positions)[0] == pytest.approx(total, rel=1e-12)
    inside = wrapped(network)
    assert (inside.positions >= 0).all()
    assert (inside.positions < inside.box).all()
    assert plain_energy(inside) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("scale", [0.95, 1.0, 1.02])
def test_a_stretched_crystal_costs_what_the_formula_says(scale):
    """Per atom two bonds, r² = s² d², and six angles, r₁·r₂ = -s² d²/3."""
    network = diamond_network(216, 4 * D / 3**0.5 * 3 * scale)
    total = keating.owned_energies(np.arange(216), *network, CONSTANTS, np.zeros(216))
    excess = scale**2 - 1
    expected = 2 * 3 / 16 * ALPHA * D**2 * excess**2 + 6 * 3 / 8 * RATIO * ALPHA * D**2 * excess**2 / 9
    assert total / 216 == pytest.approx(expected, abs=1e-12)


def test_forces_are_the_slope_of_the_energy():
    network = switched()
    flat = network.positions.ravel()
    error = check_grad(
        lambda x: energy_and_slope(network, x)[0], lambda x: energy_and_slope(network, x)[1], flat, epsilon=1e-7
    )
    assert error < 1e-4 * np.linalg.norm(energy_and_slope(network, flat)[1])
    for atom, axis in [(0, 0), (17, 1), (63, 2)]:
        step = np.zeros((64, 3))
        step[atom, axis] = 1e-5
        difference = (
            plain_energy(network, network.positions + step) - plain_energy(network, network.positions - step)
        ) / 2e-5
        assert energy_and_slope(network, flat)[1].reshape(-1, 3)[atom, axis] == pytest.approx(difference, rel=1e-6)


def test_a_part_of_the_network_has_the_slope_of_the_whole():
    network = switched()
    movers = np.array([3, 10, *network.bonded[3]])
    owners = np.unique(np.concatenate([movers, network.bonded[movers].ravel()]))
    slope = np.full((64, 3), np.nan)
    keating.gradient(owners, *network, CONSTANTS, slope)
    whole = energy_and_slope(network, network.positions)[1].reshape(-1, 3)
    np.testing.assert_allclose(slope[movers], whole[movers], atol=1e-10)


def test_energy_along_a_line_is_a_quartic():
    network = switched()
    direction = np.random.default_rng(1).normal(size=(64, 3))
    quartic = np.zeros(5)
    keating.along_line(np.arange(64), *network, CONSTANTS, direction, quartic)
    for t in (-0.3, 0.0, 0.2, 1.0):
        expected = plain_energy(network, network.positions + t * direction)
        assert np.polyval(quartic[::-1], t) == pytest.approx(expected, rel=1e-11)


def test_lowest_point_of_random_quartics():
    rng = np.random.default_rng(2)
    tried = 0
    while tried < 100:
        # a sum of squares of quadratics, as the energy is
        quartic = sum(np.polymul(p, p) for p in rng.normal(size=(4, 3)))[::-1]
        if quartic[1] >= 0:
            continue
        tried += 1
        t = keating.lowest_on_line(quartic)
        slope = np.polyder(quartic[::-1])
        minima = [
            root.real
            for root in np.roots(slope)
            if abs(root.imag) < 1e-9 and root.real > 0 and np.polyval(np.polyder(slope), root.real) > 0
        ]
        assert min(abs(t - root) for root in minima) < 1e-6 * max(1, t)
        assert np.polyval(quartic[::-1], t) < quartic[0]


@pytest.mark.parametrize("seed", range(2))
def test_relaxation_finds_the_minimum_that_scipy_finds(seed):
    network = switched(seed=seed, noise=0.02, times=3)
    positions, energy, forces, end, _ = relaxed(network)
    assert end == keating.CONVERGED
    assert forces <= 1e-16
    found = minimize(
        lambda x: energy_and_slope(network, x), network.positions.ravel(), jac=True, method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000, "maxfun": 10_000},
    )  # fmt: skip
    assert energy == pytest.approx(found.fun, abs=1e-7)
    assert energy == pytest.approx(plain_energy(network, positions), rel=1e-12)


def test_relaxing_a_part_leaves_the_rest_where_it_is():
    network = switched()
    movers = np.array([3, *network.bonded[3]])
    owners = np.unique(np.concatenate([movers, network.bonded[movers].ravel()]))
    owned = np.zeros(64)
    total = keating.owned_energies(np.arange(64), *network, CONSTANTS, owned)
    positions, energy, *_ = relaxed(network, movers, owners, total - owned[owners].sum())
    others = np.setdiff1d(np.arange(64), movers)
    assert np.array_equal(positions[others], network.positions[others])
    assert energy < total
    assert energy == pytest.approx(plain_energy(network, positions), rel=1e-12)


def test_relaxation_gives_up_above_the_threshold_and_after_its_steps():
    network = switched()
    lowest = relaxed(network)[1]
    assert relaxed(network, limits=(1e-16, 3000, 0, lowest - 1.0, 0.3))[3] == keating.TOO_HIGH
    assert relaxed(network, limits=(1e-16, 3000, 0, lowest + 0.01, 0.3))[3] == keating.CONVERGED
    assert relaxed(network, limits=(1e-16, 2, 10**6, np.inf, 0.0))[3:] == (keating.UNFINISHED, 2)


def test_best_scale_is_that_of_least_energy():
    network = switched(n_atoms=32, noise=0.02, times=2)

    def energy(scale):
        return plain_energy(network._replace(box=network.box * scale), network.positions * scale)

    found = minimize_scalar(energy, bounds=(0.7, 1.2), method="bounded", options={"xatol": 1e-8})
    assert 0.75 < found.x < 1.15
    assert keating.best_scale(*network, CONSTANTS) == pytest.approx(found.x, abs=1e-6)
