"""Weights of earlier versions, brought to the version that is installed, one version at a time; imports no torch.

Whoever changes what the weights of a model mean (names or shapes of tensors, hyper-parameters, constants) raises the
model's version and writes one function that turns what the version before wrote into what this one reads. Its place is
the module ``versions`` in the model's folder; the specification names it. Files are never rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .errors import BadInput, BadWeights
from .plugins import load

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Stored:
    """What the folder of a trained network holds.

    Attributes:
        parameters: hyper-parameters, as they were written.
        config: constants beside the weights, as they were written.
        weights: tensors by name.
    """

    parameters: Mapping[str, Any]
    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]


class UpgradeFunction(Protocol):
    """Brings what one version wrote to the next version."""

    def __call__(self, stored: Stored) -> Stored:
        """Return what the next version would have written; the argument is left as it is."""
        ...


def upgrade(stored: Stored, written: int, installed: int, upgrades: Mapping[int, str], where: str) -> Stored:
    """Bring weights to the installed version.

    Args:
        stored: as read.
        written: version that wrote it.
        installed: version that reads it.
        upgrades: ``module:function`` by the version that it starts from, see :class:`UpgradeFunction`.
        where: folder and model, for errors.

    Raises:
        BadWeights: written by a newer version, or by one that can no longer be read.
    """
    if written > installed:
        raise BadWeights(f"{where}: written by version {written}, installed is {installed}; update the package of it")
    for version in range(written, installed):
        if version not in upgrades:
            raise BadWeights(
                f"{where}: written by version {written}, and version {installed}, which is installed, no longer reads "
                f"version {version}; train again, or install the earlier version of the package"
            )
        function: UpgradeFunction
        try:
            function = load(upgrades[version])
            stored = function(stored)
        except (BadInput, KeyError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise BadWeights(f"{where}: upgrade from version {version} failed ({reason})") from error
    return stored
