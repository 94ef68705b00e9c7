"""Checking a bundle: every file against its checksum, every set of structures against what its node must hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...engine.errors import BadInput
from ...engine.structures import load_structures, read_npz
from ...engine.text import visible
from .manifest import MANIFEST, SUMS, Manifest, entry, read_manifest

#: Positions that extended XYZ gives back, Å.
EXACT = 0.0


def check_bundle(folder: Path) -> Manifest:
    """Check a bundle and return what it says of itself.

    Raises:
        BadInput: the manifest is not one; several problems, one a line: files missing, added, changed, of another kind
            under a data file's name; sets that do not hold what is said.
    """
    manifest = read_manifest(folder)
    problems = [*_files(folder, manifest)]
    if not problems:
        problems += _sets(folder, manifest)
    if problems:
        raise BadInput("\n- ".join([f"{len(problems)} problems of the bundle:", *problems]))
    return manifest


def _files(folder: Path, manifest: Manifest) -> Iterator[str]:
    there = {path.name for path in folder.iterdir()}
    for name in sorted(there - set(manifest.files) - {MANIFEST, SUMS}):
        yield f"{visible(folder / name)}: is not in {MANIFEST}; remove it, it is not part of the bundle"
    for name in {manifest.archive, *(file for item in manifest.sets for file in (item.npz, item.extxyz))}:
        if name not in manifest.files:
            yield f"{folder / MANIFEST}: says nothing of the file {name}"
    for name, stated in manifest.files.items():
        path = folder / name
        if name not in there:
            yield f"{path}: missing; download it again"
            continue
        found = entry(path)
        if found != stated:
            yield f"{path}: {_what(path)} (SHA-256 {found.sha256[:12]}…, must be {stated.sha256[:12]}…)"


def _what(path: Path) -> str:
    """Return what a changed file is, where its first bytes say it."""
    from ...engine.structures.source import refuse_what_is_no_data

    try:
        refuse_what_is_no_data(path)
    except BadInput as error:
        said = str(error).removeprefix(f"{visible(path)}: ")
        if not said.startswith("a zip archive"):
            return said
    return "changed or truncated; download it again"


def _sets(folder: Path, manifest: Manifest) -> Iterator[str]:
    for item in manifest.sets:
        try:
            exact = read_npz(folder / item.npz)
            text = load_structures(folder / item.extxyz)
        except BadInput as error:
            yield str(error)
            continue
        if exact.content_hash != item.content_hash:
            yield f"{folder / item.npz}: holds other structures than {MANIFEST} says"
        same = len(text) == len(exact) and (text.numbers.shape == exact.numbers.shape)
        if not same or (text.numbers != exact.numbers).any() or abs(text.positions - exact.positions).max() > EXACT:
            yield f"{folder / item.extxyz}: holds other structures than {item.npz}"
