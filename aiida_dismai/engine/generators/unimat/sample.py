"""Generation: noise becomes videos, and these structures with the atoms and the cell of the template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...structures import Property, StructureSet
from ..contract import TrainedGenerator
from ..unets.diffusion import denoise
from ..unets.networks import VideoUNet
from ..unets.sampling import build, groups, products
from .config import UnimatParameters
from .model import CHANNELS
from .videos import Videos

#: Pixels of all frames that a GPU works on at once: two thousand features of each are kept.
MAX_PIXELS = 2**20


def sample(generator: TrainedGenerator, indices: Sequence[int], seed: int, device: str) -> StructureSet:
    """Generate structures; see ``SampleFunction`` for the contract.

    All random numbers of a structure come from its own stream. A CPU works on one structure at a time, so its
    coordinates do not depend on the others even in the last digit; a GPU works on several and rounds differently.
    The property ``right_species`` is the share of frames in which no wrong element is present, ``element_present``
    that in which the right one is.

    Raises:
        BadWeights: weights that do not belong to this model.
    """
    parameters, template = generator.parameters, generator.template
    assert isinstance(parameters, UnimatParameters)
    network = build(VideoUNet, CHANNELS, parameters.width, generator.weights, "unimat", device)
    videos = Videos.from_config(generator.config, template.numbers, parameters.side)
    n_atoms = len(template.numbers)
    shape = (CHANNELS, n_atoms, parameters.side, parameters.side)
    at_once = MAX_PIXELS // (n_atoms * parameters.side**2)
    found = []
    with products(parameters, device):
        for draw in groups(indices, seed, device, at_once):
            made = denoise(network, draw((len(draw), *shape)), draw, parameters.sampling_steps)
            found.append([part.cpu().numpy() for part in videos.decode(made)])
    fractional, empty, present = (np.concatenate(part) for part in zip(*found, strict=True))
    accepted = {"published": empty, "strict": empty & present, "all": np.ones_like(empty)}[parameters.accept]
    size = len(indices)
    properties = {
        name: Property(np.concatenate([prop.values] * size), prop.level, prop.unit)
        for name, prop in template.properties.items()
    }
    properties["right_species"] = Property(empty.mean(axis=1), "structure")
    properties["element_present"] = Property(present.mean(axis=1), "structure")
    properties["rejected"] = Property(~accepted.all(axis=1), "structure")
    cells = np.repeat(template.cells, size, axis=0)
    positions = fractional @ template.cells[0]
    return StructureSet.from_uniform(template.numbers, positions, cells, template.pbc[0], properties)


def statistics(structures: StructureSet) -> dict[str, Any]:
    """Return how right the species in generated videos are; see ``StatisticsFunction``.

    ``share_right_species`` is the mean share of frames without a wrong element, ``share_element_present`` that of
    frames with the right one, ``share_accepted`` the share of structures that are kept.
    """
    return {
        "share_right_species": float(structures.values("right_species").mean()),
        "share_element_present": float(structures.values("element_present").mean()),
        "share_accepted": float(1 - structures.values("rejected").mean()),
    }
