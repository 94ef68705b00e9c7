"""Metrics of interfaces: how far the cations' average surroundings are from those of the training set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bootstrap import pivotal_interval
from .motifs import compare_motifs
from .reference import Reference
from .summaries import Summaries

#: Name of the average over all cations, weighted by their number of sites.
ALL = "all"


def with_all(means: NDArray[np.float64], sites: Sequence[int]) -> NDArray[np.float64]:
    """Append the average over all cation sites.

    Args:
        means: ``(…, cations, features)`` average fingerprint of each cation.
        sites: number of sites of each cation (72, 36, 12 for Li, Co, Sc).

    Returns:
        ``(…, cations + 1, features)``.
    """
    weights = np.asarray(sites, dtype=np.float64) / np.sum(sites)
    return np.concatenate([means, (weights @ means)[..., None, :]], axis=-2)


def euclidean(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Euclidean distance over the last axis."""
    return np.asarray(np.linalg.norm(a - b, axis=-1))


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one minus the cosine of the angle over the last axis; NaN for a zero vector."""
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    products = (a * b).sum(axis=-1)
    return 1 - np.divide(products, lengths, out=np.full_like(lengths, np.nan), where=lengths > 0)


DISTANCES = {"d": euclidean, "cos": cosine}


def interface_metrics(
    generated: Summaries,
    reference: Reference,
    weights: NDArray[np.float64],
    confidence: float,
    motif_threshold: float,
) -> dict[str, Any]:
    """Compute the distances and the motifs.

    Args:
        generated: the structures analysed; there may be none, then all values are None.
        reference: the training set's side.
        weights: ``(resamples, n)`` from :func:`~.bootstrap.resample_weights`.
        confidence: of the intervals.
        motif_threshold: see :func:`~.motifs.compare_motifs`.

    Returns:
        ``d_Li`` …, ``d_all`` (Euclidean) and ``cos_Li`` …, ``cos_all`` (cosine distance) of the
        average fingerprints, each ``{"value", "lower", "upper"}``, and ``motifs`` by cation.
    """
    chemistry = reference.chemistry
    sites = [reference.composition[cation] for cation in chemistry.cations]
    target = with_all(reference.average, sites)
    n = len(generated)
    shape = generated.means.shape[1:]
    average = generated.means.mean(axis=0) if n else np.full(shape, np.nan)
    resampled = with_all((weights @ generated.means.reshape(n, shape[0] * shape[1])).reshape(-1, *shape), sites)
    results: dict[str, Any] = {}
    for name, distance in DISTANCES.items():
        values, spread = distance(with_all(average, sites), target), distance(resampled, target)
        for k, cation in enumerate((*chemistry.cations, ALL)):
            results[f"{name}_{cation}"] = pivotal_interval(float(values[k]), spread[:, k], confidence)
    results["motifs"] = {
        cation: compare_motifs(
            reference.summaries.motifs[cation],
            generated.motifs[cation],
            weights,
            chemistry.anions,
            motif_threshold,
            confidence,
        )
        for cation in chemistry.cations
    }
    return results


def per_structure(generated: Summaries, reference: Reference) -> Mapping[str, NDArray[Any]]:
    """Return each structure's fingerprints, distances to the training average, and motifs.

    Returns:
        ``fingerprints`` ``(n, cations + 1, features)`` (the last is the average over all cations),
        ``d`` and ``cos`` ``(n, cations + 1)``, ``average`` of the training set ``(cations + 1, features)``, and
        ``motifs.Li`` … ``(n, sites, 1 + anions)`` as of :func:`~.motifs.most_likely`.
    """
    sites = [reference.composition[cation] for cation in reference.chemistry.cations]
    target, own = with_all(reference.average, sites), with_all(generated.means, sites)
    arrays: dict[str, NDArray[Any]] = {"fingerprints": own, "average": target}
    arrays |= {name: distance(own, target) for name, distance in DISTANCES.items()}
    return arrays | {f"motifs.{cation}": codes for cation, codes in generated.motifs.items()}
