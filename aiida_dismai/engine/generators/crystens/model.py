"""The two networks of CrysTens, and weights of the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import BadWeights
from ...structures import StructureSet
from ..trainable import count_parameters
from ..unets import published
from ..unets.networks import SuperResolutionUNet, UNet
from ..unets.sampling import build
from .config import CrystensParameters
from .images import CHANNELS

#: Names in results and checkpoints, and the network; a published checkpoint has them in this order.
NETWORKS: dict[str, type[UNet]] = {"small": UNet, "large": SuperResolutionUNet}


def networks(parameters: CrystensParameters) -> dict[str, UNet]:
    """Return the networks of small and of large images with their initial weights."""
    return {name: kind(CHANNELS, parameters.width) for name, kind in NETWORKS.items()}


def parts(template: StructureSet, parameters: CrystensParameters) -> dict[str, int]:
    """Return the number of trainable parameters of each network; those for text, never used, are not there."""
    with torch.device("meta"):
        return {name: count_parameters(network) for name, network in networks(parameters).items()}


def join(weights: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the weights of both networks in one dictionary, with the published prefixes ``unets.0.``, ``unets.1.``."""
    return {
        f"unets.{number}.{key}": value for number, name in enumerate(NETWORKS) for key, value in weights[name].items()
    }


def load_networks(weights: Mapping[str, Tensor], parameters: CrystensParameters, device: str) -> dict[str, UNet]:
    """Build both networks with what :func:`join` gave, in evaluation mode.

    Raises:
        BadWeights: the weights of a network are missing or those of another.
    """
    found = {}
    for number, (name, kind) in enumerate(NETWORKS.items()):
        prefix = f"unets.{number}."
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        if not own:
            raise BadWeights(f"crystens: there are no weights of the network of {name} images ('{prefix}…')")
        found[name] = build(kind, CHANNELS, parameters.width, own, "crystens", device)
    return found


def from_published(state: Mapping[str, Any] | Path | str) -> dict[str, Tensor]:
    """Return the weights of both published networks as a trained model has them; see ``unets.published``.

    Args:
        state: the state dictionary, or a safetensors file with it, of a checkpoint that was saved in the training of
            the second network, which holds both.

    Raises:
        BadWeights: a network is missing, another one, or was never trained.
    """
    return join(
        {
            name: published.from_published(state, kind, CHANNELS, number)
            for number, (name, kind) in enumerate(NETWORKS.items())
        }
    )
