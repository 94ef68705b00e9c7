"""The networks that can be built, by name.

A weights file never names a class: its ``architecture`` is looked up here, and nothing else is imported.
To add a network, write a builder and enter it in :data:`ARCHITECTURES`. What changes the meaning of its weights
(another matgl, too) raises its version, and comes with a function that reads the earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from .parameters import NetworkParameters


def build_m3gnet(elements: Sequence[str], arguments: Mapping[str, Any]) -> nn.Module:
    """Build matgl's M3GNet with fresh weights (drawn from torch's global generator).

    Args:
        elements: chemical symbols, in the order of the embedding.
        arguments: the fields of :class:`~.parameters.NetworkParameters`.
    """
    from matgl.models import M3GNet

    network = NetworkParameters.model_validate(dict(arguments))
    with _formulas_when_called():
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
class _Formula:
    """One of matgl's smooth radial functions, derived when it is first called.

    Attributes:
        derive: matgl's function that derives all of them, and keeps them.
        count: how many there are.
        cutoff: in Å.
        index: of this one.
    """

    derive: Callable[..., list[Callable[[Tensor], Tensor]]]
    count: int
    cutoff: float
    index: int

    def __call__(self, distances: Tensor) -> Tensor:
        return self.derive(max_n=self.count, cutoff=self.cutoff)[self.index](distances)


@contextmanager
def _formulas_when_called() -> Iterator[None]:
    """Let matgl derive its smooth radial functions when they are called, not when a network is built.

    It simplifies them with SymPy, for five seconds with the paper's hyper-parameters, in every process. Relaxations
    never call them: :mod:`.m3gnet` has its own.
    """
    from matgl.layers import _basis

    derive = _basis._get_lambda_func

    def later(max_n: int, cutoff: float) -> list[_Formula]:
        return [_Formula(derive, max_n, cutoff, index) for index in range(max_n)]

    _basis._get_lambda_func = later  # type: ignore[assignment]
    try:
        yield
    finally:
        _basis._get_lambda_func = derive


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
