"""What CDVAE accepts as training structures, and how it keeps them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.cdvae_scenes import CELL, crystals, tiny

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.generators.cdvae.data import Limits, prepare, upright
from aiida_dismai.engine.generators.graphs.bonds import crystalnn_edges
from aiida_dismai.engine.generators.graphs.lattice import cells_of, lengths_and_angles
from aiida_dismai.engine.structures import StructureSet

LIMITS = Limits(7, 17)


def spoiled(**changes: object) -> StructureSet:
    good = crystals()
    arrays = {
        "numbers": good.numbers,
        "positions": good.positions,
        "cells": good.cells,
        "pbc": good.pbc,
        "offsets": good.offsets,
    }
    return StructureSet(**{**arrays, **changes})


def with_position(atom: int, point: object) -> np.ndarray:
    positions = crystals().positions.copy()
    positions[atom] = point
    return positions


@pytest.mark.parametrize(
    ("structures", "message"),
    [
        (spoiled(positions=with_position(8, np.nan)), "NaN or infinite coordinates in structure 1"),
        (spoiled(pbc=np.array([[True] * 3, [True] * 3, [True, True, False]])), "structure 2 is not periodic"),
        (spoiled(positions=with_position(6, crystals().positions[5] + 0.2)), "atoms 0 and 1 of structure 1"),
        (spoiled(positions=with_position(6, crystals().positions[5])), "atoms 0 and 1 of structure 1"),
        (
            spoiled(positions=with_position(6, crystals().positions[5] + crystals().cells[1, 2])),
            "atoms 0 and 1 of structure 1 are less than 0.5 Å apart",
        ),
        (spoiled(cells=np.stack([CELL, CELL, np.ones((3, 3))])), "without volume"),
        (spoiled(cells=np.stack([CELL, CELL, np.array([[5, 0, 0], [90.0, 3, 0], [0, 0, 5]])])), "nearly flat"),
        (crystals((8,)), "structure 0 has more atoms than 7"),
        (spoiled(numbers=np.where(np.arange(14) == 13, 18, 3)), "structure 2 has an element above atomic number 17"),
        (spoiled(offsets=np.array([0, 5, 5, 14])), "structure 1 has no atoms"),
        (StructureSet.empty(), "empty"),
    ],
)
def test_what_cannot_be_learned_is_refused(structures: StructureSet, message: str) -> None:
    with pytest.raises(BadInput, match=f"somewhere: .*{message}"):
        prepare(structures, LIMITS, tiny(), "somewhere")


def test_limits_follow_the_data_or_the_parameters() -> None:
    assert Limits.of(crystals(), tiny()) == LIMITS
    assert Limits.of(crystals(), tiny(max_atoms=20, max_atomic_number=94)) == Limits(20, 94)
    with pytest.raises(BadInput, match="raise max_atoms"):
        prepare(crystals(), Limits.of(crystals(), tiny(max_atoms=3)), tiny(), "here")


def test_structures_are_turned_and_never_mirrored() -> None:
    structures = crystals()
    mirror = np.diag([1.0, 1.0, -1.0])
    left = StructureSet(
        structures.numbers, structures.positions @ mirror, structures.cells @ mirror, structures.pbc, structures.offsets
    )
    for given in (structures, left):
        turned = upright(given)
        lengths, angles = lengths_and_angles(torch.from_numpy(turned.cells))
        np.testing.assert_allclose(cells_of(lengths, angles).numpy(), turned.cells, atol=1e-10)
        for own, before in zip(turned, given, strict=True):
            hand = np.sign(np.linalg.det(before.cells[0]))
            rotation = np.linalg.solve(before.cells[0] * hand, own.cells[0])
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-10)
            assert np.linalg.det(rotation) == pytest.approx(1.0)
            shift = (before.positions @ rotation - own.positions) @ np.linalg.inv(own.cells[0])
            np.testing.assert_allclose(shift, np.rint(shift), atol=1e-9)
    assert upright(structures).positions[1] != pytest.approx(upright(left).positions[1])


@pytest.mark.parametrize("graph", ["radius", "crystalnn"])
def test_a_batch_takes_its_own_atoms_and_edges(graph: str) -> None:
    structures = crystals()
    data = prepare(structures, LIMITS, tiny(encoder_graph=graph), "here")
    assert len(data) == 3
    batch, edges = data.take([2, 1, 2])
    assert batch.counts.tolist() == [2, 7, 2]
    assert torch.equal(batch.structure[edges.source], batch.structure[edges.target])
    lengths = edges.vectors(batch.cartesian(), batch.cells, batch.structure).norm(dim=1)
    for row, index in enumerate([2, 1, 2]):
        own = structures[index]
        source, target, image = crystalnn_edges(own)
        if graph == "radius":
            _, alone = data.take([index])
            source, target = alone.source.numpy(), alone.target.numpy()
            expected = alone.vectors(data.take([index])[0].cartesian(), data.cells[[index]], torch.zeros(7).long())
            expected = expected.norm(dim=1).numpy()
            assert expected.max() <= 4.0
        else:
            vectors = own.positions[source] - own.positions[target] + image @ own.cells[0]
            expected = np.linalg.norm(vectors, axis=1)
        mine = batch.structure[edges.target] == row
        assert torch.equal(edges.target[mine] - batch.counts[:row].sum(), torch.from_numpy(target))
        np.testing.assert_allclose(np.sort(lengths[mine]), np.sort(expected), rtol=1e-5)


def test_an_isolated_atom_has_no_edges_within_the_radius() -> None:
    alone = StructureSet.from_uniform([3], np.zeros((1, 1, 3)), np.eye(3) * 9.0)
    data = prepare(alone, LIMITS, tiny(), "here")
    assert data.edge_counts.tolist() == [0]
    assert len(data.take([0, 0])[1]) == 0


def test_one_atom_in_a_small_cell_is_its_own_neighbour() -> None:
    small = StructureSet.from_uniform([3], np.zeros((1, 1, 3)), np.eye(3) * 2.5)
    assert prepare(small, LIMITS, tiny(max_neighbours=18), "here").edge_counts.tolist() == [18]  # 6 + 12 within 4 Å
    bonds = prepare(small, LIMITS, tiny(encoder_graph="crystalnn"), "here")
    assert bonds.edge_counts.tolist() == [6]


def test_progress_is_told_of_every_graph() -> None:
    seen: list[tuple[int, int]] = []
    prepare(crystals(), LIMITS, tiny(), "here", lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
