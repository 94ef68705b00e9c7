"""Generation: a small image from noise, a large one beside it, the structure that is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...structures import Property, StructureSet
from ..contract import TrainedGenerator
from ..unets.diffusion import denoise
from ..unets.networks import UNet
from ..unets.sampling import Draws, beside_small, groups, products
from .config import CrystensParameters
from .images import CHANNELS, STATISTICS, Images
from .model import load_networks

#: Pixels of large images that a GPU works on at once: 16 images of the paper's 280².
MAX_PIXELS = 16 * 280**2


def sample(generator: TrainedGenerator, indices: Sequence[int], seed: int, device: str) -> StructureSet:
    """Generate structures with the atoms and the cell of the template; see ``SampleFunction`` for the contract.

    All random numbers of a structure come from its own stream. A CPU works on one structure at a time, so its
    coordinates do not depend on the others even in the last digit; a GPU works on several and rounds differently.
    The structures carry what their images say about themselves as the properties ``reconstruction_…``.

    Raises:
        BadWeights: weights that do not belong to this model.
    """
    parameters, template = generator.parameters, generator.template
    assert isinstance(parameters, CrystensParameters)
    images = Images.from_config(generator.config, template.numbers)
    networks = load_networks(generator.weights, parameters, device)
    fractional: list[NDArray[np.float64]] = []
    statistics: list[NDArray[np.float64]] = []
    with products(parameters, device):
        for draw in groups(indices, seed, device, MAX_PIXELS // images.side**2):
            coordinates, said = images.decode(_generate(networks, images.side, parameters, draw))
            fractional.append(coordinates.cpu().numpy())
            statistics.append(said.cpu().numpy())
    properties = {
        name: Property(np.concatenate([prop.values] * len(indices)), prop.level, prop.unit)
        for name, prop in template.properties.items()
    }
    said_of_all = np.concatenate(statistics)
    for column, name in enumerate(STATISTICS):
        properties[f"reconstruction_{name}"] = Property(said_of_all[:, column], "structure", "")
    positions = np.concatenate(fractional) @ template.cells[0]
    return StructureSet.from_uniform(template.numbers, positions, template.cells[0], template.pbc[0], properties)


def _generate(networks: dict[str, UNet], side: int, parameters: CrystensParameters, draw: Draws) -> Tensor:
    """Return large images in [0, 1], ``(B, 4, side, side)``."""
    small_shape = len(draw), CHANNELS, parameters.small_side, parameters.small_side
    small = denoise(networks["small"], draw(small_shape), draw, parameters.sampling_steps)
    large = beside_small(networks["large"], small, side, draw, parameters.sampling_steps)
    return (large + 1) / 2


def statistics(structures: StructureSet) -> dict[str, Any]:
    """Return the means of what the images said about themselves, ``reconstruction_…``; see ``Images.decode``."""
    names = [f"reconstruction_{name}" for name in STATISTICS]
    return {name: float(structures.values(name).mean()) for name in names}
