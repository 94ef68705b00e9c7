"""Filling the folder of a bundle: beside its place first, and into it when everything is there."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.files import NO_PLACE, write_text
from ...engine.results.fields import Author
from ...engine.text import visible
from ..archive.commands import write_archive
from ..archive.graph import load_nodes, provenance
from ..archive.private import Private
from . import texts
from .crate import CRATE, crate
from .manifest import ARCHIVE, MANIFEST, SUMS, LeftOut, Manifest, SetFiles, entry, sums

#: Sets that come first, whatever else a process gave out.
FIRST = ("dataset", "train", "validation")
#: Formulas of a set that are named.
FORMULAS = 3
#: Checksums of potentials that are listed.
LISTED = 12


@dataclass(frozen=True)
class About:
    """What the user says of a data set.

    Attributes:
        title: in place of that made from the structures.
        description: in place of that made from the structures.
        authors: at least one.
        licence: SPDX identifier.
        doi: of this publication.
    """

    title: str | None
    description: str | None
    authors: Sequence[Author]
    licence: str
    doi: str | None


def sets_of(node: Any) -> dict[str, Any]:
    """Return the structure sets that belong to a node, by the name that their files get.

    Args:
        node: a structure set; or a process, whose output sets are taken.

    Raises:
        BadInput: none.
    """
    from ...data import StructureSetData
    from ...provenance import outputs_of
    from ...report.words import flat

    if isinstance(node, StructureSetData):
        return {"structures": node}
    ports = outputs_of(node) if hasattr(node, "process_label") else {}
    found = {port: item for port, item in flat(ports) if isinstance(item, StructureSetData)}
    if not found:
        what = getattr(node, "process_label", type(node).__name__)
        raise BadInput(f"{what}<{node.pk}> has no structures; give a structure set, or a process that made a data set")
    names = Counter(port.rpartition(".")[2] for port in found)
    result: dict[str, Any] = {}
    for port, item in found.items():
        last = port.rpartition(".")[2]
        name = re.sub(r"[^A-Za-z0-9_+-]+", "_", last if names[last] == 1 else port.removeprefix("datasets."))
        result.setdefault(name.strip("_") or "structures", item)
    return {name: result[name] for name in sorted(result, key=_place)}


def _place(name: str) -> tuple[int, str]:
    return next((place for place, first in enumerate(FIRST) if name.endswith(first)), len(FIRST)), name


def write_bundle(node: Any, folder: Path, about: About, show: Callable[[list[Private]], None]) -> Manifest:
    """Write a bundle.

    Args:
        node: what is published: a process, or a structure set.
        folder: is made; a bundle that is there is replaced.
        about: what the user says of it.
        show: called before anything is written with people, places and secrets that go in; may refuse.

    Raises:
        BadInput: nothing to publish, a process of it still runs, a licensed file is in it, or no place to write to.
    """
    sets = sets_of(node)
    try:
        scratch = tempfile.mkdtemp(prefix=f".{folder.name[:80]}-", dir=folder.resolve().parent)
    except NO_PLACE as error:
        raise BadInput(
            f"{visible(folder)}: cannot be made ({error.strerror}); give a folder in one of yours"
        ) from error
    made = Path(scratch)
    try:
        made.chmod(0o755)
        manifest = _fill(node, sets, made, about, show)
        _swap(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return manifest


def _fill(
    node: Any, sets: dict[str, Any], folder: Path, about: About, show: Callable[[list[Private]], None]
) -> Manifest:
    from ...engine.structures import write_extxyz, write_npz
    from ...engine.versions import versions
    from ...report.trace import trace

    counts = write_archive(node, folder / ARCHIVE, show)
    history = trace(node)
    note = " ".join(history.notes)
    listed = []
    for name, item in sets.items():
        structures = item.structures
        listed.append(
            SetFiles(
                name=name,
                uuid=item.uuid,
                count=len(item),
                atoms=len(structures.numbers),
                formulas=item.formulas[:FORMULAS],
                content_hash=item.content_hash,
                npz=f"{name}.npz",
                extxyz=f"{name}.extxyz",
            )
        )
        write_npz(structures, folder / f"{name}.npz")
        write_extxyz(structures, folder / f"{name}.extxyz", note)
    manifest = Manifest(
        title=about.title or _title(node, listed),
        description=about.description or _description(listed, history.counts["calculations"]),
        licence=about.licence,
        doi=about.doi,
        authors=list(about.authors),
        created=datetime.now(UTC).date().isoformat(),
        root=node.uuid,
        nodes=counts["nodes"],
        processes=counts["processes"],
        sets=listed,
        left_out=left_out(load_nodes(provenance(node))),
        notes=history.notes,
        versions=versions(),
    )
    write_text(folder / texts.README, texts.readme(manifest, history.steps))
    write_text(folder / texts.LICENCE, texts.licence(manifest))
    write_text(folder / texts.CITATION, texts.citation(manifest))
    write_text(folder / texts.ZENODO, texts.zenodo(manifest))
    manifest.files = {path.name: entry(path) for path in sorted(folder.iterdir())}
    write_text(folder / CRATE, crate(manifest, manifest.files, history.steps))
    manifest.files[CRATE] = entry(folder / CRATE)
    write_text(folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    write_text(folder / SUMS, sums(manifest.files | {MANIFEST: entry(folder / MANIFEST)}))
    return manifest


def _title(node: Any, sets: list[SetFiles]) -> str:
    if node.label:
        return str(node.label)
    first = sets[0]
    return f"Data set of {first.count} structures of {', '.join(first.formulas)}"


def _description(sets: list[SetFiles], calculations: int) -> str:
    held = "; ".join(f"{item.name}: {item.count} structures of {', '.join(item.formulas)}" for item in sets)
    made = f"made by {calculations} calculations" if calculations else "imported from files"
    return f"{held}. The structures were {made}; the AiiDA archive holds all of them with inputs and outputs."


def left_out(nodes: Sequence[Any]) -> list[LeftOut]:
    """Return what belongs to the history of some nodes and is not in their archive, with the reason."""
    from aiida.orm import AbstractCode, RemoteData

    from ...dft import engines

    found = []
    for engine in engines():
        files = engine.licensed
        of_engine = [node for node in nodes if node.node_type.startswith(engine.potential_types)]
        if files is None or not of_engine:
            continue
        names = sorted({_potential(node) for node in of_engine})
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        what = f"{files.noun}: {', '.join(names[:LISTED])}{more}"
        why = f"licensed by the owners of {engine.title}; their checksums are in the archive, and you need a licence"
        found.append(LeftOut(what=what, why=why))
    remote = sum(isinstance(node, RemoteData) for node in nodes)
    if remote:
        why = "they are on the computers where the jobs ran; what was retrieved from them is in the archive"
        found.append(LeftOut(what=f"{remote} working directories of jobs", why=why))
    codes = sorted({str(node.full_label) for node in nodes if isinstance(node, AbstractCode)})
    if codes:
        why = "an archive names a program with its path and computer, and does not hold it"
        found.append(LeftOut(what=f"programs of the codes {', '.join(codes[:LISTED])}", why=why))
    return found


def _potential(node: Any) -> str:
    attributes = node.base.attributes
    digest = next((attributes.get(name, None) for name in ("sha512", "md5") if attributes.get(name, None)), "")
    return f"{attributes.get('symbol', '?')} ({str(digest)[:16]}…)"


def _swap(made: Path, folder: Path) -> None:
    """Put a finished folder in the place of an older bundle, which goes only then."""
    old = None
    if folder.is_dir() and any(folder.iterdir()):
        old = made.with_name(f"{made.name}-old")
        folder.rename(old)
    elif folder.is_dir():
        folder.rmdir()
    made.rename(folder)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
