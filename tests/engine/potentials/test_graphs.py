from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import bulk

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials.graphs import GraphBuilder
from aiida_dismai.engine.structures import StructureSet, to_ase


def test_graph_equals_matgl_s_own(frames: StructureSet):
    from matgl.ext.ase import Atoms2Graph

    atoms = to_ase(frames[4])[0]
    own = GraphBuilder((13, 29), 4.0).graph(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    theirs, _, _ = Atoms2Graph(("Al", "Cu"), 4.0).get_graph(atoms)
    assert torch.equal(own.edge_index, theirs.edge_index.long())
    assert torch.equal(own.pbc_offset, theirs.pbc_offset)
    assert torch.equal(own.node_type, theirs.node_type)
    torch.testing.assert_close(own.frac_coords, theirs.frac_coords)


def test_fcc_has_twelve_neighbours_and_none_in_the_vacuum():
    atoms = bulk("Cu", cubic=True)
    builder = GraphBuilder((29,), 2.7)
    whole = builder.graph(atoms.numbers, atoms.positions, atoms.cell.array, np.array([True] * 3))
    assert whole.edge_index.shape[1] == 4 * 12
    slab = builder.graph(atoms.numbers, atoms.positions, atoms.cell.array, np.array([True, True, False]))
    assert slab.edge_index.shape[1] == 4 * 8


def test_unknown_element_is_named_with_the_known_ones():
    with pytest.raises(BadInput, match="does not know Sc, Co; it was trained on Li, O"):
        GraphBuilder((3, 8), 4.0).require_known(np.array([3, 27, 21], dtype=np.uint8), "here")
