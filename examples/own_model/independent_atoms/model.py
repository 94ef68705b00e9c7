"""Training and sampling; runs on the compute node only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.generators.contract import Trained, TrainedGenerator
from aiida_dismai.engine.generators.seeds import stream
from aiida_dismai.engine.structures import StructureSet

from . import IndependentAtomsParameters


def train(
    structures: StructureSet,
    validation: StructureSet | None,
    parameters: IndependentAtomsParameters,
    context: Context,
    device: str,
) -> Trained:
    """Learn the mean (Å) and the standard deviation (Å) of every atom's place.

    Raises:
        BadInput: not all structures have the same atoms and cell.
    """
    structures.require("independent-atoms", same_atoms=True)
    cell = structures.cells[0]
    if np.abs(structures.cells - cell).max() > 1e-3:
        raise BadInput("independent-atoms: the structures have different cells; train on one cell")
    positions = structures.positions.reshape(len(structures), -1, 3)
    # an atom that has crossed a boundary has not moved by a lattice vector
    moved = (positions - positions[0]) @ np.linalg.inv(cell)
    moved = (moved - np.round(moved)) @ cell
    mean = positions[0] + moved.mean(axis=0)
    deviation = moved.std(axis=0)
    context.progress("train", 1, 1, mean_deviation=float(deviation.mean()))
    return Trained(
        weights={"mean": torch.tensor(mean), "deviation": torch.tensor(deviation)},
        trainable_parameters=parts(structures[0], parameters),
        curves={"mean_deviation": np.array([deviation.mean()])},
        results={"mean_deviation": float(deviation.mean())},
    )


def sample(generator: TrainedGenerator, indices: Sequence[int], seed: int, device: str) -> StructureSet:
    """Draw structures; number ``i`` depends on the weights, the seed and ``i`` only."""
    mean = generator.weights["mean"].cpu().numpy()
    deviation = generator.weights["deviation"].cpu().numpy() * generator.parameters.scale
    positions = np.stack([mean + deviation * stream(seed, index).normal(size=mean.shape) for index in indices])
    template = generator.template
    return StructureSet.from_uniform(template.numbers, positions, template.cells[0], template.pbc[0])


def parts(template: StructureSet, parameters: IndependentAtomsParameters) -> dict[str, int]:
    """Three means and three deviations for each atom."""
    return {"means": 3 * len(template.numbers), "deviations": 3 * len(template.numbers)}
