"""Swaps: what they cost, that nothing drifts, and that states come with Boltzmann's weights."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare
from support.monte_carlo_systems import SYSTEMS, Neighbours, system_of
from sympy.utilities.iterables import multiset_permutations

from aiida_dismai.engine.alloys.cleanup import Alignment, Cleaned
from aiida_dismai.engine.alloys.counts import count_pairs
from aiida_dismai.engine.alloys.monte_carlo.interactions import build_tables
from aiida_dismai.engine.alloys.monte_carlo.kernel import advance, arrange, build_fields, count_bonds, swap_energy
from aiida_dismai.engine.alloys.monte_carlo.outputs import formation_energies, pair_counts
from aiida_dismai.engine.alloys.monte_carlo.parameters import SampleParameters
from aiida_dismai.engine.alloys.monte_carlo.sampler import Sampler
from aiida_dismai.engine.alloys.monte_carlo.streams import make_stream
from aiida_dismai.engine.units import BOLTZMANN

STREAM = make_stream(7, 0, 1000.0)


def go(system, tables, species, beta=11.6, lengths=(20,), done=0, change=0.0, accepted=0):
    """Advance a copy; returns the arrangements, bonds, accepted swaps and energies at the end of each record."""
    expansion = system.expansion
    shape = (len(lengths), len(expansion.vectors), len(expansion.species), len(expansion.species))
    states, bonds = np.zeros((len(lengths), system.n_sites), np.uint8), np.zeros(shape, np.int64)
    accepts, energies = np.zeros(len(lengths), np.int64), np.zeros((len(lengths), max(lengths)))
    lengths = np.array(lengths)
    betas = np.full(lengths.sum(), beta)
    advance(
        species.copy(), done, change, accepted, lengths, betas, STREAM, tables, states, bonds, accepts, energies
    )  # fmt: skip
    return states, bonds, accepts, energies


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_swap_costs_the_difference_of_the_energies(name):
    system = system_of(name)
    tables = build_tables(system)
    judge = Neighbours(name, system)
    species = arrange(system.amounts, STREAM)
    fields = build_fields(species, tables)
    before = judge.energy(species)
    pairs = [(i, j) for i, j in itertools.permutations(range(system.n_sites), 2) if species[i] != species[j]]
    chosen = np.random.default_rng(0).permutation(len(pairs))[:400]
    for i, j in np.array(pairs)[chosen]:
        cost = swap_energy(*(np.uint64(x) for x in (i, j, species[i], species[j])), fields, tables)
        swapped = species.copy()
        swapped[i], swapped[j] = species[j], species[i]
        assert cost == pytest.approx(judge.energy(swapped) - before, abs=1e-11)


@pytest.mark.parametrize("name", SYSTEMS)
def test_energies_and_bonds_follow_the_swaps(name):
    system = system_of(name)
    tables = build_tables(system)
    judge = Neighbours(name, system)
    species = arrange(system.amounts, STREAM)
    states, bonds, accepts, energies = go(system, tables, species, lengths=(0, 1, 20, 300))
    assert (np.diff(accepts) > 0).all()
    np.testing.assert_array_equal(states[0], species)
    for state, count, change in zip(states, bonds, energies[:, -1], strict=True):
        np.testing.assert_array_equal(np.bincount(state, minlength=len(system.amounts)), system.amounts)
        energy = judge.energy(state)
        counted = formation_energies(system, pair_counts(system, count)) * system.n_sites
        assert counted == pytest.approx(energy, abs=1e-10)
        assert judge.energy(species) + change == pytest.approx(energy, abs=1e-10)


@pytest.mark.parametrize("name", SYSTEMS)
def test_bonds_are_those_that_the_metrics_count(name):
    system = system_of(name)
    expansion, supercell = system.expansion, system.supercell
    species = arrange(system.amounts, STREAM)
    bonds = np.zeros((len(expansion.vectors), len(expansion.species), len(expansion.species)), np.int64)
    count_bonds(species, build_tables(system), bonds)
    cleaned = Cleaned(
        kept=np.ones(system.n_sites, bool),
        site=np.arange(system.n_sites),
        species=expansion.numbers[species],
        positions=system.positions,
        basis=supercell.basis,
        cell=system.cell,
        supercell=supercell,
        n_off=0,
        n_double=0,
        alignment=Alignment("none", np.eye(3), np.zeros(3), 0.0),
    )
    np.testing.assert_allclose(pair_counts(system, bonds).pairs, count_pairs(cleaned, expansion).pairs, rtol=1e-14)


@pytest.mark.parametrize("name", ["fcc 4 × 4 × 4", "hcp"])
def test_an_interruption_changes_nothing(name):
    """Fields are built anew after it; they must be the same to the last bit."""
    system = system_of(name)
    tables = build_tables(system)
    species = arrange(system.amounts, STREAM)
    whole = go(system, tables, species, lengths=(10, 10, 10))
    part, state, done = [], species, 0
    change, accepted = 0.0, 0
    for _ in range(3):
        piece = go(system, tables, state, lengths=(10,), done=done, change=change, accepted=accepted)
        part.append(piece)
        state, change, accepted, done = piece[0][-1], piece[3][-1, -1], int(piece[2][-1]), done + 10
    for index, array in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([piece[index] for piece in part]), array)


def sampled(name, temperature, passes, interval, folder):
    """Sample a small cell; returns energies and weights of all its states, and the states seen in each run."""
    system = system_of(name)
    parameters = SampleParameters(
        temperature=temperature,
        passes=passes,
        burn_in=400,
        snapshot_interval=interval,
        runs=4,
        supercell=SYSTEMS[name][1],
        composition=SYSTEMS[name][2],
        workers=2,
    )
    sampler = Sampler(system, parameters, 1, folder)
    assert sum(sampler.go_on()) == 4 * passes * system.n_sites
    states = list(multiset_permutations(np.repeat(np.arange(len(system.amounts)), system.amounts).tolist()))
    judge = Neighbours(name, system)
    energies = np.array([judge.energy(np.array(state)) for state in states])
    weights = np.exp(-(energies - energies.min()) / (BOLTZMANN * temperature))
    place = {bytes(state): index for index, state in enumerate(states)}
    after = 400 // interval + 1
    seen = [[place[row.tobytes()] for row in sampler.records(run)[after:]["species"]] for run in range(4)]
    return energies, weights / weights.sum(), np.array(seen)


@pytest.mark.parametrize(
    ("name", "temperature", "number"), [("fcc 8 sites", 1500.0, 420), ("two kinds of sites", 700.0, 792)]
)
def test_every_state_of_a_small_cell_comes_with_its_boltzmann_weight(tmp_path, name, temperature, number):
    energies, weights, seen = sampled(name, temperature, 100_000, 10, tmp_path)
    assert len(weights) == number
    assert weights.max() / weights.min() > 5
    assert (weights * seen.size).min() > 5  # what the test asks for
    assert chisquare(np.bincount(seen.ravel(), minlength=number), weights * seen.size).pvalue > 1e-3
    exact = float(weights @ energies)
    spread = float(np.sqrt(weights @ (energies - exact) ** 2))
    assert energies[seen].mean() == pytest.approx(exact, abs=4 * spread / np.sqrt(seen.size))
    assert energies[seen].std() == pytest.approx(spread, rel=0.01)


def test_flows_between_states_are_equal_in_both_directions(tmp_path):
    """Detailed balance itself, from pass to pass; states of one energy together."""
    energies, _, seen = sampled("two kinds of sites", 300.0, 50_000, 1, tmp_path)
    levels, level = np.unique(energies.round(9), return_inverse=True)
    flows = np.zeros((len(levels), len(levels)))
    for path in level[seen]:
        np.add.at(flows, (path[:-1], path[1:]), 1)
    both = flows + flows.T
    often = np.triu(both > 50, 1)
    assert often.sum() == 21  # all pairs of the seven levels
    deviations = (flows - flows.T)[often] / np.sqrt(both[often])
    assert np.abs(deviations).max() < 4
    # a closed path comes back as often as it leaves, so that deviations can be smaller than chance, not larger
    assert (deviations**2).mean() < 1.7
