"""What `archive check` does: import into an empty temporary profile and look at everything.

Runs as ``python -m aiida_dismai.cli.archive.verify FILE`` in a process of its own with its own
``AIIDA_PATH``, so that no profile of the user is loaded or changed; prints its findings as JSON.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.text import visible
from .rerun import programs, rerun_lines

PROFILE = "archive-check"
#: Process types and names of the steps whose Dict outputs are metrics. The check of the potential is one of them: its
#: DFT relaxations lead to nothing else.
METRIC_PROCESSES = ("dismai.metrics", "aggregate_metrics", "dismai.potential.evaluate")
#: An archive may unpack to so many bytes, or to so many times its size, whichever is more; text shrinks to a tenth.
MAX_UNPACKED = 512 * 2**20
MAX_RATIO = 50
#: Files in an archive, and bytes of its description.
MAX_FILES = 2_000_000
MAX_METADATA = 2**20


@dataclass
class Finding:
    """One line of the check.

    Attributes:
        check: what was looked at.
        passed: whether it is as it should be.
        found: numbers and names.
        warning: whether somebody should look at it, though nothing is wrong.
    """

    check: str
    passed: bool
    found: str
    warning: bool = False


def open_archive(path: Path) -> tuple[int, str]:
    """Return the number of nodes and the version of AiiDA that an archive states.

    Raises:
        BadInput: not a file, truncated, damaged, or not an AiiDA archive.
    """
    from aiida.common.exceptions import AiidaException
    from aiida.orm import Node
    from aiida.tools.archive.abstract import get_format

    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    if not zipfile.is_zipfile(path):
        raise BadInput(f"{path}: not an AiiDA archive, or truncated; copy it again")
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_bomb(path, archive)
            damaged = archive.testzip()
        if damaged:
            raise BadInput(f"{path}: '{damaged}' in it is damaged (its checksum is wrong); copy the archive again")
        with get_format().open(path, "r") as reader:
            version = str(reader.get_metadata().get("aiida_version", "?"))
            return reader.querybuilder().append(Node, project="id").count(), version
    except (AiidaException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise BadInput(
            f"{path}: not an AiiDA archive that this AiiDA reads ({' '.join(str(error).split())})"
        ) from error


def _refuse_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that says that it unpacks to much more than its size; no more than it says is unpacked."""
    files = archive.infolist()
    if len(files) > MAX_FILES:
        raise BadInput(f"{path}: holds {len(files)} files, more than {MAX_FILES}")
    size = sum(info.file_size for info in files)
    if size > max(MAX_UNPACKED, MAX_RATIO * path.stat().st_size):
        raise BadInput(f"{path}: unpacks to {size / 1e9:.1f} GB, more than {MAX_RATIO} times its size; not unpacked")
    if any(info.filename == "metadata.json" and info.file_size > MAX_METADATA for info in files):
        raise BadInput(f"{path}: its metadata.json is larger than {MAX_METADATA} bytes")


def check(path: Path) -> list[Finding]:
    """Import the archive into the loaded, empty profile and check it.

    Raises:
        BadInput: the file is no archive.
    """
    from aiida.orm import Node, QueryBuilder
    from aiida.tools.archive import import_archive

    stated, version = open_archive(path)
    executed = _executed(path)
    before = QueryBuilder().append(Node).count()
    import_archive(path, create_group=False)
    nodes = QueryBuilder().append(Node).count() - before
    findings = [
        Finding("checksums of the file", True, f"written by AiiDA {version}"),
        Finding("nodes", nodes == stated > 0, f"{nodes} imported of {stated} stated"),
    ]
    findings += [_structures(), _weights(), *_licence(), *executed, *_traces()]
    return findings


def _compare(what: str, nodes: list[Any], recompute: Callable[[Any], tuple[str, str]]) -> Finding:
    wrong = []
    for node in nodes:
        try:
            stated, computed = recompute(node)
        except Exception as error:  # whatever somebody's node does to a library is a finding
            wrong.append(f"<{node.uuid}>: {visible(error or type(error).__name__, 160)}")
            continue
        if stated != computed:
            wrong.append(f"<{node.uuid}>: content is not that of its hash")
    found = f"{len(nodes) - len(wrong)} of {len(nodes)} match"
    return Finding(what, not wrong, "; ".join([found, *wrong[:5]]))


def _structures() -> Finding:
    from aiida.orm import QueryBuilder

    from ...data import StructureSetData
    from ...data.structures import FILE_NAME
    from ...engine.structures import read_npz

    def recompute(node: Any) -> tuple[str, str]:
        content = node.base.repository.get_object_content(FILE_NAME, mode="rb")
        return node.content_hash, read_npz(io.BytesIO(content)).content_hash

    return _compare(
        "content hashes of structure sets", QueryBuilder().append(StructureSetData).all(flat=True), recompute
    )


def _weights() -> Finding:
    from aiida.orm import QueryBuilder

    from ...data import GeneratorData, PotentialData
    from ...engine.trained import sha256

    def recompute(node: Any) -> tuple[str, str]:
        files = {name: node.base.repository.get_object_content(name, mode="rb") for name in node.FORMAT.files}
        return str(node.base.attributes.get("sha256")), str({name: sha256(item) for name, item in files.items()})

    return _compare(
        "SHA-256 of weights", QueryBuilder().append((PotentialData, GeneratorData)).all(flat=True), recompute
    )


def _licence() -> list[Finding]:
    """Look for licensed files, of each DFT engine that has some."""
    from aiida.orm import Node, QueryBuilder

    from ...dft.registry import engines, registered
    from ...engine.plugins import Broken
    from .licence import licensed_content

    found = list(licensed_content(QueryBuilder().append(Node).all(flat=True)))
    findings = []
    for engine in engines():
        files = engine.licensed
        if files is None:
            continue
        held = [item.where for item in found if item.files is files]
        types = [{"node_type": {"like": f"{start}%"}} for start in engine.potential_types]
        hashes = QueryBuilder().append(Node, filters={"or": types}).count()
        said = "; ".join([f"{hashes} hashes, {len(held)} with content", *held[:5]])
        findings.append(Finding(f"{files.noun} by hash only", not held, said))
    broken = [f"{name} ({spec.summary})" for name, spec in registered().items() if isinstance(spec, Broken)]
    if broken:
        said = f"not looked for, their DFT engines cannot be imported: {'; '.join(broken)}"
        findings.append(Finding("licensed files of other codes", True, said, warning=True))
    return findings


def _executed(path: Path) -> list[Finding]:
    """List what running the processes again would import or execute; the file is only read."""
    from aiida.tools.archive.abstract import get_format

    with get_format().open(path, "r") as reader:
        lines, named = rerun_lines(reader.querybuilder), programs(reader.querybuilder)
    return [
        Finding("what runs when it is run again", True, _some(lines) or "registered names only", bool(lines)),
        Finding("programs that its codes name", True, _some(named) or "none"),
    ]


def _some(lines: list[str]) -> str:
    return "; ".join(lines[:20]) + (f"; and {len(lines) - 20} more" if len(lines) > 20 else "")


def _traces() -> list[Finding]:
    """Trace every metric (without any, every structure set that nothing else was made from) to its origins."""
    from aiida.orm import CalcJobNode, Dict, ProcessNode, QueryBuilder, StructureData

    from ...data import StructureSetData
    from ...dft.registry import job_types
    from .graph import ancestors, data_ancestors

    parents = data_ancestors()
    created_by = {
        pk: f"{process_type or ''} {label or ''}"
        for pk, process_type, label in QueryBuilder()
        .append(ProcessNode, project=["id", "process_type", "attributes.process_label"])
        .all()
    }
    targets = [
        pk
        for pk in QueryBuilder().append(Dict, project="id").all(flat=True)
        if any(name in created_by.get(source, "") for source in parents.get(pk, ()) for name in METRIC_PROCESSES)
    ]
    kind = "metrics"
    if not targets:
        kind = "structure sets"
        used = {source for sources in parents.values() for source in sources}
        targets = [pk for pk in QueryBuilder().append(StructureSetData, project="id").all(flat=True) if pk not in used]
    if not targets:
        return [Finding("something to trace", False, "neither metrics nor structure sets in it")]

    made = set(parents)
    crystals = set(QueryBuilder().append(StructureData, project="id").all(flat=True)) - made
    imported = set(QueryBuilder().append(StructureSetData, project="id").all(flat=True)) - made
    of_dft = {"process_type": {"in": list(job_types())}}
    finished = QueryBuilder().append(CalcJobNode, filters={**of_dft, "attributes.exit_status": 0}, project="id")
    dft = set(finished.all(flat=True))
    histories = {pk: ancestors(pk, parents) for pk in targets}
    # metrics of a file of structures against another come from no crystal: the files are their origin
    from_files = kind == "metrics" and not crystals
    origins, named = (imported, "structure sets from files") if from_files else (crystals, "crystals")
    traced = [pk for pk in targets if histories[pk] & origins]
    reached = set().union(*histories.values())
    found = f"{len(traced)} of {len(targets)} {kind} to {len(reached & origins)} {named}"
    if not from_files and reached & imported:
        found += f"; {len(reached & imported)} structure sets were imported from files, where the trace ends"
    missing = dft - reached
    total = QueryBuilder().append(CalcJobNode, filters=of_dft).count()
    calculations = f"{len(dft & reached)} of {len(dft)} finished DFT jobs are ancestors"
    if total > len(dft):
        calculations += f"; {total - len(dft)} that failed are in the archive too"
    return [
        Finding(f"{kind} traced to {named if from_files else f'bulk {named}'}", len(traced) == len(targets), found),
        Finding(f"{kind} traced to every DFT job", not missing, calculations),
    ]


def main(path: str) -> int:
    """Check in a new profile; print the findings, or the error, as JSON."""
    from aiida import load_profile
    from aiida.manage.configuration import get_config

    config = get_config(create=True)
    folder = Path(config.dirpath) / "storage"
    config.create_profile(PROFILE, "core.sqlite_dos", {"filepath": str(folder)})
    config.set_default_profile(PROFILE).store()
    load_profile(PROFILE)
    from aiida.orm import User

    User(email="archive-check@localhost").store()
    try:
        result: dict[str, Any] = {"findings": [asdict(finding) for finding in check(Path(path))]}
    except BadInput as error:
        result = {"error": str(error)}
    except Exception as error:  # an archive made to break a library
        result = {"error": f"{path}: cannot be imported ({type(error).__name__}: {visible(error)})"}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
