"""The folder of compiled kernels: where it is, and who may have written what is in it.

Its files are pickles, which run code when they are read: a file counts only if it, and its folder, belong to this user
or to the owner of the package, and nobody else may write to them. Searched in turn, the first that can be written gets
what is new:

1. ``NUMBA_CACHE_DIR``, where that is set;
2. beside the package (in ``__pycache__``), which all who use the installation share;
3. the user's folder for caches (``XDG_CACHE_HOME``, else ``~/.cache``): the installation is read-only;
4. a folder in the one for temporary files: there is no home, or it is read-only.

Where none can be written, kernels are compiled in every process. Files are put in place whole, under names that tell
their content, so that any number of processes and machines can read and write at once.
"""

from __future__ import annotations

import os
import pickle
import stat
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

NAME = "dismai-kernels"


@lru_cache(maxsize=1)
def folders() -> tuple[Path, ...]:
    """Return the folders that are searched, in order, made where they were missing and that could be done."""
    places = [Path(__file__).parent / "__pycache__" / NAME]
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        places.insert(0, Path(given).absolute() / NAME)
    with suppress(RuntimeError):  # a user without a home
        places.append(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / NAME)
    places.append(Path(tempfile.gettempdir()) / f"{NAME}-{os.geteuid()}")
    found = []
    for place in places:
        if _usable(place):
            found.append(place)
            if os.access(place, os.W_OK | os.X_OK):
                break  # what is new goes here, so that what comes after is never written
    return tuple(found)


def read(name: str) -> Any:
    """Return what is kept under a name; None if nothing is, or it cannot be read or trusted."""
    for folder in folders():
        try:
            with (folder / f"{name}.nbc").open("rb") as file:
                if _trusted(os.fstat(file.fileno())):
                    return pickle.load(file)
        except Exception:  # no such file, or one that is damaged: it is made again
            continue
    return None


def write(name: str, content: bytes) -> None:
    """Keep something where it can be; a full or read-only disk is no reason to stop."""
    for folder in folders()[-1:]:
        with suppress(OSError):
            handle, path = tempfile.mkstemp(prefix=f"{name}.", suffix=".tmp", dir=folder)
            try:
                with open(handle, "wb") as file:
                    file.write(content)
                os.chmod(path, 0o644)
                os.replace(path, folder / f"{name}.nbc")
            except OSError:
                os.unlink(path)


def _usable(folder: Path) -> bool:
    """Say whether a folder can be used, and make it if there is none."""
    with suppress(OSError):
        folder.mkdir(mode=0o755 if folder.parent.name == "__pycache__" else 0o700, parents=True, exist_ok=True)
    with suppress(OSError):
        found = folder.lstat()
        return stat.S_ISDIR(found.st_mode) and _trusted(found)
    return False


def _trusted(found: os.stat_result) -> bool:
    """Say whether only this user and the owner of the package, whose code runs anyway, can have written something."""
    return found.st_uid in (os.geteuid(), os.stat(__file__).st_uid) and not found.st_mode & 0o022
