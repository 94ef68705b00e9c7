"""Task ``metrics``: generated structures against training structures, as one set of numbers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..files import write_atomically
from ..structures import StructureSet, load_structures
from ..task import Context
from .bootstrap import resample_weights, share_interval
from .chemistry import Chemistry, common_composition
from .collect import Log, collect
from .fingerprints import feature_labels
from .interface import ALL, interface_metrics, per_structure
from .motifs import ISOLATED
from .parameters import MetricsParameters
from .reference import Reference, is_reference, load_reference
from .summaries import Summaries

LOG = "fingerprints.jsonl"


def run(context: Context, parameters: MetricsParameters) -> dict[str, Any]:
    """Compare the generated structures with the reference.

    Structures whose property ``converged`` is False count as failed and are not analysed; so do
    those without a fingerprint. Writes ``reference.npz`` (the training set's side, to be used again)
    and ``per_structure.npz``.

    Returns:
        The metrics of :func:`~.interface.interface_metrics`; ``failed_percent`` of the structures
        generated; ``n_generated`` (at first), ``n_given``, ``n_analysed``, ``n_not_converged``,
        ``n_isolated_sites`` (cations without a neighbour), ``n_not_analysed`` with ``not_analysed``
        (index and reason), ``n_reference``, ``n_reference_not_analysed``, ``reference_hash``, and
        ``mean_relaxation_steps`` of the analysed (None without a property ``steps``). If no structure could be
        analysed the distances are None and the task is finished all the same.

    Raises:
        BadInput: structures of other elements or compositions, too few in ``generated_total``, a
            reference that cannot be used.
        Unfinished: out of time; finished structures are kept.
    """
    chemistry = parameters.chemistry()
    generated = load_structures(context.inputs["structures"])
    total = _generated_total(generated, parameters)
    log = Log(context.checkpoint / LOG)

    started = time.monotonic()
    reference = _reference(context, parameters, chemistry, log)
    reference.save(context.folder / "reference.npz")
    timings = {"reference": time.monotonic() - started}

    if len(generated):
        composition = common_composition(generated, chemistry, "generated structures")
        if composition != reference.composition:
            raise BadInput(
                f"generated structures have the composition {_formula(composition)}, the reference "
                f"{_formula(dict(reference.composition))}; give the training set of the same composition"
            )
    converged = _converged(generated)
    started, known = time.monotonic(), len(log.found)
    chosen = np.flatnonzero(converged)
    collected = collect(context, "fingerprints", generated[chosen], chemistry, parameters.workers, log)
    summaries = _stack(collected, reference, chosen)
    timings["fingerprints"] = time.monotonic() - started
    if new := len(log.found) - known:
        timings["seconds_per_structure"] = timings["fingerprints"] / new

    started = time.monotonic()
    weights = resample_weights(len(summaries), parameters.resamples, parameters.bootstrap_seed)
    results = interface_metrics(summaries, reference, weights, parameters.confidence, parameters.motif_threshold)
    _write_per_structure(context, generated, summaries, reference)
    timings["statistics"] = time.monotonic() - started
    steps: NDArray[Any] = np.array([])
    if "steps" in generated.properties:
        steps = generated.properties["steps"].values[summaries.index]
    return results | {
        "kind": parameters.kind,
        "failed_percent": share_interval(total - len(summaries), total, parameters.confidence),
        "n_generated": total,
        "n_given": len(generated),
        "n_analysed": len(summaries),
        "n_not_converged": int((~converged).sum()),
        "n_not_analysed": len(summaries.failures),
        "n_isolated_sites": sum(int((codes[..., 0] == ISOLATED).sum()) for codes in summaries.motifs.values()),
        "not_analysed": [{"index": place, "reason": reason} for place, reason in summaries.failures],
        "n_reference": len(reference.summaries),
        "n_reference_not_analysed": len(reference.summaries.failures),
        "reference_hash": reference.structures_hash,
        "mean_relaxation_steps": float(np.mean(steps)) if len(steps) else None,
        "timings": timings,
    }


def _generated_total(generated: StructureSet, parameters: MetricsParameters) -> int:
    total = len(generated) if parameters.generated_total is None else parameters.generated_total
    if total < len(generated):
        raise BadInput(
            f"generated_total is {total}, but {len(generated)} structures are given; it counts all that were "
            "generated at first"
        )
    if not total:
        raise BadInput("the set of generated structures is empty; say in generated_total how many were generated")
    return total


def _converged(generated: StructureSet) -> NDArray[np.bool_]:
    """Return which structures are to be analysed, ``(n,)``: all, when nothing is said about convergence."""
    if "converged" not in generated.properties:
        return np.ones(len(generated), dtype=bool)
    return generated.properties["converged"].values.astype(bool)


def _reference(context: Context, parameters: MetricsParameters, chemistry: Chemistry, log: Log) -> Reference:
    """Read the reference, or make it from training structures."""
    path = context.inputs["reference"]
    if is_reference(path):
        return load_reference(path, chemistry)
    structures = load_structures(path).require("reference")
    composition = common_composition(structures, chemistry, "reference")
    collected = collect(context, "reference", structures, chemistry, parameters.workers, log)
    features = len(feature_labels(chemistry))
    summaries = Summaries.stack(collected, chemistry, composition, features)
    if not len(summaries):
        raise BadInput(
            f"{path}: none of the {len(structures)} training structures could be analysed; "
            f"structure 0: {summaries.failures[0][1]}"
        )
    digest = structures.without_properties().content_hash
    return Reference(chemistry, composition, digest, len(structures), summaries)


def _stack(collected: list[Any], reference: Reference, chosen: NDArray[np.int64]) -> Summaries:
    features = len(feature_labels(reference.chemistry))
    return Summaries.stack(collected, reference.chemistry, reference.composition, features, chosen)


def _write_per_structure(context: Context, generated: StructureSet, summaries: Summaries, reference: Reference) -> None:
    """Write ``per_structure.npz``: what :func:`~.interface.per_structure` gives, with labels and origin.

    ``index`` is the place in the structures given, ``source_index`` the one in the structures generated
    (from post-processing); ``energy_per_atom`` (eV) and ``steps`` are there when the structures have them.
    """
    arrays: dict[str, NDArray[Any]] = dict(per_structure(summaries, reference))
    index = summaries.index
    arrays["index"] = index
    arrays["source_index"] = (
        generated.properties["source_index"].values[index] if "source_index" in generated.properties else index
    )
    arrays["cations"] = np.array([*reference.chemistry.cations, ALL])
    arrays["features"] = np.array(feature_labels(reference.chemistry))
    if "energy" in generated.properties:
        arrays["energy_per_atom"] = (generated.properties["energy"].values / generated.n_atoms)[index]
    if "steps" in generated.properties:
        arrays["steps"] = generated.properties["steps"].values[index]
    write_atomically(
        context.folder / "per_structure.npz", lambda handle: np.savez(handle, allow_pickle=False, **arrays)
    )


def _formula(composition: dict[str, int]) -> str:
    return "".join(f"{symbol}{count}" for symbol, count in composition.items())
