"""All structures that a path holds, with the file and the frame that each is from."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from ..structures import Property, StructureSet, load_structures
from ..structures.source import content_suffixes, open_bytes, refuse_what_is_no_data
from ..text import visible
from .archive import unpack
from .pymatgen import is_pymatgen, read_pymatgen
from .table import read_table

#: Endings of files of structures in a folder or archive; POSCAR and CONTCAR are known by their beginning.
ENDINGS = (".cif", ".extxyz", ".xyz", ".vasp", ".poscar", ".json", ".traj", ".db", ".csv", ".npz", ".res", ".xsf")
NAMED = ("POSCAR", "CONTCAR")
#: Files that Python pickles are in, whatever they are called inside.
PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle")
#: Properties that are kept: what the metrics read of structures that are measured as they are, and regions of atoms.
KEPT = ("energy", "converged", "steps", "region")
#: Names of files that are said one by one.
SAID = 3
DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Refusal:
    """A structure that cannot be read.

    Attributes:
        file: as in :class:`Given`.
        frame: in that file.
        reason: why.
    """

    file: str
    frame: int
    reason: str


@dataclass
class Given:
    """Structures, and where each is from.

    Attributes:
        structures: with the properties ``file`` and ``frame``.
        single: whether all are of one file that was given as such, not of a folder or an archive.
        refused: what could not be read.
        ignored: files of a folder or archive that are no files of structures.
    """

    structures: StructureSet
    single: bool
    refused: list[Refusal] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many structures were given, those that cannot be read among them."""
        return len(self.structures) + len(self.refused)

    @property
    def files(self) -> list[str]:
        """The file of each structure, relative to the folder or archive."""
        return [str(name) for name in self.structures.values("file")]

    @property
    def frames(self) -> list[int]:
        """The place of each structure in its file, from 0."""
        return [int(frame) for frame in self.structures.values("frame")]


def gather(path: Path) -> Given:
    """Read what a generator left.

    Args:
        path: a file of one or many structures (extxyz, CIF, POSCAR, JSON of pymatgen, ASE's ``.traj`` and ``.db``, CSV
            with a column ``cif``, npz of this project; text also compressed), or a folder or zip archive of such files.

    Raises:
        BadInput: nothing there that could be read; a file that is not what its name says (a web page, an LFS pointer);
            a pickle; an archive that is not unpacked.
    """
    if path.is_dir():
        return _joined(_of_folder(path, path.name), single=False)
    if not path.is_file():
        raise BadInput(f"{visible(path)}: no such file or folder")
    _refuse_pickles(path)
    if path.suffix.lower() == ".zip":
        with tempfile.TemporaryDirectory() as folder:
            unpack(path, Path(folder))
            return _joined(_of_folder(Path(folder), visible(path)), single=False)
    return _joined(_of_file(path, path.name, str(path)), single=True)


Found = tuple[str, int, "StructureSet | BadInput"] | str


def _of_folder(folder: Path, shown: str) -> Iterator[Found]:
    """Yield file, frame and structure (or why there is none) of all files in a folder; of others only the name."""
    names = sorted((p for p in folder.rglob("*") if not _hidden(p, folder)), key=lambda p: _natural(p, folder))
    inside = folder.resolve()
    for path in names:
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            continue
        if not path.resolve().is_relative_to(inside):
            raise BadInput(f"{shown}: {visible(name)} is a link that leaves the folder; copy the file if it belongs")
        if not _is_structures(path):
            yield name
            continue
        yield from _of_file(path, name, f"{shown}/{name}")


def _hidden(path: Path, folder: Path) -> bool:
    """Whether a file is one that systems leave: hidden, or of the shadow folder of archives made on macOS."""
    return any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)


def _natural(path: Path, folder: Path) -> list[Any]:
    parts = DIGITS.split(path.relative_to(folder).as_posix())
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _is_structures(path: Path) -> bool:
    _refuse_pickles(path)
    suffixes = content_suffixes(path)
    return bool(set(ENDINGS) & set(suffixes[-1:])) or path.name.upper().startswith(NAMED)


def _refuse_pickles(path: Path) -> None:
    if path.suffix.lower() in PICKLES:
        raise BadInput(
            f"{visible(path)}: a pickle of Python, which can execute code and is never loaded here; in the environment "
            "that wrote it, `dismai converter > convert.py; python convert.py FILE gen.extxyz` makes a file of "
            "structures of it"
        )


def _of_file(path: Path, name: str, shown: str) -> Iterator[Found]:
    suffixes = content_suffixes(path)
    if path.suffix.lower() != ".npz":
        refuse_what_is_no_data(path) if path.suffix.lower() != ".db" else _refuse_no_database(path)
    read: Iterable[StructureSet | BadInput]
    if ".csv" in suffixes:
        read = read_table(path)
    elif ".json" in suffixes and is_pymatgen(path):
        read = read_pymatgen(path)
    else:
        read = _whole(path)
    for frame, one in enumerate(read):
        if isinstance(one, BadInput):
            yield name, frame, BadInput(str(one).replace(str(path), shown))
        else:
            yield name, frame, one


def _refuse_no_database(path: Path) -> None:
    with open_bytes(path) as handle:
        if not handle.read(16).startswith(b"SQLite format 3"):
            refuse_what_is_no_data(path)
            raise BadInput(f"{visible(path)}: not a database of ASE (SQLite)")


def _whole(path: Path) -> Iterator[StructureSet | BadInput]:
    """Yield the structures of a file whose reader takes all or nothing."""
    try:
        yield from load_structures(path)
    except BadInput as error:
        yield error


def _joined(found: Iterator[Found], single: bool) -> Given:
    structures: list[StructureSet] = []
    files: list[str] = []
    frames: list[int] = []
    refused: list[Refusal] = []
    ignored: list[str] = []
    for item in found:
        if isinstance(item, str):
            ignored.append(item)
            continue
        name, frame, one = item
        if isinstance(one, BadInput):
            refused.append(Refusal(name, frame, str(one)))
            continue
        structures.append(one)
        files.append(name)
        frames.append(frame)
    if not structures:
        if refused:
            raise BadInput(f"no structure could be read; {refused[0].reason}")
        others = f" (there are {', '.join(visible(name, 60) for name in ignored[:SAID])}, …)" if ignored else ""
        raise BadInput(f"no file of structures in this folder or archive{others}; known endings: {', '.join(ENDINGS)}")
    common = [name for name in KEPT if all(name in one.properties for one in structures)]
    bare = [one.without_properties(*(set(one.properties) - set(common) or {""})) for one in structures]
    whole = StructureSet.concatenate(bare).with_properties(
        {"file": Property(np.array(files), "structure"), "frame": Property(np.array(frames), "structure")}
    )
    return Given(whole, single, refused, ignored)
