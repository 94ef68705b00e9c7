"""What a trained potential and a trained generative model have in common as nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from aiida.common.exceptions import ValidationError
from aiida.orm import Data

from ..engine.files import write_atomically
from ..engine.trained import CONFIG, FolderFormat
from ..engine.untrusted import DEFAULT, read_object


class WeightsData(Data):
    """A folder of ``config.json`` and ``weights.safetensors``, checked when it is made.

    Nothing in it is ever executed: the configuration is JSON, the weights are safetensors, and their
    SHA-256 is written in the configuration (attribute ``sha256``, by file name).
    """

    FORMAT: ClassVar[FolderFormat]
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
        config = self.FORMAT.read_config(folder)
        for name in self.file_names():
            self.base.repository.put_object_from_file(str(folder / name), name)
        self.base.attributes.set_many({key: config[key] for key in self.ATTRIBUTES if key in config})
        self.base.attributes.set("sha256", config["sha256"])

    def _validate(self) -> bool:
        super()._validate()
        missing = set(self.file_names()) - set(self.base.repository.list_object_names())
        if missing:
            raise ValidationError(f"{type(self).__name__} lacks {', '.join(sorted(missing))}")
        return True

    @classmethod
    def file_names(cls) -> tuple[str, ...]:
        """Return the names of the files in it."""
        return (CONFIG, *cls.FORMAT.files)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as the training task wrote it.

        Raises:
            BadInput: the node came with an archive, and its file is no JSON that is read.
        """
        with self.base.repository.open(CONFIG, "rb") as handle:
            return read_object(handle.read(DEFAULT.size + 1), f"{type(self).__name__}<{self.pk}>: {CONFIG}")

    def export_folder(self, folder: str | Path) -> Path:
        """Write the files into ``folder``, for use without AiiDA."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.file_names():
            content = self.base.repository.get_object_content(name, mode="rb")
            write_atomically(folder / name, lambda handle, content=content: handle.write(content))  # type: ignore[misc]
        return folder
