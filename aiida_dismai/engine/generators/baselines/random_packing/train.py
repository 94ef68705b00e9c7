"""Reading the floor off the training structures: there is nothing to learn."""

from __future__ import annotations

import numpy as np
import torch
from ase.data import chemical_symbols

from ....context import Context
from ....errors import BadInput
from ....structures import StructureSet
from ...contract import Trained
from .config import RandomParameters
from .contacts import smallest_distances
from .frames import read_frames
from .lattice import NoCommonSites, common_sites

#: Two atoms nearer than this are an error of the data, Å.
OVERLAP = 0.3


def train(
    structures: StructureSet,
    validation: StructureSet | None,
    parameters: RandomParameters,
    context: Context,
    device: str,
) -> Trained:
    """Read atoms, cells, occupied ranges, minimum distances and common sites; see ``TrainFunction``.

    It takes seconds, so there is no checkpoint: run it again from the start.

    Returns:
        No trainable parameters. Weights: the :class:`~.frames.Frames`; ``elements`` ``(k,)``; ``distances`` ``(k, k)``,
        Å, 0 for pairs that no structure has; ``sites`` ``(m, 3)`` fractional, on a lattice only. Curve
        ``smallest_distance``: of each training structure, Å, NaN for a single atom. Results: ``sites`` (lattice or
        packing), ``minimum_distances`` by pair of elements (Å), ``vacuum_axes``, ``n_atom_lists``, ``n_cells``.

    Raises:
        BadInput: two atoms on top of each other; ``sites`` is 'lattice', and there are no common sites.
    """
    elements = np.unique(structures.numbers)
    found = np.empty((len(structures), len(elements), len(elements)))
    for i in range(len(structures)):
        found[i] = smallest_distances(structures[i], elements)
        if i % 100 == 99 or i + 1 == len(structures):
            context.progress("train", i + 1, len(structures))
    closest = found.min(axis=(1, 2))
    if closest.min() < OVERLAP:
        raise BadInput(
            f"training structures: two atoms of structure {int(closest.argmin())} are {closest.min():.3f} Å apart "
            f"({int((closest < OVERLAP).sum())} structures have atoms closer than {OVERLAP} Å); remove these "
            "structures or relax them: a packing keeps the smallest distances of the data"
        )
    distances = parameters.distance_scale * _quantile(found, parameters.quantile)
    frames = read_frames(structures, parameters.vacuum, parameters.region == "occupied")
    weights = frames.tensors() | {"elements": torch.from_numpy(elements), "distances": torch.from_numpy(distances)}
    sites = None
    if parameters.sites == "lattice" or (parameters.sites == "auto" and len(elements) > 1):
        try:
            sites = common_sites(structures, parameters.site_tolerance)
        except NoCommonSites as error:
            if parameters.sites == "lattice":
                raise BadInput(
                    f"training structures: sites is 'lattice', but they share no sites: {error}; take 'auto' or "
                    "'packing', or a larger site_tolerance"
                ) from error
    if sites is not None:
        weights["sites"] = torch.from_numpy(sites)
    names = [chemical_symbols[z] for z in elements]
    return Trained(
        weights=weights,
        trainable_parameters={},
        curves={"smallest_distance": np.where(np.isfinite(closest), closest, np.nan)},
        results={
            "sites": "packing" if sites is None else "lattice",
            "minimum_distances": {
                f"{names[a]}-{names[b]}": float(distances[a, b])
                for a in range(len(names))
                for b in range(a, len(names))
                if distances[a, b] > 0
            },
            "vacuum_axes": np.flatnonzero((frames.pbc & np.isfinite(frames.width)).any(axis=0)).tolist(),
            "n_atom_lists": len(frames.offsets) - 1,
            "n_cells": len(np.unique(frames.cells.round(6), axis=0)),
        },
    )


def _quantile(found: np.ndarray, quantile: float) -> np.ndarray:
    """Return the quantile over the structures that have the pair; 0 where none has."""
    result = np.zeros(found.shape[1:])
    for pair in np.ndindex(result.shape):
        there = found[:, *pair][np.isfinite(found[:, *pair])]
        if len(there):
            result[pair] = np.quantile(there, quantile)
    return result
