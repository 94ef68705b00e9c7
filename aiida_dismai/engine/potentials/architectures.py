"""The networks that can be built, by name.

A weights file never names a class: its ``architecture`` is looked up here, and nothing else is imported.
To add a network, write a builder and enter it in :data:`ARCHITECTURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from .parameters import NetworkParameters


def build_m3gnet(elements: Sequence[str], arguments: Mapping[str, Any]) -> nn.Module:
    """Build matgl's M3GNet with fresh weights (drawn from torch's global generator).

    Args:
        elements: chemical symbols, in the order of the embedding.
        arguments: the fields of :class:`~.parameters.NetworkParameters`.
    """
    from matgl.models import M3GNet

    network = NetworkParameters.model_validate(dict(arguments))
    return M3GNet(
        element_types=tuple(elements),
        is_intensive=False,
        cutoff=network.cutoff,
        threebody_cutoff=network.threebody_cutoff,
        nblocks=network.n_blocks,
        units=network.units,
        dim_node_embedding=network.units,
        dim_edge_embedding=network.units,
        max_n=network.max_n,
        max_l=network.max_l,
        use_smooth=network.use_smooth,
    )


#: Builders by the name that stands in ``config.json``.
ARCHITECTURES: dict[str, Callable[[Sequence[str], Mapping[str, Any]], nn.Module]] = {"m3gnet": build_m3gnet}
