from __future__ import annotations

import numpy as np
import pytest

from aiida_dismai.engine.potentials.references import count_elements, fit_references
from aiida_dismai.engine.structures import StructureSet


def mixtures(counts: np.ndarray, energies: np.ndarray, numbers: tuple[int, ...]) -> StructureSet:
    atoms = np.concatenate([np.repeat(numbers, row) for row in counts])
    offsets = np.concatenate([[0], np.cumsum(counts.sum(axis=1))])
    cells = np.broadcast_to(10 * np.eye(3), (len(counts), 3, 3))
    return StructureSet(atoms, np.zeros((len(atoms), 3)), cells, np.ones((len(counts), 3)), offsets).with_property(
        "energy", energies
    )


def test_counts_of_elements():
    counts = np.array([[2, 3], [0, 4]])
    assert count_elements(mixtures(counts, np.zeros(2), (3, 8)), (3, 8)).tolist() == counts.tolist()


def test_one_composition_gives_small_references_that_are_right_in_the_mean():
    numbers = (3, 8, 17, 21, 27)
    counts = np.tile([72, 72, 72, 12, 36], (20, 1))
    energies = -1300 + np.random.default_rng(0).normal(size=20)
    found = fit_references(mixtures(counts, energies, numbers), numbers)
    # The minimum-norm solution is parallel to the composition.
    share = counts[0] / counts[0].sum()
    np.testing.assert_allclose(found, share * (energies.mean() / 264) / (share @ share), rtol=1e-10)
    assert counts[0] @ found == pytest.approx(energies.mean(), rel=1e-12)


def test_different_compositions_give_back_the_references_they_were_made_from():
    true = np.array([-1.9, -4.9, -0.3])
    counts = np.array([[3, 1, 4], [2, 8, 1], [5, 5, 5], [1, 0, 9], [30, 2, 1]])
    found = fit_references(mixtures(counts, counts @ true, (3, 8, 17)), (3, 8, 17))
    np.testing.assert_allclose(found, true, atol=1e-10)


def test_element_that_does_not_occur_gets_no_energy():
    counts = np.array([[3, 1, 0], [2, 8, 0]])
    found = fit_references(mixtures(counts, counts @ np.array([-1.0, -2.0, 0.0]), (3, 8, 17)), (3, 8, 17))
    np.testing.assert_allclose(found, [-1.0, -2.0, 0.0], atol=1e-12)
