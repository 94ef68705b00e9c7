"""``result.json``: what one model got on one data set, with checksums of all that it was computed from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ...engine.errors import BadInput
from ...engine.families.registry import names as family_names
from ...engine.parameters import Parameters, validate
from ...engine.text import visible
from ...engine.untrusted import read_object
from ..bundle.manifest import Author, Digest, FileName, Uuid, entry, require_format

RESULT = "result.json"
FORMAT = "dismai-result"
VERSION = 1
#: Folder of the entries in a leaderboard.
ENTRIES = "results"
#: Characters of an entry's checksum that stand in its name.
SHORT = 8
#: Entries of a leaderboard at most.
MOST = 10_000

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+ -]{0,60}$")]
Text = Annotated[str, Field(max_length=2_000)]
Address = Annotated[str, Field(pattern=r"^https://[A-Za-z0-9][^\s\"'<>\\]{2,400}$")]
Number = Annotated[float, Field(ge=-1e12, le=1e12)] | None


class Measure(Parameters):
    """A measure.

    Attributes:
        value: the measure; None where nothing could be analysed.
        lower: lower end of its interval.
        upper: upper end.
        floor: noise floor of the training set.
    """

    value: Number
    lower: Number = None
    upper: Number = None
    floor: Number = None


class ModelResult(Parameters):
    """One trained model.

    Attributes:
        name: ``model_0`` …
        seed: of its training, if it is known.
        structures: file of the structures that were measured (after relaxation), npz.
        sha256: of that file.
        content_hash: of the structures.
        n_generated: structures that the model generated at first.
        n_given: structures in the file.
        n_analysed: of these, those that could be analysed.
        parameters: of the task ``metrics``.
        metrics: measures by name.
    """

    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    structures: FileName
    sha256: Digest
    content_hash: Digest
    n_generated: Annotated[int, Field(ge=1)]
    n_given: Annotated[int, Field(ge=0)]
    n_analysed: Annotated[int, Field(ge=0)]
    parameters: dict[str, Any]
    metrics: dict[Name, Measure]


class DataSetAbout(Parameters):
    """The data set.

    Attributes:
        name: as people call it.
        reference_hash: of the training structures without their properties: entries are compared only if it is equal.
        n_reference: training structures that the reference holds.
        content_hash: of the training set with its properties, if it was a set of structures.
        doi: where it is published.
    """

    name: Name
    reference_hash: Digest
    n_reference: Annotated[int, Field(ge=1)]
    content_hash: Digest | None = None
    doi: Text | None = None


class Origin(Parameters):
    """The process in whose profile, or archive, all of it is.

    Attributes:
        uuid: of the process.
        type: of the process.
    """

    uuid: Uuid
    type: Text


class Result(Parameters):
    """All of ``result.json``.

    Attributes:
        format: always ``dismai-result``.
        version: of the format.
        kind: family of structures.
        dataset: what it was measured on.
        model: name of the generative model.
        summary: a sentence on it.
        link: to its code or paper, https.
        baseline: whether it is one of the models without learning, which are not ranked.
        authors: who ran it.
        date: of the result, ISO 8601.
        models: the trained models, at least one.
        reference: file of the reference, npz.
        reference_sha256: of that file.
        versions: of what computed.
        origin: the process behind it; None for results without AiiDA.
        notes: what a reader must know.
    """

    format: Literal["dismai-result"] = "dismai-result"
    version: int = VERSION
    kind: Name
    dataset: DataSetAbout
    model: Name
    summary: Text = ""
    link: Address | None = None
    baseline: bool = False
    authors: Annotated[list[Author], Field(min_length=1)]
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    models: Annotated[list[ModelResult], Field(min_length=1, max_length=100)]
    reference: FileName
    reference_sha256: Digest
    versions: dict[Name, Text] = {}
    origin: Origin | None = None
    notes: list[Text] = []

    @property
    def identifier(self) -> str:
        """Name of the entry: model, and the beginning of a checksum over data, structures and measures."""
        about = [self.kind, self.dataset.reference_hash, [item.model_dump(mode="json") for item in self.models]]
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        return f"{self.model.replace(' ', '_')}-{digest[:SHORT]}"

    @property
    def measures(self) -> dict[str, dict[str, Any]]:
        """Mean, minimum and maximum over the models of every measure, with interval and floor."""
        from ...engine.metrics.aggregate import summarise

        results = [{name: item.model_dump() for name, item in model.metrics.items()} for model in self.models]
        found: dict[str, dict[str, Any]] = summarise(results)["metrics"]
        return found


def read_result(folder: Path) -> Result:
    """Read the result file of an entry.

    Raises:
        BadInput: no such file, not this format, of a newer version, incomplete, or of a family that is not installed.
    """
    path = folder / RESULT
    content = read_object(path)
    require_format(path, content, FORMAT, VERSION, "result")
    result = validate(Result, content, str(path))
    if result.kind not in family_names():
        raise BadInput(f"{path}: the family '{result.kind}' is not installed here (`dismai families` lists them)")
    files = [result.reference, *(item.structures for item in result.models)]
    if len(set(files)) < len(files) or RESULT in files:
        raise BadInput(f"{path}: two of its files have the same name")
    return result


def check_files(folder: Path, result: Result) -> Iterator[str]:
    """Yield what is wrong with the files of an entry: missing, changed, added."""
    stated = {item.structures: item.sha256 for item in result.models} | {result.reference: result.reference_sha256}
    for name in sorted({path.name for path in folder.iterdir()} - {*stated, RESULT}):
        yield f"{visible(name)}: a file that {RESULT} does not name; remove it"
    for name, digest in stated.items():
        try:
            found = entry(folder / name).sha256
        except BadInput as error:
            yield str(error)
            continue
        if found != digest:
            yield f"{name}: SHA-256 {found[:12]}… instead of {digest[:12]}…: changed, or not the file itself"


def entries_of(board: Path) -> list[Path]:
    """Return the folders of the entries of a leaderboard, in the order of their names; or that of a single entry.

    Raises:
        BadInput: no leaderboard, or a link in it.
    """
    if (board / RESULT).is_file():
        return [board]
    start = board / ENTRIES
    if not start.is_dir():
        raise BadInput(f"{visible(board)}: no leaderboard (no folder {ENTRIES} in it); `leaderboard add` begins one")
    found = []
    for path in sorted(start.glob(f"*/*/*/{RESULT}")):
        if any(part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(start)):
            raise BadInput(f"{visible(path)}: a symbolic link, which is not followed; put the files there themselves")
        found.append(path.parent)
        if len(found) > MOST:
            raise BadInput(f"{visible(board)}: more than {MOST} entries")
    return found


def place_of(board: Path, result: Result) -> Path:
    """Return the folder of a result in a leaderboard."""
    return board / ENTRIES / result.kind / result.dataset.name.replace(" ", "_") / result.identifier
