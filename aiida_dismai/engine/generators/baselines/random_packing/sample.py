"""Generation of random packings, or of random species on a lattice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....errors import BadWeights
from ....structures import Property, StructureSet
from ...contract import TrainedGenerator
from ...seeds import stream
from .config import RandomParameters
from .frames import Frames
from .packing import Box, distance_factor, pack


def sample(generator: TrainedGenerator, indices: Sequence[int], seed: int, device: str) -> StructureSet:
    """Generate the structures with these indices; see ``SampleFunction`` for the contract.

    Each has the atoms, their order and the cell of a training structure drawn at random, and the property
    ``distance_factor``: the smallest ratio of a distance to the minimum of its pair, 1 where all minima are kept.

    Raises:
        BadWeights: the weights are not those of this model.
    """
    parameters, weights = generator.parameters, generator.weights
    assert isinstance(parameters, RandomParameters)
    frames = Frames.from_tensors(weights)
    if missing := [name for name in ("elements", "distances") if name not in weights]:
        raise BadWeights(f"weights of the model 'random' lack {', '.join(missing)}; train again")
    elements, distances = weights["elements"].cpu().numpy(), weights["distances"].cpu().numpy()
    sites = weights["sites"].cpu().numpy() if "sites" in weights else None
    numbers, positions, drawn, factors = [], [], [], []
    for index in indices:
        rng = stream(seed, index)
        i = int(rng.integers(len(frames)))
        own = frames.numbers(i)
        kinds = np.searchsorted(elements, own).astype(np.int64)
        box = Box(frames.cells[i], frames.pbc[i], frames.low[i], frames.width[i])
        if sites is not None:
            places = sites[rng.permutation(len(sites))] @ box.cell
        else:
            places = pack(rng, kinds, distances, box, parameters.tries, parameters.max_sweeps, parameters.shrink)
        numbers.append(own)
        positions.append(places)
        drawn.append(i)
        factors.append(distance_factor(places, box.cell, box.pbc, kinds, distances))
    return StructureSet(
        np.concatenate(numbers),
        np.concatenate(positions),
        frames.cells[drawn],
        frames.pbc[drawn],
        np.concatenate([[0], np.cumsum([len(own) for own in numbers])]),
        {"distance_factor": Property(np.array(factors), "structure", "")},
    )
