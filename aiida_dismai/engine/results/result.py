"""The format of ``result.json``."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from ..parameters import Parameters
from .fields import Author, Digest, FileName, Uuid

RESULT = "result.json"
FORMAT = "dismai-result"
VERSION = 1
#: Characters of an entry's checksum that stand in its name.
SHORT = 8

NAME = r"[A-Za-z0-9][A-Za-z0-9_.+ -]{0,60}"
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
NameOrNone = Annotated[str, Field(pattern=f"^({NAME})?$")]
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
        name: as people call it; empty in the file of a benchmark, which does not know it.
        reference_hash: of the training structures without their properties: entries are compared only if it is equal.
        n_reference: training structures that the reference holds.
        content_hash: of the training set with its properties, if it was a set of structures.
        doi: where it is published.
    """

    name: NameOrNone = ""
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
        authors: who ran it; none in the file of a benchmark whose AiiDA user has no name.
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
    authors: list[Author] = []
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
        from ..metrics.aggregate import summarise

        results = [{name: item.model_dump() for name, item in model.metrics.items()} for model in self.models]
        found: dict[str, dict[str, Any]] = summarise(results)["metrics"]
        return found

    def text(self) -> str:
        """Return the file, as it is written."""
        return self.model_dump_json(indent=2) + "\n"
