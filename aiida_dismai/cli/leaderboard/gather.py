"""From a benchmark of a profile, or results of files, to a result with the structures and the reference behind it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.files import write_atomically
from ...engine.metrics.parameters import MetricsParameters
from ...engine.metrics.reference import is_reference
from ...engine.parameters import validate
from ...engine.structures import load_structures, read_npz, write_npz
from ...engine.text import visible
from ...engine.untrusted import read_object
from ...engine.versions import versions
from ..bundle.manifest import Author, entry
from .result import Result

REFERENCE = "reference.npz"
PARTS = ("value", "lower", "upper", "floor")
#: Models without learning.
BASELINES = ("random", "resample")


@dataclass(frozen=True)
class Named:
    """What the user says of a result.

    Attributes:
        dataset: name of the data set.
        model: name of the model; None takes that of the training.
        summary: a sentence on it.
        link: to its code or paper.
        authors: who ran it.
    """

    dataset: str
    model: str | None
    summary: str
    link: str | None
    authors: Sequence[Author]


def gather(node: Any, folder: Path, about: Named) -> Result:
    """Write the files of a result into a folder, and return it.

    Args:
        node: a finished process with metrics: a benchmark, a pipeline, an evaluation.
        folder: empty.
        about: what the user says of it.

    Raises:
        BadInput: a process without metrics, metrics that no job of ours made, models that were measured against
            different references, or no name for the model.
    """
    from ...report.links import outputs_of
    from ...report.origin import not_dft, origin_of
    from ...report.words import named

    outputs = outputs_of(node)
    outputs = outputs["benchmark"] if isinstance(outputs.get("benchmark"), dict) else outputs
    metrics = outputs.get("metrics")
    if metrics is None:
        raise BadInput(f"{named(node)} has no metrics; give a finished benchmark, pipeline or evaluation")
    nodes = metrics if isinstance(metrics, dict) else {"model_0": metrics}
    training = outputs.get("training") if isinstance(outputs.get("training"), dict) else {}
    models, kinds, hashes, counts, trained = [], set(), set(), set(), set()
    first = None
    for name in sorted(nodes):
        values, job = nodes[name].get_dict(), _job_of(nodes[name])
        made = (training or {}).get(name)
        about_training = made.get_dict() if made is not None else {}
        trained.add(about_training.get("model"))
        kinds.add(values.get("kind"))
        hashes.add(values.get("reference_hash"))
        counts.add(values.get("n_reference"))
        models.append(_model(name, values, job, folder, about_training.get("seed")))
        first = first or job
    if len(hashes) > 1 or len(kinds) > 1:
        raise BadInput(
            f"{named(node)}: its models were measured against different references; give one evaluation each"
        )
    model = about.model or (trained.pop() if len(trained) == 1 else None)
    if not model:
        raise BadInput(f"{named(node)} does not say which model it is of; name it with --model")
    assert first is not None
    content = _write_reference(first, folder)
    origin = origin_of(node)
    notes = [not_dft(origin.stand_ins)] if origin.stand_ins else []
    values = {
        "kind": kinds.pop(),
        "dataset": {
            "name": about.dataset,
            "reference_hash": hashes.pop(),
            "n_reference": counts.pop(),
            "content_hash": content,
        },
        "model": model,
        "summary": about.summary,
        "link": about.link,
        "baseline": model in BASELINES,
        "authors": [author.model_dump() for author in about.authors],
        "date": datetime.now(UTC).date().isoformat(),
        "models": models,
        "reference": REFERENCE,
        "reference_sha256": entry(folder / REFERENCE).sha256,
        "versions": versions(),
        "origin": {"uuid": node.uuid, "type": str(node.process_label)},
        "notes": [*notes, *origin.mixed_labels],
    }
    return validate(Result, values, named(node))


def _job_of(metrics: Any) -> Any:
    """Return the job that computed metrics.

    Raises:
        BadInput: another process, or none.
    """
    from ...report.words import named

    job = metrics.creator
    if job is None or not str(job.process_type).endswith(":dismai.metrics"):
        raise BadInput(f"{named(metrics)} was not made by a job `dismai.metrics`; only such results can be verified")
    return job


def _model(name: str, values: dict[str, Any], job: Any, folder: Path, seed: Any) -> dict[str, Any]:
    """Write the structures of a model, and return what the result says of it."""
    structures = job.inputs.structures
    path = folder / f"{name}.npz"
    content = structures.base.repository.get_object_content("structures.npz", mode="rb")
    write_atomically(path, lambda handle: handle.write(content))
    parameters = job.inputs.parameters.get_dict() if "parameters" in job.inputs else {}
    given = validate(MetricsParameters, parameters, f"parameters of {job.process_label}<{job.pk}>")
    return {
        "name": name,
        "seed": seed if isinstance(seed, int) else None,
        "structures": path.name,
        "sha256": entry(path).sha256,
        "content_hash": structures.content_hash,
        **{key: values.get(key) for key in ("n_generated", "n_given", "n_analysed")},
        "parameters": given.model_dump(mode="json", exclude_unset=True),
        "metrics": _measures(values),
    }


def _measures(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        key: {part: item.get(part) for part in PARTS}
        for key, item in values.items()
        if isinstance(item, dict) and "value" in item
    }


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
    checked = validate(MetricsParameters, given, visible(parameters or results))
    write_npz(load_structures(structures), folder / "model_0.npz")
    shutil.copyfile(reference, folder / REFERENCE)
    model = {
        "name": "model_0",
        "structures": "model_0.npz",
        "sha256": entry(folder / "model_0.npz").sha256,
        "content_hash": read_npz(folder / "model_0.npz").content_hash,
        **{key: values.get(key) for key in ("n_generated", "n_given", "n_analysed")},
        "parameters": checked.model_dump(mode="json", exclude_unset=True),
        "metrics": _measures(values),
    }
    content = {
        "kind": values.get("kind"),
        "dataset": {
            "name": about.dataset,
            "reference_hash": values.get("reference_hash"),
            "n_reference": values.get("n_reference"),
        },
        "model": about.model,
        "summary": about.summary,
        "link": about.link,
        "baseline": about.model in BASELINES,
        "authors": [author.model_dump() for author in about.authors],
        "date": datetime.now(UTC).date().isoformat(),
        "models": [model],
        "reference": REFERENCE,
        "reference_sha256": entry(folder / REFERENCE).sha256,
        "versions": values.get("versions") or {},
    }
    return validate(Result, content, visible(results))


def _write_reference(job: Any, folder: Path) -> str | None:
    """Write the reference of a job; returns the content hash of the training set, if it was a set of structures.

    Raises:
        BadInput: the job has kept none.
    """
    from ...data import StructureSetData

    kept = job.outputs.reference if "reference" in job.outputs else None
    if kept is None:
        raise BadInput(f"{job.process_label}<{job.pk}> has kept no reference; run the metrics again")
    content = kept.base.repository.get_object_content(kept.filename, mode="rb")
    write_atomically(folder / REFERENCE, lambda handle: handle.write(content))
    given = job.inputs.reference
    return given.content_hash if isinstance(given, StructureSetData) else None
