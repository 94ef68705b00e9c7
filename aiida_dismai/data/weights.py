"""What a trained potential and a trained generative model have in common as nodes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar

from aiida.common.exceptions import ValidationError
from aiida.orm import Data

from ..engine.errors import BadWeights

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"


class WeightsData(Data):
    """A folder of ``config.json`` and ``weights.safetensors``, checked when it is made.

    Nothing in it is ever executed: the configuration is JSON, the weights are safetensors, and their
    SHA-256 is written in the configuration.
    """

    FORMAT: ClassVar[str] = ""
    FILES: ClassVar[tuple[str, ...]] = (CONFIG, WEIGHTS)
    ATTRIBUTES: ClassVar[tuple[str, ...]] = ()

    def __init__(self, folder: str | Path | None = None, **kwargs: Any) -> None:
        """Build a node from a folder that a training task wrote.

        Raises:
            BadWeights: a file is missing, truncated, a pickle, or of another format.
        """
        super().__init__(**kwargs)
        if folder is not None:
            self._fill(Path(folder))

    def _fill(self, folder: Path) -> None:
        config = read_config(folder, self.FORMAT)
        for name in self.FILES:
            if not (folder / name).is_file():
                raise BadWeights(f"{folder}: {name} is missing; give the whole folder that the training wrote")
            self.base.repository.put_object_from_file(str(folder / name), name)
        self.base.attributes.set_many({key: config[key] for key in self.ATTRIBUTES if key in config})
        self.base.attributes.set("sha256", config["sha256"])

    def _validate(self) -> bool:
        super()._validate()
        missing = set(self.FILES) - set(self.base.repository.list_object_names())
        if missing:
            raise ValidationError(f"{type(self).__name__} lacks {', '.join(sorted(missing))}")
        return True

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as the training task wrote it."""
        return dict(json.loads(self.base.repository.get_object_content(CONFIG)))

    def export(self, folder: str | Path) -> Path:
        """Write the files into ``folder``, for use without AiiDA."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.FILES:
            (folder / name).write_bytes(self.base.repository.get_object_content(name, mode="rb"))
        return folder


def read_config(folder: Path, wanted: str) -> dict[str, Any]:
    """Read and check a weights folder without loading the weights.

    Raises:
        BadWeights: missing, not JSON, of another format, or weights that do not match their SHA-256.
    """
    if not (folder / CONFIG).is_file():
        raise BadWeights(f"{folder}: no {CONFIG}; give the folder that the training task wrote")
    try:
        config = json.loads((folder / CONFIG).read_text())
    except ValueError as error:
        raise BadWeights(f"{folder / CONFIG}: truncated or not JSON ({error})") from error
    if not isinstance(config, dict) or config.get("format") != wanted:
        raise BadWeights(f"{folder / CONFIG}: format is not '{wanted}'")
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise BadWeights(f"{weights}: missing; copy the whole folder")
    content = weights.read_bytes()
    if content[:2] == b"PK" or content[:1] == b"\x80":
        raise BadWeights(f"{weights}: this is a pickle, which can execute code and is never loaded")
    if hashlib.sha256(content).hexdigest() != config.get("sha256"):
        raise BadWeights(f"{weights}: truncated or changed (its SHA-256 is not the one in {CONFIG}); copy it again")
    return config
