"""Shuffles of atoms: which change places, how often, and that nothing else does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_dismai.engine.generators.unets.augmentation import Shuffles
from aiida_dismai.engine.generators.unets.augmentation_parameters import ShuffleParameters
from aiida_dismai.engine.structures import StructureSet

pytestmark = pytest.mark.engine
#: Li in and out of the random region, O likewise.
NUMBERS = [3, 3, 3, 3, 3, 8, 8, 8, 8]
REGION = [0, 0, 0, 1, 2, 0, 0, 3, 3]


def interfaces(n=4, region=REGION):
    positions = np.random.default_rng(0).random((n, len(NUMBERS), 3))
    structures = StructureSet.from_uniform(NUMBERS, positions, np.eye(3))
    return structures if region is None else structures.with_property("region", list(region) * n, "atom", "")


def orders(shuffles, n, seed=0, structure=0):
    return shuffles.orders([structure] * n, torch.Generator().manual_seed(seed))


def test_only_atoms_of_an_element_in_the_random_region_change_places():
    shuffles = Shuffles.of(interfaces(), ShuffleParameters())
    found = orders(shuffles, 4000)
    moved = found != torch.arange(9)
    assert moved.any(dim=0).tolist() == [region == 0 for region in REGION]
    assert set(found[:, :3].flatten().tolist()) == {0, 1, 2}
    assert set(found[:, 5:7].flatten().tolist()) == {5, 6}
    # all 3! · 2! orders, each as often as the others
    kinds, counts = found[:, [0, 1, 2, 5, 6]].unique(dim=0, return_counts=True)
    assert len(kinds) == 12
    assert counts.min() > 250
    assert counts.max() < 450


def test_forty_nine_of_fifty_are_shuffled():
    """Of five atoms a shuffle is the identity once in 120 times."""
    shuffles = Shuffles.of(interfaces(region=[0] * 5 + [1] * 4), ShuffleParameters())
    assert shuffles.probability == pytest.approx(0.98)
    same = (orders(shuffles, 20_000) == torch.arange(9)).all(dim=1).double().mean().item()
    assert same == pytest.approx(0.02 + 0.98 / 120, abs=0.004)


def test_all_atoms_of_an_element():
    shuffles = Shuffles.of(interfaces(region=None), ShuffleParameters(shuffle="all"))
    found = orders(shuffles, 500)
    assert set(found[:, 3].tolist()) == set(range(5))
    assert set(found[:, 8].tolist()) == {5, 6, 7, 8}


def test_regions_of_each_structure_count():
    both = StructureSet.concatenate([interfaces(1), interfaces(1, [1] * 8 + [0])])
    shuffles = Shuffles.of(both, ShuffleParameters())
    assert (orders(shuffles, 100, structure=0) != torch.arange(9)).any()
    assert torch.equal(orders(shuffles, 100, structure=1), torch.arange(9).expand(100, 9))


@pytest.mark.parametrize(
    ("region", "options"),
    [
        (None, {}),
        (REGION, {"shuffle": "none"}),
        (REGION, {"shuffled_copies": 0}),
        ([0, 1, 1, 1, 1, 0, 2, 2, 2], {}),
    ],
)
def test_nothing_to_shuffle(region, options):
    assert Shuffles.of(interfaces(region=region), ShuffleParameters(**options)) is None


@given(
    st.lists(st.tuples(st.integers(1, 118), st.integers(0, 3)), min_size=2, max_size=30),
    st.sampled_from(["interface", "all"]),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_orders_are_permutations_that_keep_elements_and_regions(atoms, shuffle, seed):
    numbers, region = map(np.array, zip(*sorted(atoms), strict=True))
    structures = StructureSet.from_uniform(numbers, np.zeros((1, len(numbers), 3)), np.eye(3))
    structures = structures.with_property("region", region, "atom", "")
    shuffles = Shuffles.of(structures, ShuffleParameters(shuffle=shuffle))
    if shuffles is None:
        return
    for order in orders(shuffles, 3, seed).numpy():
        assert sorted(order) == list(range(len(numbers)))
        assert (numbers[order] == numbers).all()
        fixed = (region != 0) & (shuffle == "interface")
        assert (order[fixed] == np.flatnonzero(fixed)).all()


def test_the_same_numbers_are_drawn_whatever_comes_out():
    structures = interfaces()
    states = []
    for copies in (1, 10**6):
        generator = torch.Generator().manual_seed(3)
        Shuffles.of(structures, ShuffleParameters(shuffled_copies=copies)).orders([0, 1], generator)
        states.append(generator.get_state())
    assert torch.equal(*states)
