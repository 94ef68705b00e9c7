"""Energies and order of whole crystals, against the authors' tables; what has no energy is refused."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from support.alloy_reference import GENERATION, read_inputs, read_table

from aiida_dismai.engine.alloys.energies import evaluate
from aiida_dismai.engine.alloys.expansion import packaged_expansion
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import StructureSet, from_ase


@pytest.mark.parametrize("name", ["train_300K", "train_1500K"])
def test_reference_structures(name, expansion):
    found = evaluate(read_inputs(name), expansion)
    np.testing.assert_allclose(
        found.formation_energy, GENERATION[f"{name}_energy_eV_per_atom"], rtol=0, atol=1e-12
    )  # as the Metropolis runs that made them had them
    columns, orders = read_table(name, "cluster_sro")
    for column, theirs in zip(columns, orders.T, strict=True):
        pair = found.sro[:, int(column[0]) - 1, expansion.pair_labels().index(column[4:])]
        # counts in their tables have five decimals
        np.testing.assert_allclose(pair, theirs, rtol=0, atol=2e-3)


def test_displaced_shifted_and_larger_cells_have_the_energy_of_their_sites(expansion):
    structure = read_inputs("train_300K")[0]
    exact = evaluate(structure, expansion).formation_energy[0]
    random = np.random.default_rng(0)
    moved = structure.with_positions(structure.positions + random.normal(0, 0.1, structure.positions.shape) + 0.7)
    assert evaluate(moved, expansion).formation_energy[0] == pytest.approx(exact, abs=1e-13)
    doubled = StructureSet.from_uniform(
        np.tile(structure.numbers, 2),
        np.concatenate([structure.positions, structure.positions + structure.cells[0, 0]])[None],
        structure.cells[0] * [[2], [1], [1]],
    )
    assert evaluate(doubled, expansion).formation_energy[0] == pytest.approx(exact, abs=1e-13)


def test_pure_elements(expansion):
    """All bonds of one kind: the energy is a sum that a person can do."""
    for symbol in expansion.species:
        column = expansion.pair_labels().index(f"{symbol}-{symbol}")
        found = evaluate(from_ase([bulk(symbol, "fcc", a=3.6, cubic=True)]), expansion)
        assert found.formation_energy[0] == pytest.approx(
            expansion.constant + float(expansion.pair_terms[:, column] @ [6, 3, 12, 6, 12, 4, 24]), abs=1e-14
        )
        assert found.sro[0, 0, column] == pytest.approx(0)


def broken(change) -> StructureSet:
    good = bulk("Fe", "fcc", a=3.6, cubic=True) * (3, 3, 3)
    bad = good.copy()
    changed = change(bad)
    return from_ase([good, bad if changed is None else changed])


def without_one(atoms):
    del atoms[5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_one, "structure 1: 1 of 108 sites are empty and 0 atoms are not on a site of their own"),
        (lambda atoms: atoms.translate([[1.8, 0, 0]] + [[0, 0, 0]] * 107), "1 of 108 sites are empty and 1 atoms"),
        (
            lambda atoms: atoms.symbols.__setitem__(3, "Cu"),
            r"structure 1: Cu \(atom 3\) is not in the cluster expansion",
        ),
        (lambda atoms: atoms.set_pbc([True, True, False]), "structure 1: the cell is not periodic in all directions"),
        (lambda atoms: atoms.set_cell(atoms.cell * 1.1, scale_atoms=True), "structure 1: .* sites are empty"),
        (lambda atoms: atoms.positions.__setitem__((0, 0), np.nan), "NaN or infinite coordinates in structure 1"),
    ],
)
def test_what_has_no_energy(change, message):
    with pytest.raises(BadInput, match=message):
        evaluate(broken(change), packaged_expansion())


def test_an_empty_set():
    with pytest.raises(BadInput, match="the set of structures is empty"):
        evaluate(StructureSet.empty(), packaged_expansion())
