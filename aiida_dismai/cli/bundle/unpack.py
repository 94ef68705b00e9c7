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
from pathlib import Path, PurePosixPath
from typing import Any

from ...engine.errors import BadInput
from ...engine.files import write_atomically
from ...engine.gathering.archive import Bounds
from ...engine.gathering.archive import unpack as unpack_archive
from ...engine.structures.source import refuse_what_is_no_data
from ...engine.text import visible
from .manifest import MANIFEST

#: What a bundle may unpack to: so many bytes, or so many times its size, whichever is more.
BOUNDS = Bounds(members=1000, size=512 * 2**20, ratio=50)
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
            names = {Path(name).name for name in archive.namelist()[: BOUNDS.members * 1000]}
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
        BadInput: it would write outside, holds links, or unpacks to too much, whatever its header says; or it holds no
            manifest, or several.
    """

    def beside_the_manifest(names: list[str]) -> dict[str, str]:
        paths = [PurePosixPath(name) for name in names]
        folders = {inside.parent for inside in paths if inside.name == MANIFEST}
        if len(folders) != 1:
            raise BadInput(f"{visible(path)}: holds {len(folders)} files {MANIFEST}, not one")
        return {name: inside.name for name, inside in zip(names, paths, strict=True) if inside.parent in folders}

    unpack_archive(path, folder, BOUNDS, beside_the_manifest)
    return folder


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
