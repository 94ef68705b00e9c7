"""Giving the held-out structures back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....errors import BadInput, BadWeights
from ....structures import Property, StructureSet
from ...contract import TrainedGenerator
from ...seeds import stream

#: What makes up a set of structures, in the order of its constructor.
ARRAYS = ("numbers", "positions", "cells", "pbc", "offsets")


def sample(generator: TrainedGenerator, indices: Sequence[int], seed: int, device: str) -> StructureSet:
    """Give back the structures with these indices; see ``SampleFunction`` for the contract.

    Structures 0 … M − 1 are the M held-out ones in random order, M … 2 M − 1 the same in another, and so on. The
    property ``source`` is the index of each in the validation set.

    Raises:
        BadWeights: the weights are not those of this model.
    """
    held_out = _read(generator)
    source = draw(len(held_out), indices, seed)
    return held_out[source].with_property("source", source)


def draw(n: int, indices: Sequence[int], seed: int) -> NDArray[np.int64]:
    """Return which of ``n`` held-out structures the generated ones with these indices are, ``(len(indices),)``."""
    rounds = {index // n for index in indices}
    orders = {number: stream(seed, number).permutation(n) for number in rounds}
    return np.array([orders[index // n][index % n] for index in indices], dtype=np.int64)


def _read(generator: TrainedGenerator) -> StructureSet:
    arrays = {name: tensor.cpu().numpy() for name, tensor in generator.weights.items()}
    if missing := [name for name in ARRAYS if name not in arrays]:
        raise BadWeights(f"weights of the model 'resample' lack {', '.join(missing)}; train again")
    region = {"region": Property(arrays["region"], "atom", "")} if "region" in arrays else {}
    try:
        numbers, positions, cells, pbc, offsets = (arrays[name] for name in ARRAYS)
        held_out = StructureSet(numbers, positions, cells, pbc, offsets, region)
    except BadInput as error:
        raise BadWeights(f"weights of the model 'resample' do not fit each other ({error}); train again") from error
    if not len(held_out):
        raise BadWeights("weights of the model 'resample' hold no structure; train again")
    return held_out
