"""Zip archives of strangers, unpacked within bounds: nothing outside the folder, no links, no flood."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import BadInput
from ..text import visible


@dataclass(frozen=True)
class Bounds:
    """What is unpacked at most.

    Attributes:
        members: files in the archive.
        size: bytes that are unpacked from a small archive.
        ratio: bytes for each byte of a larger one.
        most: bytes from any archive; None for no such bound.
    """

    members: int
    size: int
    ratio: int
    most: int | None = None

    def of(self, archive: Path) -> int:
        """Return the bytes that an archive may unpack to."""
        allowed = max(self.size, self.ratio * archive.stat().st_size)
        return allowed if self.most is None else min(self.most, allowed)


#: Archives of files of structures.
STRUCTURES = Bounds(members=200_000, size=32 * 2**20, ratio=60, most=2**30)
CHUNK = 2**20


def everything(names: list[str]) -> dict[str, str]:
    """Return where the members of an archive go: to where their names say."""
    return {name: name for name in names}


def unpack(
    archive: Path,
    folder: Path,
    bounds: Bounds = STRUCTURES,
    chosen: Callable[[list[str]], dict[str, str]] = everything,
) -> None:
    """Unpack a zip archive into an empty folder.

    Args:
        archive: a file.
        folder: nothing is written anywhere else.
        bounds: what is unpacked at most.
        chosen: given the names of all files in the archive, returns those that are unpacked, and where they go in the
            folder.

    Raises:
        BadInput: damaged or encrypted, a member that leads out of the folder or is a link, two members of one name, or
            more than the bounds, whatever its header says. Members are looked at before anything is written.
    """
    name, bound = visible(archive), bounds.of(archive)
    try:
        with zipfile.ZipFile(archive) as members:
            listed = [member for member in members.infolist() if not member.is_dir()]
            _refuse(name, listed, bounds, bound)
            places = chosen([member.filename for member in listed])
            left = bound
            for member in listed:
                if member.filename in places:
                    target = _target(name, places[member.filename], folder)
                    left = _write(members, member, target, left, name, bound)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BadInput(f"{name}: a damaged zip archive ({visible(error, 120)}); download it again") from error
    except OSError as error:
        raise BadInput(f"{name}: cannot be unpacked ({visible(error, 120)})") from error


def _refuse(name: str, listed: Sequence[zipfile.ZipInfo], bounds: Bounds, bound: int) -> None:
    """Refuse an archive by what it says of its members."""
    for member in listed:
        inside = PurePosixPath(member.filename)
        shown = visible(member.filename, 120)
        if inside.is_absolute() or ".." in inside.parts or "\\" in member.filename or ":" in member.filename:
            raise BadInput(f"{name}: '{shown}' in it would be written outside of the folder; not unpacked")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise BadInput(f"{name}: '{shown}' in it is a symbolic link; not unpacked, pack the file itself")
        if member.flag_bits & 1:
            raise BadInput(f"{name}: '{shown}' in it is encrypted; not unpacked")
    if len(listed) > bounds.members:
        raise BadInput(f"{name}: {len(listed)} files in this archive, at most {bounds.members} are read; not unpacked")
    stated = sum(member.file_size for member in listed)
    if stated > bound:
        raise BadInput(_too_much(name, stated, bound))


def _target(name: str, place: str, folder: Path) -> Path:
    target = folder.joinpath(*PurePosixPath(place).parts)
    if target.exists():
        raise BadInput(f"{name}: '{visible(place, 120)}' is in this archive twice; not unpacked")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{name}: '{visible(place, 120)}' cannot be unpacked ({error.strerror})") from error
    return target


def _write(members: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int, name: str, bound: int) -> int:
    """Write a member; returns how many bytes may still come: what an archive says of sizes need not be true."""
    with members.open(member) as source, target.open("xb") as file:
        while chunk := source.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise BadInput(_too_much(name, None, bound))
            file.write(chunk)
    return left


def _too_much(name: str, stated: int | None, bound: int) -> str:
    said = "more" if stated is None else f"{stated / 2**20:.0f} MiB"
    return (
        f"{name}: unpacks to {said}, {bound / 2**20:.0f} MiB are read; not unpacked: if you trust it, unpack it and "
        "give the folder"
    )
