"""Small structures and networks for the tests of CDVAE."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from aiida_dismai.engine.generators.cdvae.config import CdvaeParameters
from aiida_dismai.engine.generators.cdvae.data import CrystalData, Limits, prepare
from aiida_dismai.engine.generators.cdvae.model import Cdvae
from aiida_dismai.engine.structures import StructureSet

TINY: dict[str, Any] = {
    "latent_dim": 6,
    "cutoff": 4.0,
    "max_neighbours": 10,
    "encoder_graph": "radius",
    "encoder_channels": 8,
    "encoder_blocks": 1,
    "encoder_triplet_channels": 4,
    "encoder_output_channels": 8,
    "encoder_radial": 3,
    "n_spherical": 3,
    "decoder_channels": 8,
    "decoder_blocks": 1,
    "decoder_triplet_channels": 4,
    "decoder_radial": 8,
    "head_channels": 8,
    "fit_scale_factors": False,
    "noise_levels": 5,
    "sigma_begin": 2.0,
    "langevin_steps": 2,
    "epochs": 3,
    "batch_size": 3,
}
#: Triclinic, smaller than twice the cutoff.
CELL = np.array([[5.2, 0.0, 0.3], [1.1, 5.6, -0.4], [-0.8, 0.5, 6.1]])
#: Structures of different sizes and elements; the largest has 7 atoms, the highest element is 17.
SIZES = (5, 7, 2)


def crystals(sizes: tuple[int, ...] = SIZES, seed: int = 0) -> StructureSet:
    """Return structures with random elements on the points of a shaken grid, in cells of different shapes."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid([0.0, 0.5], [0.0, 0.5], [0.0, 0.5], indexing="ij"), axis=-1).reshape(-1, 3)
    sets = []
    for size in sizes:
        cell = CELL * rng.uniform(0.9, 1.1)
        points = grid[:size] + rng.uniform(-0.08, 0.08, (size, 3))
        numbers = rng.choice([3, 8, 17], size)
        numbers[0] = 17
        sets.append(StructureSet.from_uniform(numbers, (points @ cell)[None], cell))
    return StructureSet.concatenate(sets)


def tiny(**changes: Any) -> CdvaeParameters:
    """Return the hyper-parameters of a small model."""
    return CdvaeParameters(**{**TINY, **changes})


def scene(
    double: bool = True, structures: StructureSet | None = None, seed: int = 0, **changes: Any
) -> tuple[Cdvae, CrystalData, CdvaeParameters]:
    """Return a network whose encoder's output is not zero as in the beginning, data and hyper-parameters."""
    structures = crystals() if structures is None else structures
    parameters = tiny(**changes)
    limits = Limits.of(structures, parameters)
    data = prepare(structures, limits, parameters, "test")
    torch.manual_seed(seed)
    network = Cdvae(parameters, limits)
    assert network.encoder is not None
    for block in network.encoder.output_blocks:
        torch.nn.init.normal_(block.lin.weight, std=0.3)
    from aiida_dismai.engine.generators.graphs.lattice import lengths_and_angles

    network.fit_lattice(*lengths_and_angles(data.cells.double()), data.counts)
    if double:
        network = network.double()
        data = CrystalData(**{**vars(data), "fractional": data.fractional.double(), "cells": data.cells.double()})
    return network, data, parameters
