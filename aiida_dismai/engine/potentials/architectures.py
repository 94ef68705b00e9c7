"""The networks that can be built, by name.

A weights file never names a class: its ``architecture`` is looked up here, and nothing else is imported.
To add a network, write a builder and enter it in :data:`ARCHITECTURES`. What changes the meaning of its weights
(another matgl, too) raises its version, and comes with a function that reads the earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Architecture:
    """A network that can be built.

    Attributes:
        build: makes it with fresh weights, of elements and arguments.
        version: of its weights; raised whenever earlier weights would be read wrongly.
        upgrades: how weights of earlier versions are read, see :class:`~aiida_dismai.engine.upgrades.UpgradeFunction`.
    """

    build: Callable[[Sequence[str], Mapping[str, Any]], nn.Module]
    version: int = 1
    upgrades: Mapping[int, str] = field(default_factory=dict)


#: By the name that stands in ``config.json``.
ARCHITECTURES: Mapping[str, Architecture] = {"m3gnet": Architecture(build_m3gnet)}
