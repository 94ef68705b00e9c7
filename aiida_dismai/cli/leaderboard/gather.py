"""From a benchmark of a profile, or results of files, to a result with the structures and the reference behind it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.files import write_atomically
from ...engine.metrics.reference import is_reference
from ...engine.parameters import validate
from ...engine.results.fields import Author
from ...engine.results.make import REFERENCE, Measured, make_result
from ...engine.results.result import RESULT, Result
from ...engine.structures import load_structures, read_npz, write_npz
from ...engine.text import visible
from ...engine.untrusted import read_object
from ..bundle.manifest import entry
from ..bundle.people import authors_of

#: Numbers of two results agree within this share of them: databases keep fourteen digits.
RELATIVE = 1e-9


@dataclass(frozen=True)
class Named:
    """What the user says of a result.

    Attributes:
        dataset: name of the data set.
        model: name of the model; None takes that of the training.
        summary: a sentence on it.
        link: to its code or paper.
        authors: who ran it; none takes those of the benchmark's own file, or its AiiDA user.
    """

    dataset: str
    model: str | None
    summary: str
    link: str | None
    authors: Sequence[Author]

    def added_to(self, result: Result, where: str) -> Result:
        """Return a result with what was said of it.

        Raises:
            BadInput: what does not fit into the format, such as a name with a slash.
        """
        values = result.model_dump(mode="json")
        values["dataset"]["name"] = self.dataset
        values |= {"summary": self.summary, "link": self.link}
        values["authors"] = [author.model_dump() for author in self.authors]
        return validate(Result, values, where)


def gather(node: Any, folder: Path, about: Named) -> Result:
    """Write the files of a result into a folder, and return it.

    A benchmark's own ``result.json`` is taken if it says what the graph says; of an evaluation, and of benchmarks from
    before there were any, the same is made from the graph.

    Args:
        node: a finished process with metrics: a benchmark, a pipeline, an evaluation.
        folder: empty.
        about: what the user says of it.

    Raises:
        BadInput: a process without metrics, metrics that no job of ours made, models that were measured against
            different references, no name for the model or its authors, or a ``result.json`` unlike the graph.
    """
    from ...calculations.functions.result import file_of, measured_of, nodes_of, reference_of
    from ...data import StructureSetData
    from ...dft.origin import origin_of
    from ...provenance import outputs_of
    from ...report.words import named

    outputs = outputs_of(node)
    outputs = outputs["benchmark"] if isinstance(outputs.get("benchmark"), dict) else outputs
    metrics = outputs.get("metrics")
    if metrics is None:
        raise BadInput(f"{named(node)} has no metrics; give a finished benchmark, pipeline or evaluation")
    nodes = metrics if isinstance(metrics, dict) else {"model_0": metrics}
    trained = outputs.get("training")
    trained = trained if isinstance(trained, dict) else {}
    parts = {name: nodes_of(nodes[name], trained.get(name)) for name in sorted(nodes)}
    models = [measured_of(name, of_model) for name, of_model in parts.items()]
    job = next(iter(parts.values()))["metrics"].creator
    reference = reference_of(job)
    for item in models:
        _write(folder / item.structures, file_of(parts[item.name]["structures"]))
    _write(folder / REFERENCE, reference.get_content(mode="rb"))
    own = outputs.get("result")
    owner = getattr(getattr(own, "creator", None), "caller", None) or node
    said = {
        "date": _today(),
        "origin": {"uuid": owner.uuid, "type": str(owner.process_label)},
        "notes": origin_of(node).notes(),
    }
    training = job.inputs.reference
    content = training.content_hash if isinstance(training, StructureSetData) else None
    digest = entry(folder / REFERENCE).sha256
    result = make_result(models, digest, content, said, named(node), about.model)
    if own is not None:
        result = _agreed(own, result, about.model, f"{RESULT} of {named(owner)}")
    authors = about.authors or result.authors or authors_of((), [node.user])
    return replace(about, authors=authors).added_to(result, named(node))


def _agreed(own: Any, found: Result, model: str | None, where: str) -> Result:
    """Return the result that a benchmark has written, with the notes of the graph.

    Raises:
        BadInput: it says something else than the graph.
    """
    content = own.get_content(mode="rb")
    stated = validate(Result, read_object(content, where), where)
    notes = list(dict.fromkeys([*stated.notes, *found.notes]))
    if model is not None:  # the user names it otherwise
        stated = stated.model_copy(update={"model": found.model, "baseline": found.baseline})
    left_out = {"authors", "date", "notes", "versions"}
    one, other = (item.model_dump(mode="json", exclude=left_out) for item in (stated, found))
    for path, here, there in _differences(one, other):
        raise BadInput(
            f"{where}: {path} is {visible(here, 80)}, in the graph {visible(there, 80)}: not what the benchmark wrote"
        )
    return stated.model_copy(update={"notes": notes})


def _differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two values of JSON differ: the place, and what stands there."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            yield from _differences(one.get(key), other.get(key), f"{path}.{key}" if path else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (here, there) in enumerate(zip(one, other, strict=True)):
            yield from _differences(here, there, f"{path}[{place}]")
    elif one != other and not (_number(one) and _number(other) and math.isclose(one, other, rel_tol=RELATIVE)):
        yield path, one, other


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, lambda handle: handle.write(content))


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def gather_files(
    results: Path, structures: Path, reference: Path, parameters: Path | None, folder: Path, about: Named
) -> Result:
    """Write the files of a result that `dismai metrics` has computed, without AiiDA, and return it.

    Args:
        results: its ``results.json``.
        structures: the file that it was given as ``--generated``.
        reference: the file that it wrote as ``--write-reference``.
        parameters: the file that it was given as ``--parameters``, or None.
        folder: empty.
        about: what the user says of it; the model has to be named.

    Raises:
        BadInput: files that are not these, or no name for the model.
    """
    if not about.model:
        raise BadInput("--model: name the model")
    if not is_reference(reference):
        raise BadInput(f"{visible(reference)}: not a reference; give what `dismai metrics --write-reference` wrote")
    values = read_object(results)
    if values.get("task") != "metrics" or values.get("status") != "finished":
        raise BadInput(f"{visible(results)}: not the results of `dismai metrics`")
    given = read_object(parameters) if parameters is not None else {}
    given |= {"kind": values.get("kind"), "compat": values.get("compat", False)}
    path = folder / "model_0.npz"
    write_npz(load_structures(structures), path)
    shutil.copyfile(reference, folder / REFERENCE)
    measured = Measured("model_0", values, given, entry(path).sha256, read_npz(path).content_hash)
    said = {"date": _today()}
    found = make_result([measured], entry(folder / REFERENCE).sha256, None, said, visible(results), about.model)
    return about.added_to(found, visible(results))
