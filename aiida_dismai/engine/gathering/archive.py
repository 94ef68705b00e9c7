"""Zip archives of strangers, unpacked within bounds: nothing outside the folder, no links, no flood."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from ..errors import BadInput
from ..text import visible

#: Members of an archive at most, and what they may unpack to: bytes, and bytes for each byte of the archive.
MAX_MEMBERS = 200_000
MAX_BYTES, MAX_RATIO = 1 * 2**30, 60
CHUNK = 2**20


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip archive into an empty folder.

    Raises:
        BadInput: damaged or encrypted, a member that leads out of the folder or is a link, two members of one name, or
            more than the bounds; nothing of the archive is kept then.
    """
    bound = min(MAX_BYTES, max(32 * 2**20, MAX_RATIO * archive.stat().st_size))
    name = visible(archive)
    try:
        with zipfile.ZipFile(archive) as members:
            listed = [member for member in members.infolist() if not member.is_dir()]
            if len(listed) > MAX_MEMBERS:
                raise BadInput(f"{name}: {len(listed)} files in this archive, at most {MAX_MEMBERS} are read")
            stated = sum(member.file_size for member in listed)
            if stated > bound:
                raise BadInput(_too_much(name, stated, bound))
            left = bound
            for member in listed:
                left = _write(members, member, _target(name, member, folder), left, name, bound)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{name}: not readable as a zip archive ({visible(error, 120)})") from error


def _target(name: str, member: zipfile.ZipInfo, folder: Path) -> Path:
    """Return where a member goes."""
    inside = PurePosixPath(member.filename)
    shown = visible(member.filename, 120)
    if inside.is_absolute() or ".." in inside.parts or "\\" in member.filename or ":" in member.filename:
        raise BadInput(f"{name}: '{shown}' leads out of the archive's folder; nothing of it is unpacked")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise BadInput(f"{name}: '{shown}' is a link; pack the file itself")
    target = folder.joinpath(*inside.parts)
    if target.exists():
        raise BadInput(f"{name}: '{shown}' is in this archive twice")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{name}: '{shown}' cannot be unpacked ({error.strerror})") from error
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
        f"{name}: unpacks to {said}, {bound / 2**20:.0f} MiB are read; if you trust it, unpack it and give the folder"
    )
