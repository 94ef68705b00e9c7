"""Generation: from uniform coordinates back through all time steps, a corrector and a predictor in each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...device import matrix_products
from ...errors import BadWeights
from ...structures import Property, StructureSet
from ..contract import TrainedGenerator
from ..seeds import stream
from .config import DiffcspParameters
from .model import CSPNet
from .noise import Schedule

#: Pairs of atoms that a GPU works on at once: features of 3 kB and messages of 4 kB each.
MAX_PAIRS = 2**21


def load_network(generator: TrainedGenerator, device: str) -> CSPNet:
    """Build the network with the trained weights, in evaluation mode.

    Raises:
        BadWeights: the weights belong to another network, or the template has an element that they do not know.
    """
    parameters, config = generator.parameters, generator.config
    assert isinstance(parameters, DiffcspParameters)
    max_z, elements = config.get("max_z"), config.get("elements")
    if not isinstance(max_z, int) or not 1 <= max_z <= 118 or not isinstance(elements, list):
        raise BadWeights("diffcsp: config.json lacks 'max_z' and 'elements' of the training structures; train again")
    unknown = [element for element in generator.template.elements if element not in elements]
    if unknown:
        raise BadWeights(
            f"diffcsp: the template {generator.template.formulas[0]} has {', '.join(unknown)}, but the network was "
            f"trained with {', '.join(elements)} only"
        )
    with torch.device("meta"):
        network = CSPNet(max_z, parameters)
    try:
        network.load_state_dict(generator.weights, assign=True)
    except RuntimeError as error:
        raise BadWeights(f"diffcsp: weights that do not fit the hyper-parameters ({error}); train again") from error
    return network.to(device).eval()


@torch.no_grad()
def sample(generator: TrainedGenerator, indices: Sequence[int], seed: int, device: str) -> StructureSet:
    """Generate structures with the atoms of the template; see ``SampleFunction`` for the contract.

    All random numbers of a structure come from its own stream. A CPU works on one structure at a time, so its
    coordinates do not depend on the others even in the last digit; a GPU works on several and rounds differently.

    Raises:
        BadWeights: weights that do not belong to this model.
    """
    network = load_network(generator, device)
    parameters, template = generator.parameters, generator.template
    assert isinstance(parameters, DiffcspParameters)
    precision = "32" if parameters.precision == "tf32" and device != "cuda" else parameters.precision
    n_atoms = len(template.numbers)
    at_once = 1 if device == "cpu" else max(1, MAX_PAIRS // max(n_atoms * (n_atoms - 1) // 2, 1))
    schedule = Schedule.build(parameters.timesteps, parameters.sigma_begin, parameters.sigma_end)
    positions: list[NDArray[np.float64]] = []
    cells: list[NDArray[np.float64]] = []
    with matrix_products(precision), torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        for start in range(0, len(indices), at_once):
            group = [stream(seed, index) for index in indices[start : start + at_once]]
            fractional, lattices = _denoise(network, template, parameters, schedule, group, device)
            cells.append(lattices)
            positions.append(fractional.reshape(len(group), -1, 3) @ lattices)
    return StructureSet.from_uniform(
        template.numbers,
        np.concatenate(positions),
        np.concatenate(cells),
        template.pbc[0],
        {
            name: Property(np.concatenate([prop.values] * len(indices)), prop.level, prop.unit)
            for name, prop in template.properties.items()
        },
    )


class _Noise:
    """Gaussian numbers for a group of structures, of each from its own stream."""

    def __init__(self, streams: list[np.random.Generator], device: str) -> None:
        self.streams, self.device = streams, device

    def normal(self, *shape: int) -> Tensor:
        """Return ``shape`` numbers for every structure, one after another on the first axis, float32."""
        values = np.concatenate([random.standard_normal(shape, np.float32) for random in self.streams])
        return torch.from_numpy(values).to(self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Return the same, uniform in [0, 1)."""
        values = np.concatenate([random.random(shape, np.float32) for random in self.streams])
        return torch.from_numpy(values).to(self.device)


def _denoise(
    network: CSPNet,
    template: StructureSet,
    parameters: DiffcspParameters,
    schedule: Schedule,
    streams: list[np.random.Generator],
    device: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take a group of structures from pure noise to coordinates, ``(B n, 3)`` fractional, and cells, ``(B, 3, 3)``."""
    size, n_atoms = len(streams), len(template.numbers)
    random = _Noise(streams, device)
    numbers = torch.from_numpy(template.numbers.astype(np.int64)).to(device).repeat(size)
    counts = torch.full((size,), n_atoms, device=device)
    joint = parameters.lattice == "joint"
    x = random.uniform(n_atoms, 3)
    if joint:
        cells = random.normal(1, 3, 3)
    else:
        cells = torch.from_numpy(template.cells.astype(np.float32)).to(device).repeat(size, 1, 1)
    for t in range(parameters.timesteps, 0, -1):
        times = torch.full((size,), t, device=device)
        sigma, before = float(schedule.sigmas[t]), float(schedule.sigmas[t - 1])
        scale = float(schedule.norms[t]) ** 0.5
        corrector = parameters.corrector_step * (sigma / parameters.sigma_begin) ** 2
        predictor = sigma**2 - before**2
        for step, width in ((corrector, (2 * corrector) ** 0.5), (predictor, before * predictor**0.5 / sigma)):
            predicted_lattice, score = network(times, numbers, x, cells, counts)
            x = x - step * scale * score
            if t > 1:
                x += width * random.normal(n_atoms, 3)
        x = torch.remainder(x, 1.0)
        if joint:
            # what the predictor's evaluation says of the lattice; the corrector leaves the lattice alone
            alpha, kept = float(schedule.alphas[t]), float(schedule.kept[t])
            cells = (cells - (1 - alpha) / (1 - kept) ** 0.5 * predicted_lattice) / alpha**0.5
            if t > 1:
                cells += float(schedule.lattice_sigmas[t]) * random.normal(1, 3, 3)
    fractional = x.cpu().numpy().astype(np.float64)
    return fractional, cells.cpu().numpy().astype(np.float64) if joint else np.repeat(template.cells, size, axis=0)
