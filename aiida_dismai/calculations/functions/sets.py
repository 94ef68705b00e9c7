"""Cutting, joining and splitting sets of structures."""

from __future__ import annotations

from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Dict, Float, Int, Str

from ...data import StructureSetData
from ...engine.structures import StructureSet
from ...engine.structures.splitting import split_indices


@calcfunction
def slice_structures(structures: StructureSetData, start: Int, stop: Int) -> StructureSetData:
    """Return the structures from ``start`` up to, and without, ``stop``."""
    return StructureSetData(structures.structures[start.value : stop.value])


@calcfunction
def concatenate_structures(**sets: StructureSetData) -> StructureSetData:
    """Join sets in the order of their names (``chunk_0000``, ``chunk_0001``, …)."""
    return StructureSetData(StructureSet.concatenate([sets[name].structures for name in sorted(sets)]))


@calcfunction
def count_as_failed(structures: StructureSetData, start: Int, stop: Int, reason: Str) -> StructureSetData:
    """Return the structures from ``start`` up to, and without, ``stop`` as a relaxation gives out what it gave up."""
    from ...engine.potentials.outcomes import given_up

    return StructureSetData(given_up(structures.structures[start.value : stop.value], reason.value))


@calcfunction
def split_structures(structures: StructureSetData, seed: Int, validation_share: Float) -> dict[str, Any]:
    """Split a data set at random into training and validation sets.

    Both keep the order of the whole set. At least one structure goes to each side when there are two.

    Returns:
        ``train``, ``validation`` and ``split`` (a Dict with the seed and the indices of both).
    """
    train, validation = split_indices(len(structures), seed.value, validation_share.value)
    whole = structures.structures
    return {
        "train": StructureSetData(whole[train]),
        "validation": StructureSetData(whole[validation]),
        "split": Dict({"seed": seed.value, "train": train.tolist(), "validation": validation.tolist()}),
    }
