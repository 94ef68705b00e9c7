"""Tasks ``describe`` (every structure by itself) and ``metrics`` (generated against training structures)."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Streamed, write_arrays
from ..context import Context
from ..descriptors.chemistry import composition_of, formula
from ..errors import BadInput
from ..families.base import Composition, FamilyMetrics, make_metrics
from ..store import join
from ..structures import StructureStream
from .arrays import field, vector
from .bootstrap import share_interval
from .collect import Collected, describe_all, open_structures
from .compare import Comparison, validation_floor
from .energies import energy_results
from .parameters import DescribeParameters, MetricsParameters
from .records import RecordFile, open_records
from .reference import Reference, make_reference
from .shown import shown

RECORDS = "records.bin"


def describe(context: Context, parameters: DescribeParameters) -> dict[str, Any]:
    """Describe structures one by one: the part of the metrics that takes time, for a chunk of a set.

    Writes ``records.bin``, which the task ``metrics`` takes as its input ``records``.

    Returns:
        ``n_structures``, ``n_described``, ``n_not_converged``, ``n_not_analysed`` and ``not_analysed`` (index and
        reason).

    Raises:
        BadInput: an unreadable or empty file.
        Unfinished: out of time; finished structures are kept.
    """
    kind = make_metrics(parameters)
    file = open_records(context.checkpoint, kind.about())
    stream = open_structures(context.inputs["structures"])
    if not len(stream):
        raise BadInput(f"{stream.path}: the set of structures is empty")
    started = time.monotonic()
    found = describe_all(context, "describe", stream, kind, file, {})
    spent = time.monotonic() - started
    if not file.exists:
        raise BadInput(f"{stream.path}: none of its {found.n} structures has converged: nothing to describe")
    join([file.path], context.folder / RECORDS)
    return {
        "kind": kind.name,
        "n_structures": found.n,
        "n_described": len(found.index),
        "n_not_converged": found.n_not_converged,
        "n_not_analysed": len(found.failures),
        "not_analysed": _reasons(found.failures),
        "timings": {"describe": spent},
    }


def run(context: Context, parameters: MetricsParameters) -> dict[str, Any]:
    """Compare the generated structures with the reference.

    Structures whose property ``converged`` is False count as failed and are not analysed; so do
    those of another composition (interface and amorphous) and those that cannot be described. Writes
    ``reference.npz`` (the training set's side, to be used again) and ``per_structure.npz``.

    Returns:
        The metrics of the kind, each with ``value``, ``lower``, ``upper`` and ``floor``; ``failed_percent`` of the
        structures generated; ``noise_floor`` (:func:`~.floor.noise_floor`, with ``validation`` when such a set was
        given); ``motifs`` by group of sites; ``energy_per_atom`` and ``interface_energy`` where energies are known;
        what the kind's ``summary`` gives; ``n_generated`` (at first), ``n_given``, ``n_analysed``,
        ``n_not_converged``, ``n_not_analysed`` with ``not_analysed`` (index and reason), ``n_isolated_sites`` (cations
        without a neighbour) and ``n_ambiguous_sites`` (fingerprint within rounding of a tie) where there are such,
        ``n_reference``, ``n_reference_not_analysed``, ``reference_hash``, ``not_in_reference`` (distances for which a
        published reference lacks a file), and ``mean_relaxation_steps`` of the analysed (None without a property
        ``steps``). If no structure could be analysed the distances are None and the task is finished all the same.

    Raises:
        BadInput: structures all of which are of another composition, too few in ``generated_total``, a
            reference that cannot be used.
        Unfinished: out of time; finished structures are kept.
    """
    kind = make_metrics(parameters)
    stream = open_structures(context.inputs["structures"])
    total = _generated_total(len(stream), parameters)
    file = open_records(context.checkpoint, kind.about())
    if "records" in context.inputs:
        file.absorb(RecordFile(context.inputs["records"], kind.about()))
    timings = _Timings()

    reference, training = make_reference(context, "reference", context.inputs["reference"], kind, file)
    composition = dict(reference.composition)
    if kind.spec.same_composition and not composition and len(stream):
        # published distributions do not say of what; the structures given then have to agree with each other
        composition = composition_of(next(stream.blocks(1)))
        reference = replace(reference, composition=composition)
    reference.save(context.folder / "reference.npz", kind)
    timings.add("reference")
    validation = None
    if "validation" in context.inputs:
        validation, _ = make_reference(context, "validation", context.inputs["validation"], kind, file)
        if kind.differs(validation.composition, composition) and kind.differs(composition, validation.composition):
            raise BadInput(
                f"validation structures have the composition {formula(validation.composition)}, the reference "
                f"{formula(composition)}; give the validation set of the same data set"
            )
        timings.add("validation")

    known = len(file.index)
    generated = describe_all(context, "generated", stream, kind, file, composition)
    _refuse_another_composition(stream, kind, composition, generated)
    timings.add("generated")
    if new := len(file.index) - known:
        timings.found["seconds_per_structure"] = timings.found["generated"] / new

    comparison = Comparison(kind, parameters, reference, generated)
    results: dict[str, Any] = comparison.metrics()
    floor = comparison.floor()
    if validation is not None:
        floor["validation"] = validation_floor(kind, parameters, reference, validation.records, len(generated.records))
    for name, metric in kind.metrics().items():
        if metric.power:
            results[name]["floor"] = floor["metrics"].get(name, {}).get("value")
        else:
            # what is no distance (a share) has the training set's own as its floor
            own = comparison.target[metric.vector]
            known = metric.vector not in reference.unknown
            results[name]["floor"] = float(metric.measure(own, own)) if known else None
    lost = len(reference.failures)
    failed = share_interval(total - len(generated.records), total, parameters.confidence)
    results["failed_percent"] = dict(failed) | {"floor": 100 * lost / reference.n_structures}
    places = None if training is None else training.index
    _write_per_structure(context.folder / "per_structure.npz", kind, reference, places, generated, comparison)
    results |= {"noise_floor": floor} | energy_results(generated, reference) | kind.summary(generated, reference)
    if comparison.tables:
        results["motifs"] = comparison.motifs()
    timings.add("statistics")
    return (
        results
        | _sites(generated)
        | {
            "kind": kind.name,
            "compat": parameters.compat,
            "n_generated": total,
            "n_given": generated.n,
            "n_analysed": len(generated.records),
            "n_not_converged": generated.n_not_converged,
            "n_not_analysed": len(generated.failures),
            "not_analysed": _reasons(generated.failures),
            "n_reference": len(reference.records),
            "n_reference_not_analysed": lost,
            "reference_hash": reference.structures_hash,
            "not_in_reference": [
                name for name, metric in kind.metrics().items() if metric.power and metric.vector in reference.unknown
            ],
            "mean_relaxation_steps": _mean(generated.steps),
            "timings": timings.found,
        }
    )


class _Timings:
    """Seconds since the last time that one was added."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}
        self.last = time.monotonic()

    def add(self, name: str) -> None:
        now = time.monotonic()
        self.found[name] = now - self.last
        self.last = now


def _generated_total(given: int, parameters: MetricsParameters) -> int:
    total = given if parameters.generated_total is None else parameters.generated_total
    if total < given:
        raise BadInput(
            f"generated_total is {total}, but {given} structures are given; it counts all that were generated"
        )
    if not total:
        raise BadInput("the set of generated structures is empty; say in generated_total how many were generated")
    return total


def _refuse_another_composition(
    stream: StructureStream, kind: FamilyMetrics, composition: Composition, generated: Collected
) -> None:
    """Refuse a set all of whose structures are of another composition: it belongs to another reference."""
    if not kind.spec.same_composition or len(generated.records) or generated.n_not_converged or not generated.n:
        return
    first = composition_of(next(stream.blocks(1)))
    if (
        kind.differs(first, composition)
        and len(generated.failures) == generated.n
        and all("where the reference has" in reason for _, reason in generated.failures)
    ):
        raise BadInput(
            f"generated structures have the composition {formula(first)}, the reference {formula(composition)}; give "
            "the training set of the same composition"
        )


def _sites(generated: Collected) -> dict[str, int]:
    """Count the sites that a reader should know of."""
    names = generated.records.dtype.names or ()
    return {
        f"n_{name}": int(generated.records.column(name).sum())
        for name in ("isolated_sites", "ambiguous_sites")
        if name in names
    }


def _reasons(failures: list[tuple[int, str]]) -> list[dict[str, Any]]:
    return [{"index": place, "reason": reason} for place, reason in failures]


def _mean(values: NDArray[Any] | None) -> float | None:
    return float(np.mean(values)) if values is not None and len(values) else None


def _write_per_structure(
    path: Path,
    kind: FamilyMetrics,
    reference: Reference,
    training: NDArray[np.int64] | None,
    generated: Collected,
    comparison: Comparison,
) -> None:
    """Write ``per_structure.npz``.

    ``index`` is the place in the structures given, ``source_index`` the one in the structures generated
    (from post-processing); ``energy_per_atom`` (eV) and ``steps`` are there when the structures have them. Each
    distance ``(n,)`` is that of the structure by itself to the training average; ``vector.NAME`` ``(n, length)`` is
    what was averaged, ``average.NAME`` the average of the training set, ``curve.NAME`` see
    :meth:`~.compare.Comparison.curves`, ``labels.NAME`` the components' names, ``shown.NAME`` and
    ``shown_training.NAME`` see :func:`~.shown.shown`, ``property.NAME`` a property of each structure; the rest are the
    kind's own numbers.
    """
    records = generated.records
    content: dict[str, NDArray[Any] | Streamed] = {
        "index": generated.index,
        "source_index": generated.source_index,
    }
    if generated.energy_per_atom is not None:
        content["energy_per_atom"] = generated.energy_per_atom
    if generated.steps is not None:
        content["steps"] = generated.steps
    distances = comparison.per_structure()
    content |= distances
    content |= {name: field(records, name) for name in kind.per_structure()}
    content |= {f"property.{name}": values for name, values in kind.properties(generated, reference).items()}
    for name, target in comparison.target.items():
        content[f"vector.{name}"] = vector(records, kind, reference.composition, name, len(target))
        content[f"average.{name}"] = target
    content |= comparison.curves()
    content |= {f"labels.{name}": np.array(labels) for name, labels in kind.labels().items()}
    content |= shown(kind, reference, training, records, distances)
    write_arrays(path, content)
