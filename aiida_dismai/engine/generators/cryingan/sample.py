"""Generation of structures with a trained CryinGAN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...errors import BadWeights
from ...structures import StructureSet
from ..contract import TrainedGenerator
from ..seeds import stream
from .config import CryinganParameters
from .model import Generator, build_generator


def load_network(trained: TrainedGenerator, device: str) -> Generator:
    """Return the generator network in evaluation mode.

    Raises:
        BadWeights: the weights do not fit the hyper-parameters and the template.
    """
    parameters = trained.parameters
    assert isinstance(parameters, CryinganParameters)
    with torch.device("meta"):
        network = build_generator(len(trained.template.numbers), parameters)
    try:
        network.load_state_dict(trained.weights, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())  # torch's has a line for each tensor
        raise BadWeights(f"weights of CryinGAN do not fit its configuration: {reason}") from error
    return network.to(device).eval()


@torch.no_grad()
def sample(generator: TrainedGenerator, indices: Sequence[int], seed: int, device: str) -> StructureSet:
    """Generate the structures with these indices; see ``SampleFunction`` for the contract.

    The noise of a structure comes from its own stream and the batch normalisations use the statistics of
    training, so its coordinates do not depend on the batch but for the last digit of float32.
    """
    network = load_network(generator, device)
    latent_dim = network.latent.in_features
    noise = np.stack([stream(seed, index).standard_normal(latent_dim) for index in indices])
    fractional = network(torch.from_numpy(noise.astype(np.float32)).to(device)).cpu().numpy().astype(np.float64)
    template = generator.template
    properties = {
        name: type(prop)(np.concatenate([prop.values] * len(indices)), prop.level, prop.unit)
        for name, prop in template.properties.items()
    }
    return StructureSet.from_uniform(
        template.numbers, fractional @ template.cells[0], template.cells[0], template.pbc[0], properties
    )
