"""A result from the results of the tasks: the same from the nodes of a benchmark, a graph, or files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import BadInput
from ..metrics.parameters import MetricsParameters
from ..parameters import validate
from .result import Result

REFERENCE = "reference.npz"
#: Of each measure of the metrics, what a result states.
PARTS = ("value", "lower", "upper", "floor")
#: Models without learning.
BASELINES = ("random", "resample")


@dataclass(frozen=True)
class Measured:
    """One model: what was measured, how, and what came out.

    Attributes:
        name: ``model_0`` …
        metrics: results of the task ``metrics``.
        parameters: of that task.
        sha256: of the file of the structures that it was given (npz).
        content_hash: of these structures.
        training: results of the training; empty where they are not known.
    """

    name: str
    metrics: Mapping[str, Any]
    parameters: Mapping[str, Any]
    sha256: str
    content_hash: str
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def structures(self) -> str:
        """The name that the file of the structures has beside the result."""
        return f"{self.name}.npz"


def make_result(
    models: Sequence[Measured],
    reference_sha256: str,
    content_hash: str | None,
    about: Mapping[str, Any],
    where: str,
    model: str | None = None,
) -> Result:
    """Return the result of some models that were measured on one data set.

    Args:
        models: at least one.
        reference_sha256: of the file of the reference (npz).
        content_hash: of the training set, None where it was no set of structures.
        about: ``date``, and what else is said of it: ``authors``, ``origin``, ``notes``, ``summary``, ``link``.
        where: named in the errors.
        model: name of the generative model; without it that of the trainings.

    Raises:
        BadInput: models that were measured against different references, no name for the model, or what does not fit
            into the format.
    """
    if len({(item.metrics.get("reference_hash"), item.metrics.get("kind")) for item in models}) > 1:
        raise BadInput(f"{where}: its models were measured against different references; give one evaluation each")
    named = {item.training.get("model") for item in models}
    model = model or (named.pop() if len(named) == 1 else None)
    if not model:
        raise BadInput(f"{where} does not say which model it is of; name it with --model")
    first = models[0].metrics
    values = {
        "kind": first.get("kind"),
        "dataset": {
            "reference_hash": first.get("reference_hash"),
            "n_reference": first.get("n_reference"),
            "content_hash": content_hash,
        },
        "model": model,
        "baseline": model in BASELINES,
        "models": [_model(item, where) for item in models],
        "reference": REFERENCE,
        "reference_sha256": reference_sha256,
        "versions": _versions([part for item in models for part in (item.training, item.metrics)]),
    }
    return validate(Result, values | dict(about), where)


def _model(item: Measured, where: str) -> dict[str, Any]:
    given = validate(MetricsParameters, item.parameters, f"{where}: parameters of the metrics of {item.name}")
    seed = item.training.get("seed")
    return {
        "name": item.name,
        "seed": seed if isinstance(seed, int) else None,
        "structures": item.structures,
        "sha256": item.sha256,
        "content_hash": item.content_hash,
        **{key: item.metrics.get(key) for key in ("n_generated", "n_given", "n_analysed")},
        "parameters": given.model_dump(mode="json", exclude_unset=True),
        "metrics": {
            key: {part: entry.get(part) for part in PARTS}
            for key, entry in item.metrics.items()
            if isinstance(entry, Mapping) and "value" in entry
        },
    }


def _versions(results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the versions that tasks have noted; several of one library one after the other."""
    found: dict[str, dict[str, None]] = {}
    for result in results:
        for library, version in (result.get("versions") or {}).items():
            found.setdefault(library, {})[str(version)] = None
    return {library: "/".join(versions) for library, versions in sorted(found.items())}
