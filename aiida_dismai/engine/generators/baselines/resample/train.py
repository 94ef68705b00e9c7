"""Keeping the held-out structures: there is nothing to learn."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from ....context import Context
from ....errors import BadInput
from ....structures import StructureSet
from ...contract import Trained
from .config import ResampleParameters


def train(
    structures: StructureSet,
    validation: StructureSet | None,
    parameters: ResampleParameters,
    context: Context,
    device: str,
) -> Trained:
    """Store the validation structures; see ``TrainFunction``.

    Returns:
        No trainable parameters. Weights: ``numbers``, ``positions`` (Å), ``cells`` (Å), ``pbc`` and ``offsets`` as
        ``StructureSet`` has them, and ``region`` where the structures have it. Curve ``n_atoms`` of each. Results:
        ``n_held_out``, and ``n_also_in_training``, how many of these are training structures bit by bit (small
        lattice alloys repeat themselves).

    Raises:
        BadInput: no validation structures; elements that no training structure has; nothing but training structures.
    """
    if validation is None:
        raise BadInput(
            "model 'resample' gives back held-out structures and needs them as the input 'validation': of the same "
            "source as the training structures and not among them, such as the validation set of the same data set"
        )
    if odd := [name for name in validation.elements if name not in structures.elements]:
        raise BadInput(
            f"validation structures: {', '.join(odd)} is in no training structure ({', '.join(structures.elements)}); "
            "give held-out structures of the same data set"
        )
    known = {_key(structures, i) for i in range(len(structures))}
    repeated = sum(_key(validation, i) in known for i in range(len(validation)))
    if repeated == len(validation):
        raise BadInput(
            f"validation structures: all {repeated} are training structures too, so nothing is held out; split the "
            "data set in two parts that share no structure"
        )
    arrays = validation.without_properties().arrays()
    if "region" in validation.properties:
        arrays["region"] = validation.values("region")
    context.progress("train", len(validation), len(validation))
    return Trained(
        weights={name: torch.from_numpy(np.array(values)) for name, values in arrays.items()},
        trainable_parameters={},
        curves={"n_atoms": validation.n_atoms},
        results={"n_held_out": len(validation), "n_also_in_training": repeated},
    )


def _key(structures: StructureSet, i: int) -> bytes:
    """Return a hash of the atoms and the cell of a structure."""
    own = structures.atoms_of(i)
    digest = hashlib.sha256()
    for array in (structures.numbers[own], structures.positions[own], structures.cells[i], structures.pbc[i]):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
