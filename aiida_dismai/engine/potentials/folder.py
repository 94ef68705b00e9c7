"""The folder of a trained potential: ``config.json`` and ``weights.safetensors``.

Nothing in it is executed when it is loaded: the configuration is JSON, the weights are safetensors, the
network is looked up by name in :mod:`.architectures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..checkpoint import load_weights, save_weights
from ..errors import BadWeights, nearest
from ..trained import CONFIG, POTENTIAL, WEIGHTS
from ..upgrades import Stored, upgrade
from .graphs import GraphBuilder
from .repulsion import Repelled

if TYPE_CHECKING:
    from matgl.apps.pes import Potential

    from .architectures import Architecture

UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "GPa, compressive negative", "length": "Å"}


@dataclass(frozen=True)
class TrainedPotential:
    """A potential ready to compute.

    Attributes:
        potential: matgl's ``Potential`` in eval mode, without gradients of the weights. It gives the energy
            *above* the references: total energies of large cells in single precision would lose the meV
            that a line search needs.
        references: energy of each element, eV per atom, double precision, in the order of ``builder.numbers``.
        builder: makes the graphs.
        config: ``config.json`` as it was read.
        device: where the potential lies.
    """

    potential: Potential
    references: NDArray[np.float64]
    builder: GraphBuilder
    config: dict[str, Any]
    device: str

    def reference_energy(self, numbers: NDArray[np.integer]) -> float:
        """Return the sum of the atoms' reference energies, eV."""
        lookup = np.zeros(119)
        lookup[list(self.builder.numbers)] = self.references
        return float(lookup[numbers].sum())


def network_of(potential: Potential) -> nn.Module:
    """Return the network inside matgl's ``Potential`` (which declares no type for it)."""
    return cast(nn.Module, potential.model)


def build_potential(config: dict[str, Any]) -> Potential:
    """Build matgl's ``Potential`` around the network of ``config``, with fresh weights.

    Raises:
        BadWeights: an architecture or arguments that this version does not know.
    """
    from matgl.apps.pes import Potential
    from pydantic import ValidationError

    name = config["architecture"]
    try:
        network = architecture(name).build(config["elements"], config["network"])
    except ValidationError as error:
        raise BadWeights(f"arguments of the network '{name}' that this version does not take: {error}") from error
    scale = float(config["data_std"])
    if config.get("repulsion", False):
        from ase.data import atomic_numbers

        network = Repelled(network, [atomic_numbers[symbol] for symbol in config["elements"]], scale)
    return Potential(model=network, data_std=scale)


def architecture(name: str) -> Architecture:
    """Return a network by name.

    Raises:
        BadWeights: one that this version does not know.
    """
    from .architectures import ARCHITECTURES

    if name not in ARCHITECTURES:
        raise BadWeights(f"unknown architecture '{name}'{nearest(str(name), ARCHITECTURES)}")
    return ARCHITECTURES[name]


def save_potential(folder: Path, weights: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """Write a potential.

    Args:
        folder: made when it is not there.
        weights: the ``state_dict`` of the network.
        config: ``architecture``, ``network``, ``elements``, ``reference_energies`` (eV per atom, by symbol),
            ``data_std``, and whatever else is worth knowing; format, versions, units and SHA-256 are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / WEIGHTS, weights)
    version = architecture(config["architecture"]).version
    POTENTIAL.write_config(folder, {"units": UNITS, "architecture_version": version, **config})


def load_potential(folder: Path | str, device: str = "cpu") -> TrainedPotential:
    """Load a potential for computing.

    Args:
        folder: as :func:`save_potential` wrote it.
        device: ``cpu`` or ``cuda``.

    Raises:
        BadWeights: anything in the folder that is missing, damaged, unknown or not safe.
    """
    from ase.data import atomic_numbers

    folder = Path(folder)
    config = POTENTIAL.read_config(folder)
    known, where = architecture(config["architecture"]), f"{folder}: network '{config['architecture']}'"
    stored = Stored(config["network"], config, load_weights(folder / WEIGHTS))
    # the first potentials do not say their version
    stored = upgrade(stored, config.get("architecture_version", 1), known.version, known.upgrades, where)
    config = {**stored.config, "network": stored.parameters}
    try:
        numbers = tuple(atomic_numbers[symbol] for symbol in config["elements"])
        references = np.array([float(config["reference_energies"][symbol]) for symbol in config["elements"]])
        potential = build_potential(config)
    except (KeyError, TypeError, ValueError) as error:
        raise BadWeights(f"{folder / CONFIG}: {type(error).__name__}: {error}") from error
    try:
        network_of(potential).load_state_dict(dict(stored.weights))
    except RuntimeError as error:
        raise BadWeights(f"{folder}: the weights do not fit the network of {CONFIG}: {error}") from error
    potential = potential.to(device).eval()
    potential.requires_grad_(False)
    return TrainedPotential(
        potential, references, GraphBuilder(numbers, float(config["network"]["cutoff"])), config, device
    )
