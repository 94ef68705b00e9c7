"""Bundles out of zip files and from web addresses, with nothing believed that they say of themselves."""

from __future__ import annotations

import http.client
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.files import write_atomically
from ...engine.structures.source import refuse_what_is_no_data
from ...engine.text import visible
from .manifest import MANIFEST

#: A zip file may unpack to so many bytes, or to so many times its size, whichever is more.
MAX_UNPACKED = 512 * 2**20
MAX_RATIO = 50
MAX_FILES = 1000
#: Bytes of a download at most, unless the user says so.
MAX_DOWNLOAD = 50 * 2**30
PIECE = 2**20
#: Seconds without an answer.
TIMEOUT = 60
ZIP = b"PK\x03\x04"


def is_address(text: str) -> bool:
    """Whether a text is a web address."""
    return "://" in text


def download(address: str, folder: Path, say: Callable[[str], None] = lambda line: None) -> Path:
    """Download a file.

    Args:
        address: https, or http.
        folder: where it goes.
        say: called with lines of progress.

    Raises:
        BadInput: another kind of address, no answer, a refusal, a web page in place of the file, or too large.
    """
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise BadInput(
            f"{visible(address)}: not a web address (https://…); give the path of a file on this machine as it is"
        )
    name = Path(urllib.parse.unquote(parts.path)).name or "download"
    if name == "content":  # as Zenodo's API calls a file
        name = Path(urllib.parse.unquote(parts.path)).parent.name or name
    path = folder / f"from_{re.sub('[^A-Za-z0-9._+-]', '_', name)[-100:]}"
    request = urllib.request.Request(address, headers={"User-Agent": "aiida-dismai"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            if urllib.parse.urlsplit(answer.url).scheme not in ("https", "http"):
                raise BadInput(f"{visible(address)}: leads to {visible(answer.url)}, which is not a web address")
            stated = answer.headers.get("Content-Length", "")
            size = int(stated) if stated.isdecimal() else None
            if size is not None and size > MAX_DOWNLOAD:
                raise BadInput(
                    f"{visible(address)}: {size / 1e9:.0f} GB, more than {MAX_DOWNLOAD / 1e9:.0f}; download it yourself"
                )
            write_atomically(path, lambda handle: _copy(address, answer, handle, size, say))
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BadInput(f"{visible(address)}: cannot be downloaded ({visible(reason, 160)})") from error
    return path


def _copy(address: str, answer: Any, handle: Any, size: int | None, say: Callable[[str], None]) -> None:
    done, said = 0, 0
    while content := answer.read(PIECE):
        done += len(content)
        if done > MAX_DOWNLOAD:
            raise BadInput(f"{visible(address)}: more than {MAX_DOWNLOAD / 1e9:.0f} GB; download it yourself")
        handle.write(content)
        if done - said >= 64 * PIECE:
            said = done
            say(f"{done / 1e6:.0f} MB" + ("" if size is None else f" of {size / 1e6:.0f}"))
    if size is not None and done != size:
        raise BadInput(f"{visible(address)}: ended after {done} of {size} bytes; try again")


def kind_of(path: Path) -> str:
    """Return what a file is: ``bundle`` (a zip file with a manifest) or ``archive`` (of AiiDA).

    Raises:
        BadInput: neither; says what it is where that is known.
    """
    try:
        with path.open("rb") as handle:
            start = handle.read(4)
    except OSError as error:
        raise BadInput(f"{visible(path)}: cannot be read ({error.strerror})") from error
    if start != ZIP:
        refuse_what_is_no_data(path)
        raise BadInput(f"{visible(path)}: neither a bundle (a folder or zip file with {MANIFEST}) nor an AiiDA archive")
    try:
        with zipfile.ZipFile(path) as archive:
            names = {Path(name).name for name in archive.namelist()[: MAX_FILES * 1000]}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadInput(f"{visible(path)}: a damaged zip file ({visible(error, 120)}); download it again") from error
    return "bundle" if MANIFEST in names else "archive"


def unpack(path: Path, folder: Path) -> Path:
    """Unpack a bundle's zip file.

    Args:
        path: of the zip file.
        folder: empty; nothing is written anywhere else.

    Returns:
        The folder in which the manifest is.

    Raises:
        BadInput: it would write outside, holds links, or unpacks to too much, whatever its header says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
            _refuse(path, files)
            top = {Path(info.filename).parent.as_posix() for info in files if Path(info.filename).name == MANIFEST}
            if len(top) != 1:
                raise BadInput(f"{visible(path)}: holds {len(top)} files {MANIFEST}, not one")
            inside = top.pop()
            for info in files:
                if Path(info.filename).parent.as_posix() == inside:
                    _extract(path, archive, info, folder / Path(info.filename).name)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{visible(path)}: a damaged zip file ({visible(error, 120)}); download it again") from error
    return folder


def _refuse(path: Path, files: list[zipfile.ZipInfo]) -> None:
    if len(files) > MAX_FILES:
        raise BadInput(f"{visible(path)}: holds {len(files)} files, more than {MAX_FILES}; not unpacked")
    for info in files:
        name = info.filename
        if name.startswith(("/", "\\")) or ":" in name or "\\" in name or ".." in Path(name).parts:
            raise BadInput(f"{visible(path)}: '{visible(name, 80)}' in it would be written outside; not unpacked")
        if info.external_attr >> 28 == 0o12:
            raise BadInput(f"{visible(path)}: '{visible(name, 80)}' in it is a symbolic link; not unpacked")
        if info.flag_bits & 1:
            raise BadInput(f"{visible(path)}: '{visible(name, 80)}' in it is encrypted; not unpacked")
    size, limit = sum(info.file_size for info in files), _limit(path)
    if size > limit:
        raise BadInput(
            f"{visible(path)}: unpacks to {size / 1e9:.1f} GB, more than {MAX_RATIO} times its size; not unpacked"
        )


def _limit(path: Path) -> int:
    return max(MAX_UNPACKED, MAX_RATIO * path.stat().st_size)


def _extract(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    left = min(info.file_size, _limit(path))

    def copy(handle: Any) -> None:
        nonlocal left
        with archive.open(info) as member:
            while content := member.read(PIECE):
                left -= len(content)
                if left < 0:
                    raise BadInput(
                        f"{visible(path)}: '{visible(info.filename, 80)}' is longer than it says; not unpacked"
                    )
                handle.write(content)

    write_atomically(target, copy)


def pack(folder: Path, path: Path) -> None:
    """Write the files of a bundle into a zip file, in a folder of the bundle's name."""

    def write(handle: Any) -> None:
        with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for file in sorted(folder.iterdir()):
                stored = file.suffix in (".npz", ".aiida")  # compressed already
                how = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                info = zipfile.ZipInfo.from_file(file, f"{folder.name}/{file.name}")
                info.compress_type = how
                with archive.open(info, "w") as member, file.open("rb") as source:
                    shutil.copyfileobj(source, member, PIECE)

    write_atomically(path, write)
