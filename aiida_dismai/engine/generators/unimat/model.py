"""The network of UniMat, its size, and weights of the published code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...structures import StructureSet
from ..trainable import count_parameters
from ..unets import published
from ..unets.networks import VideoUNet
from .config import UnimatParameters

#: Channels of a pixel: the fractional coordinates.
CHANNELS = 3


def build(parameters: UnimatParameters) -> VideoUNet:
    """Return the network with its initial weights."""
    return VideoUNet(CHANNELS, parameters.width)


def parts(template: StructureSet, parameters: UnimatParameters) -> dict[str, int]:
    """Return the trainable parameters by part of the network, as the published weights name them."""
    with torch.device("meta"):
        network = build(parameters)
    counts = {name: count_parameters(part) for name, part in network.named_children()}
    for name in ("downs", "ups"):
        levels = network.get_submodule(name).named_children()
        counts |= {f"{name}.{number}": count_parameters(level) for number, level in levels}
        del counts[name]
    return counts


def from_published(state: Mapping[str, Tensor] | Path | str) -> dict[str, Tensor]:
    """Return the weights of a published checkpoint under the names that they have here.

    Args:
        state: a state dictionary, or a safetensors file with one; see :func:`~..unets.published.from_published`.

    Raises:
        BadWeights: not the weights of this network.
    """
    return published.from_published(state, VideoUNet, CHANNELS)
