"""Neighbour lists and batches in the form that matgl's networks take.

matgl's own converters go through pymatgen or ASE objects; these go from arrays straight to the graph and
use the same neighbour search, so that the numbers are the same (a test compares them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres
from torch_geometric.data import Batch, Data

from ..errors import BadInput
from ..structures import StructureSet

#: Two atoms nearer than this are the same point, Å.
SAME_POINT = 1e-8


@dataclass(frozen=True)
class GraphBuilder:
    """Builds graphs for one set of elements and one cutoff.

    Attributes:
        numbers: atomic numbers, in the order of the network's embedding.
        cutoff: Å.
    """

    numbers: tuple[int, ...]
    cutoff: float

    def require_known(self, numbers: NDArray[np.integer], where: str) -> None:
        """Refuse elements that the network has no embedding for.

        Raises:
            BadInput: names the unknown elements and the known ones.
        """
        from ase.data import chemical_symbols

        unknown = sorted(set(np.unique(numbers).tolist()) - set(self.numbers))
        if unknown:
            raise BadInput(
                f"{where}: the potential does not know {', '.join(chemical_symbols[z] for z in unknown)}; "
                f"it was trained on {', '.join(chemical_symbols[z] for z in self.numbers)}"
            )

    def graph(
        self,
        numbers: NDArray[np.integer],
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        pbc: NDArray[np.bool_],
    ) -> Data:
        """Build the graph of one structure.

        Args:
            numbers: ``(m,)`` atomic numbers, all known.
            positions: ``(m, 3)`` Å, in or out of the cell.
            cell: ``(3, 3)`` Å, rows are vectors.
            pbc: ``(3,)``.

        Returns:
            Bonds sorted by their first atom, both directions, without self-images of distance zero.
        """
        positions = np.ascontiguousarray(positions, dtype=np.float64)
        cell = np.ascontiguousarray(cell, dtype=np.float64)
        source, target, images, distances = find_points_in_spheres(
            positions, positions, r=self.cutoff, pbc=np.asarray(pbc, dtype=np.int64), lattice=cell, tol=SAME_POINT
        )
        keep = (source != target) | (distances > SAME_POINT)
        lookup = np.full(119, -1)
        lookup[list(self.numbers)] = np.arange(len(self.numbers))
        return Data(
            num_nodes=len(numbers),
            edge_index=torch.from_numpy(np.stack([source[keep], target[keep]]).astype(np.int64)),
            pbc_offset=torch.from_numpy(images[keep].astype(np.float32)),
            node_type=torch.from_numpy(lookup[numbers]),
            frac_coords=torch.from_numpy(np.linalg.solve(cell.T, positions.T).T.astype(np.float32)),
        )

    def batch(self, structures: StructureSet, chosen: Sequence[int] | NDArray[np.integer]) -> tuple[Data, torch.Tensor]:
        """Build one graph of several structures, and their cells ``(b, 3, 3)``."""
        graphs = []
        for i in chosen:
            own = structures.atoms_of(int(i))
            graphs.append(
                self.graph(structures.numbers[own], structures.positions[own], structures.cells[i], structures.pbc[i])
            )
        cells = torch.from_numpy(structures.cells[np.asarray(chosen)].astype(np.float32))
        return Batch.from_data_list(graphs), cells
