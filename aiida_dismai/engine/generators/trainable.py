"""How large a network is."""

from __future__ import annotations

from torch import nn


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
