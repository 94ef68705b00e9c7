"""Checkpoints and weights: safetensors only, written atomically, loadable without executing code.

A checkpoint is a nested structure of dicts, lists, numbers, strings and tensors (a module's or an
optimiser's ``state_dict``, the state of a random generator). The tensors go into one safetensors
file; the rest becomes JSON in the header of the same file, so one rename publishes all of it. The header
has a checksum of the tensors, and the checkpoint before stays beside the new one: a damaged file costs
the time between the two.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .errors import BadInput, BadWeights
from .files import write_atomically
from .trained import is_pickle
from .untrusted import STATE, read_object

TENSOR = "__tensor__"
INT_KEYS = "__int_keys__"
#: Name of the checksum in the header.
CHECKSUM = "crc32"


def _take_apart(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        name = f"t{len(tensors)}"
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {TENSOR: name}
    if isinstance(value, dict):
        if value and all(isinstance(key, int) for key in value):
            return {INT_KEYS: [[key, _take_apart(item, tensors)] for key, item in value.items()]}
        return {str(key): _take_apart(item, tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_take_apart(item, tensors) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _put_together(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if TENSOR in value:
            return tensors[value[TENSOR]]
        if INT_KEYS in value:
            return {key: _put_together(item, tensors) for key, item in value[INT_KEYS]}
        return {key: _put_together(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_together(item, tensors) for item in value]
    return value


def save_checkpoint(path: Path | str, state: dict[str, Any]) -> None:
    """Write ``state`` (nested dicts and lists of tensors and plain values) atomically; the one before is kept."""
    path = Path(path)
    tensors: dict[str, torch.Tensor] = {}
    tree = _take_apart(state, tensors)
    content = save(tensors, metadata={"state": json.dumps(tree), CHECKSUM: _checksum(tensors)})
    if path.is_file():
        _keep(path, previous(path))
    write_atomically(path, lambda handle: handle.write(content))


def previous(path: Path) -> Path:
    """Return where the checkpoint before this one is."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def _keep(path: Path, second: Path) -> None:
    """Give a file a second name; at no moment is there none of it."""
    passing = second.with_name(f".{second.name}.new")
    passing.unlink(missing_ok=True)
    try:
        os.link(path, passing)
    except OSError:  # a file system without hard links
        os.replace(path, second)
    else:
        os.replace(passing, second)


def load_newest(path: Path | str, warn: Callable[[str], None]) -> dict[str, Any] | None:
    """Read the newest sound checkpoint of what :func:`save_checkpoint` wrote.

    Args:
        path: of the newest.
        warn: called with a line for each that is damaged and passed over.

    Returns:
        None where none was written, or none is sound.
    """
    path = Path(path)
    lines = []
    state = None
    for one in (path, previous(path)):
        if one.is_file():
            try:
                state = load_checkpoint(one)
                break
            except BadWeights as error:
                lines.append(str(error))
    for line in lines:
        warn(f"{line}; {'restarted from the beginning' if state is None else 'resumed from the checkpoint before it'}")
    return state


def load_checkpoint(path: Path | str, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote.

    Raises:
        BadWeights: the file is missing, truncated or not a safetensors file of ours.
    """
    tensors, header = _read(path, device)
    if "state" not in header:
        raise BadWeights(f"{path}: not a checkpoint of this project (no state in its header)")
    if CHECKSUM in header and header[CHECKSUM] != _checksum(tensors):
        raise BadWeights(f"{path}: a damaged checkpoint (its checksum is another)")
    try:
        state = _put_together(read_object(header["state"], "its state", STATE), tensors)
    except (BadInput, KeyError, TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, BadInput) else type(error).__name__
        raise BadWeights(f"{path}: not a checkpoint of this project ({reason}); remove it to start again") from error
    assert isinstance(state, dict)
    return state


def _checksum(tensors: dict[str, torch.Tensor]) -> str:
    """Return the CRC-32 of all tensors, in the order of their names."""
    total = 0
    for name in sorted(tensors):
        content = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        total = zlib.crc32(content.numpy().data, zlib.crc32(name.encode(), total))
    return f"{total:08x}"


def save_weights(path: Path | str, tensors: dict[str, torch.Tensor]) -> None:
    """Write a module's ``state_dict`` as safetensors, atomically."""
    content = save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()})
    write_atomically(path, lambda handle: handle.write(content))


def load_weights(path: Path | str, device: str | torch.device = "cpu") -> dict[str, torch.Tensor]:
    """Read a ``state_dict``.

    Raises:
        BadWeights: missing, truncated, or a pickle (never loaded: it could execute code).
    """
    return _read(path, device)[0]


def _read(path: Path | str, device: str | torch.device) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    path = Path(path)
    if not path.is_file():
        raise BadWeights(f"{path}: no such weights file; give the folder that the training task wrote")
    with path.open("rb") as handle:
        start = handle.read(16)
    if is_pickle(start):
        raise BadWeights(
            f"{path}: this is a pickle (torch.save), which can execute code and is never loaded; "
            "convert it to safetensors where you trust it"
        )
    try:
        with safe_open(str(path), framework="pt", device=str(device)) as handle:
            return {name: handle.get_tensor(name) for name in handle.keys()}, handle.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadWeights(f"{path}: truncated or not a safetensors file ({error}); train it or copy it again") from error
