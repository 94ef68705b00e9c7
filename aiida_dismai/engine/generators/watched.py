"""A model that was installed by someone else may forget what the contract asks of it: the frame looks after it.

A loss that is not a number ends the training where it appears, with the epoch; so do weights that are none. What is not
what the contract says is refused in a line that names the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..context import Context
from ..errors import BadInput, Diverged
from ..structures import StructureSet
from .contract import Trained


def watched(context: Context) -> Context:
    """Return a context whose progress ends the training with ``Diverged`` at the first loss that is not finite."""
    before = context.watch

    def watch(line: Mapping[str, Any]) -> None:
        if before is not None:
            before(line)
        for name, value in line.items():
            if _is_loss(name) and _infinite(value):
                step = "".join(f", {key} {line[key]}" for key in ("step", "batch") if key in line)
                raise Diverged(f"{name} became {value} at {line['stage']} {line['done']} of {line['total']}{step}")

    return replace(context, watch=watch)


def _is_loss(name: str) -> bool:
    """Whether a number is one that the training follows: without validation structures that of them is none."""
    return "loss" in name.lower() and "val" not in name.lower()


def _infinite(value: Any) -> bool:
    try:
        return not math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def check_trained(trained: Any, model: str) -> Trained:
    """Return what training gave if sampling can do something with it.

    Raises:
        BadInput: it is no ``Trained``, or its parts are of other types.
        Diverged: a weight is NaN or infinite, or the losses end as such; names the first epoch.
    """
    if not isinstance(trained, Trained):
        raise BadInput(f"model '{model}': its train function gave a {type(trained).__name__}, not a Trained")
    for name, tensor in trained.weights.items():
        if not isinstance(tensor, torch.Tensor):
            raise BadInput(f"model '{model}': the weights '{name}' are a {type(tensor).__name__}, not a tensor")
    lost = _lost(trained)
    for name, tensor in trained.weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise Diverged(f"model '{model}': the weights '{name}' are NaN or infinite{'; ' + lost if lost else ''}")
    ended = [value for name, value in trained.results.items() if _is_loss(name) and isinstance(value, float)]
    if lost is not None or (ended and not any(map(math.isfinite, ended))):
        raise Diverged(f"model '{model}': {lost or 'its final losses are NaN or infinite'}")
    return trained


def _lost(trained: Trained) -> str | None:
    """Say which loss is not finite from where to the end; None where one is: a part may skip epochs, all do not."""
    curves = {name: np.asarray(values) for name, values in trained.curves.items() if _is_loss(name)}
    curves = {name: curve for name, curve in curves.items() if curve.ndim == 1 and curve.dtype.kind == "f"}
    last = {name: int(np.max(np.flatnonzero(np.isfinite(curve)), initial=-1)) for name, curve in curves.items()}
    lost = {name: at + 1 for name, at in last.items() if at + 1 < len(curves[name])}
    if not lost or len(lost) < len(curves):
        return None
    name = min(lost, key=lambda item: lost[item])
    first, epochs = lost[name], trained.curves.get("epoch")
    epoch = first + 1 if epochs is None or len(epochs) != len(curves[name]) else epochs[first]
    return f"{name} is {curves[name][first]} from epoch {epoch} on"


def check_batch(batch: Any, size: int, model: str) -> StructureSet:
    """Return a batch of generated structures if there are as many as were asked for.

    Raises:
        BadInput: it is no ``StructureSet``, or of another length.
    """
    if not isinstance(batch, StructureSet):
        raise BadInput(f"model '{model}': its sample function gave a {type(batch).__name__}, not a StructureSet")
    if len(batch) != size:
        raise BadInput(f"model '{model}' gave {len(batch)} structures where {size} were asked for")
    return batch
