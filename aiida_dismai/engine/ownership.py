"""Whose checkpoint is this: what a run is of, what differs from the one that is there, and what may change.

A checkpoint belongs to parameters, inputs and seed. With others it is refused, by name; never mixed in, and never
thrown away in silence. What may change all the same (where it computes, how much is in memory at once, when it stops,
the remedy after a divergence) is said by the parameter model: ``FREE``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import BadInput
from .files import write_json
from .parameters import Parameters
from .untrusted import read_object


class Owner:
    """What a run is of.

    Attributes:
        of: by name, what decides its results, as JSON knows it.
        free: names of parameters that may change.
        key: SHA-256 of it, equal for runs that may share a checkpoint.
    """

    def __init__(
        self, of: Mapping[str, Any], free: frozenset[str] = frozenset(), what: str = "checkpoint of another run"
    ) -> None:
        """Keep what a run is of (values must be such that JSON can hold them) and how to call what is not its own."""
        self.of: dict[str, Any] = json.loads(json.dumps(dict(of)))
        self.what = what
        self.free = free
        self.key = hashlib.sha256(json.dumps(self.of, sort_keys=True).encode()).hexdigest()

    @classmethod
    def of_parameters(cls, task: str, parameters: Parameters, **more: Any) -> Owner:
        """Return the owner of a run with these parameters, without those that may change.

        Args:
            task: name of the task.
            parameters: of the task.
            more: seed, hashes of inputs, versions.
        """
        free = type(parameters).FREE
        return cls({"task": task, **more, "parameters": parameters.model_dump(mode="json", exclude=set(free))}, free)

    def record(self) -> dict[str, Any]:
        """Return what is written beside, or into, a checkpoint."""
        return {"key": self.key, **self.of}

    def differences(self, found: Any) -> list[str]:
        """Return the names of what differs between a record that was found and this run; empty if it is ours.

        A record of an older version may hold nothing but its key: then a difference has no name, and ``["run"]`` is
        returned.
        """
        if not isinstance(found, Mapping):
            return ["run"]
        there = {name: value for name, value in found.items() if name != "key"}
        if there == self.of or (not there and found.get("key") == self.key):
            return []
        # what may change now and was written down by a version in which it might not
        free = {f"{group}.{name}" for group in ("parameters", "hyperparameters") for name in self.free}
        return [name for name in _different(there, self.of) if name not in free] if there else ["run"]

    def require(self, found: Any, where: Path | str) -> None:
        """Refuse a checkpoint of another run.

        Args:
            found: the record that was found with it.
            where: its file or folder, named in the error.

        Raises:
            BadInput: says what differs, what may, and what to do.
        """
        names = self.differences(found)
        if not names:
            return
        which = f"{', '.join(names)} differs" if names != ["run"] else "other inputs, parameters or another seed"
        free = f"; free to change: {', '.join(sorted(self.free))}" if self.free else ""
        raise BadInput(
            f"{where}: {self.what} ({which}); run in an empty folder or remove it to start from scratch, "
            f"or give those that it was started with{free}"
        )

    def claim(self, path: Path) -> None:
        """Write down whose folder this is, or make sure that what is written there is this run.

        Where nothing is but the name of an owner, its run was refused or killed before there was a checkpoint, and
        the folder is free.

        Args:
            path: of the file with the owner's name, in the folder of the checkpoint.

        Raises:
            BadInput: it belongs to another run, or the file is damaged.
        """
        if not path.is_file() or all(other == path for other in path.parent.iterdir()):
            write_json(path, self.record())
            return
        try:
            found = read_object(path)
        except BadInput as error:
            raise BadInput(f"{error}; remove the folder {path.parent.name} to start again") from error
        self.require(found, path.parent)


def _different(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for name in sorted({*there, *here}):
        old, new = there.get(name), here.get(name)
        if old == new and (name in there) == (name in here):
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            names += _different(old, new, f"{prefix}{name}.")
        else:
            names.append(f"{prefix}{name}")
    return names
