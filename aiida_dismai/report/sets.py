"""The structures behind the measures of a model: what was generated, what was measured, what it was compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.evaluation.listing import listing, unreadable
from ..provenance import inputs_of
from .model import Model
from .nodes import relaxed_until
from .scenes import Sets


def sets_behind(metrics: Any, generated: int | None = None) -> Sets | None:
    """Return the structures behind the results of the metrics; None where they are not in this profile.

    Args:
        metrics: the node of the results.
        generated: PK of what the model gave; without it, what the caller of the metrics was given is taken.
    """
    from ..data import StructureSetData

    maker = metrics.creator
    given = {} if maker is None else inputs_of(maker)
    measured = given.get("structures")
    if not isinstance(measured, StructureSetData):
        return None
    before = _generated(metrics, generated)
    training = given.get("reference")
    sets = Sets(measured.structures, relaxed=relaxed_until(measured) is not None)
    if isinstance(before, StructureSetData):
        sets.generated = before.structures
        sets.names = names_of(before)
    if isinstance(training, StructureSetData):
        sets.training = training.structures
    return sets


def unread_with(metrics: Any, generated: int | None = None) -> list[dict[str, Any]]:
    """Return a row for each structure that was given with those of the metrics and could not be read.

    Args:
        metrics: the node of the results.
        generated: as of :func:`sets_behind`.
    """
    before = _generated(metrics, generated)
    rows = getattr(before, "unread", [])
    return [unreadable(str(row["file"]), int(row["frame"]), str(row["reason"])) for row in rows]


def _generated(metrics: Any, generated: int | None) -> Any:
    """Return the node of what a model gave, or of what the evaluation was given; None if neither is known."""
    from aiida.orm import load_node

    if generated is not None:
        return load_node(generated)
    return None if metrics.creator is None else _given_to(metrics.creator.caller)


def listed(model: Model, sets: Sets) -> list[dict[str, Any]]:
    """Return a row for each generated structure: its file, whether and why it failed, and its measures."""
    measured, generated = sets.measured, sets.generated if sets.generated is not None else sets.measured
    if not sets.relaxed:
        return listing(generated, model.metrics, model.per_structure)
    known = "source_index" in measured.properties and sets.generated is not None
    source = measured.values("source_index") if known else np.arange(len(measured))
    lost = np.setdiff1d(np.arange(len(generated)), source) if known else np.array([], dtype=int)
    return listing(generated, model.metrics, model.per_structure, measured, lost.tolist())


def _given_to(process: Any) -> Any:
    """Return the structures that the evaluation above was given; None if there is none."""
    while process is not None:
        if (process.process_type or "").endswith(":dismai.evaluate"):
            return inputs_of(process).get("structures")
        process = process.caller
    return None


def names_of(structures: Any) -> list[str]:
    """Return how the file of each structure named it (``file`` and ``frame``); empty where it was not a file's."""
    held = structures.structures
    if "file" not in held.properties:
        return []
    frames = held.values("frame") if "frame" in held.properties else range(len(held))
    return [f"{file}, frame {frame}" for file, frame in zip(held.values("file"), frames, strict=True)]
