"""The folder that a training task writes: ``config.json``, ``weights.safetensors`` and what belongs to them.

Nothing in it is ever executed: the configuration is JSON and holds the SHA-256 of every other file, the
weights are safetensors. This module reads no weights and imports no torch, so that the AiiDA host can check
a folder too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from .errors import BadInput, BadWeights
from .files import write_json
from .text import visible
from .untrusted import read_object

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
TEMPLATE = "template.npz"


@dataclass(frozen=True)
class FolderFormat:
    """One kind of folder.

    Attributes:
        name: ``format`` in ``config.json``.
        version: newest version that is read.
        files: the files beside ``config.json``.
        keys: what ``config.json`` must have.
        task: the task that writes it, for messages.
    """

    name: str
    version: int
    files: tuple[str, ...]
    keys: tuple[str, ...]
    task: str

    def write_config(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Write ``config.json`` last, with the SHA-256 of the files that are there already."""
        digests = {name: sha256((folder / name).read_bytes()) for name in self.files}
        write_json(folder / CONFIG, {"format": self.name, "version": self.version, **config, "sha256": digests})

    def read_config(self, folder: Path) -> dict[str, Any]:
        """Read ``config.json`` and check every file against it.

        Raises:
            BadWeights: a file is missing, truncated, changed or a pickle, or the folder is of another format
                or a newer version.
        """
        path = folder / CONFIG
        hint = f"give the whole folder that {self.task} wrote"
        if not path.is_file():
            raise BadWeights(f"{folder}: no {CONFIG}; {hint}")
        try:
            config = read_object(path)
        except BadInput as error:
            raise BadWeights(f"{error}; truncated or changed, copy it again") from error
        if config.get("format") != self.name:
            raise BadWeights(f"{path}: format is not '{self.name}'; {hint}")
        version = config.get("version")
        if not isinstance(version, int) or isinstance(version, bool) or version > self.version:
            raise BadWeights(f"{path}: version {visible(version, 40)} is newer than this program; update aiida-dismai")
        digests = config["sha256"] if isinstance(config.get("sha256"), dict) else {}
        missing = [key for key in self.keys if key not in config]
        if set(digests) != set(self.files):
            missing.append("sha256")
        if missing:
            raise BadWeights(f"{path}: incomplete, lacks {', '.join(missing)}; copy it again")
        for key, check in SHAPES.items():
            if key in config and not check(config[key]):
                raise BadWeights(
                    f"{path}: '{key}' is not what {self.task} writes: {visible(config[key], 80)}; copy it again"
                )
        for name in self.files:
            self._check_file(folder / name, digests[name], hint)
        return config

    @staticmethod
    def _check_file(path: Path, digest: str, hint: str) -> None:
        if not path.is_file():
            raise BadWeights(f"{path}: no such file; {hint}")
        with path.open("rb") as handle:
            head = handle.read(16)
            handle.seek(0)
            found = hashlib.file_digest(handle, "sha256").hexdigest()
        if path.name == WEIGHTS and is_pickle(head):
            raise BadWeights(f"{path}: this is a pickle (torch.save), which can execute code and is never loaded")
        if found != digest:
            raise BadWeights(f"{path}: truncated or changed (not the SHA-256 in {CONFIG}); copy it again")


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins so (nine bytes at least) is a pickle, bare or in the zip that ``torch.save`` writes.

    A safetensors file begins with the length of its JSON header, which may happen to be the bytes of a
    pickle or a zip; the brace that opens the header tells them apart.
    """
    return head[8:9] != b"{" and (head[:2] == b"PK" or head[:1] == b"\x80")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_elements(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item in chemical_symbols[1:] for item in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


#: What the entries of ``config.json`` are that the host and the loaders read.
SHAPES: Mapping[str, Callable[[Any], bool]] = {
    "architecture": _is_text,
    "architecture_version": _is_whole,
    "network": _is_object,
    "elements": _are_elements,
    "reference_energies": lambda value: _is_object(value) and all(_is_number(item) for item in value.values()),
    "data_std": _is_number,
    "model": _is_text,
    "model_version": _is_whole,
    "hyperparameters": _is_object,
    "model_config": _is_object,
    "n_atoms": _is_whole,
    "seed": lambda value: value is None or _is_whole(value),
    "versions": lambda value: _is_object(value) and all(_is_text(item) for item in value.values()),
}
POTENTIAL = FolderFormat(
    name="dismai-potential",
    version=1,
    files=(WEIGHTS,),
    keys=("architecture", "network", "elements", "reference_energies", "data_std"),
    task="potential.train",
)
GENERATOR = FolderFormat(
    name="dismai-generator",
    version=1,
    files=(WEIGHTS, TEMPLATE),
    keys=("model", "model_version", "hyperparameters", "model_config"),
    task="generator.train",
)
