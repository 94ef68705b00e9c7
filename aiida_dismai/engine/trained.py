"""The folder that a training task writes: ``config.json``, ``weights.safetensors`` and what belongs to them.

Nothing in it is ever executed: the configuration is JSON and holds the SHA-256 of every other file, the
weights are safetensors. This module reads no weights and imports no torch, so that the AiiDA host can check
a folder too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadWeights
from .files import write_json

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
            config = json.loads(path.read_text())
        except ValueError as error:
            raise BadWeights(f"{path}: truncated or not JSON ({error}); copy it again") from error
        if not isinstance(config, dict) or config.get("format") != self.name:
            raise BadWeights(f"{path}: format is not '{self.name}'; {hint}")
        if not isinstance(config.get("version"), int) or config["version"] > self.version:
            raise BadWeights(f"{path}: version {config.get('version')} is newer than this program; update aiida-dismai")
        digests = config["sha256"] if isinstance(config.get("sha256"), dict) else {}
        missing = [key for key in self.keys if key not in config]
        if set(digests) != set(self.files):
            missing.append("sha256")
        if missing:
            raise BadWeights(f"{path}: incomplete, lacks {', '.join(missing)}; copy it again")
        for name in self.files:
            self._check_file(folder / name, digests[name], hint)
        return config

    @staticmethod
    def _check_file(path: Path, digest: str, hint: str) -> None:
        if not path.is_file():
            raise BadWeights(f"{path}: no such file; {hint}")
        content = path.read_bytes()
        if path.name == WEIGHTS and is_pickle(content):
            raise BadWeights(f"{path}: this is a pickle (torch.save), which can execute code and is never loaded")
        if sha256(content) != digest:
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
