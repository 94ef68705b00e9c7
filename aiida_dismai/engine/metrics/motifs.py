"""The most likely coordination motif of each site, and how its share differs between two sets.

The most likely coordination number (CN) is the one with the largest likelihood ``wt``; the motif is
the largest order parameter of that CN. Above CN 12 there is none, and the motif is the CN itself.
(The authors' script looks for columns whose name contains ``CN_1``, which also finds ``CN_10`` to ``CN_19``; here
the CN is compared as a number.)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bootstrap import Interval, pivotal_interval
from .fingerprints import MAX_CN, ORDER_PARAMETERS, motif_labels

#: Column of ``wt`` of CN 1, 2, …, 24.
WEIGHT_COLUMNS = np.array([i for i, label in enumerate(motif_labels()) if label.startswith("wt ")])
#: CN of each of the first 61 columns.
COLUMN_CN = np.array([int(label.rpartition("_")[2]) for label in motif_labels()])
#: In place of a column: a site that has no neighbour.
ISOLATED = -1
#: Number of columns that describe the geometry; the anion shares follow.
N_MOTIF_COLUMNS = len(COLUMN_CN)


def most_likely(fingerprints: NDArray[np.float64], anions: int) -> NDArray[np.int16]:
    """Find the most likely motif of each site.

    Args:
        fingerprints: ``(sites, features)``.
        anions: number of anions whose shares are in the fingerprint.

    Returns:
        ``(sites, 1 + anions)``: the column of the motif, then how many neighbours of that CN are
        which anion. The first of equals wins; a site without neighbours has :data:`ISOLATED` and zeros.
    """
    sites = np.arange(len(fingerprints))
    cn = 1 + np.argmax(fingerprints[:, WEIGHT_COLUMNS], axis=1)
    start = WEIGHT_COLUMNS[cn - 1]
    column = start.copy()
    for number, parameters in ORDER_PARAMETERS.items():
        chosen = np.flatnonzero(cn == number)
        block = WEIGHT_COLUMNS[number - 1] + 1 + np.arange(len(parameters))
        column[chosen] = block[np.argmax(fingerprints[np.ix_(chosen, block)], axis=1)]
    column[~fingerprints[:, WEIGHT_COLUMNS].any(axis=1)] = ISOLATED
    shares = fingerprints[:, N_MOTIF_COLUMNS:].reshape(len(sites), MAX_CN, anions)[sites, cn - 1]
    return np.column_stack([column, np.rint(shares * cn[:, None])]).astype(np.int16)


def label_of(column: int) -> str:
    """Return the motif's name: ``octahedral CN_6``, without order parameters ``CN_13``, or ``no neighbour``."""
    if column == ISOLATED:
        return "no neighbour"
    return motif_labels()[column].removeprefix("wt ")


def compare_motifs(
    training: NDArray[np.int16],
    generated: NDArray[np.int16],
    weights: NDArray[np.float64],
    anions: tuple[str, ...],
    threshold: float,
    confidence: float,
) -> list[dict[str, Any]]:
    """Compare the shares of the most likely motifs of one cation.

    Args:
        training: ``(n, sites, 1 + anions)`` from :func:`most_likely`.
        generated: the same of the generated structures; there may be none.
        weights: ``(resamples, n)`` from :func:`~.bootstrap.resample_weights`.
        anions: symbols, in the order of the columns.
        threshold: motifs below this share (0–1) of the training sites are left out.
        confidence: of the intervals.

    Returns:
        The motifs by falling share of the training sites, each with ``label``, ``cn``,
        ``training_percent``, ``generated_percent`` (an interval), and ``by_anion``: for each anion a
        list by number of ``neighbours`` of that kind with the same two numbers (numbers that occur in
        neither set are left out). All percentages are of all sites of this cation.
    """
    columns, counts = np.unique(training[..., 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    # A share of exactly the threshold is in, whatever 1/100 is in binary.
    least = threshold * training[..., 0].size * (1 - 1e-12)
    result = []
    for column in columns[order[counts[order] >= least]].tolist():
        cn = 0 if column == ISOLATED else int(COLUMN_CN[column])
        trained, made = training[..., 0] == column, generated[..., 0] == column
        by_anion = {}
        for k, anion in enumerate(anions):
            neighbours, have = training[..., 1 + k], generated[..., 1 + k]
            occurring = sorted({*np.unique(neighbours[trained]).tolist(), *np.unique(have[made]).tolist()})
            by_anion[anion] = [
                {"neighbours": number}
                | _shares(trained & (neighbours == number), made & (have == number), weights, confidence)
                for number in occurring
            ]
        shares = _shares(trained, made, weights, confidence)
        result.append({"label": label_of(column), "cn": cn} | shares | {"by_anion": by_anion})
    return result


def _shares(
    training: NDArray[np.bool_], generated: NDArray[np.bool_], weights: NDArray[np.float64], confidence: float
) -> dict[str, float | Interval]:
    """Return the percentages of the marked sites; ``(n, sites)`` each."""
    per_structure = 100 * generated.mean(axis=1)
    value = float(per_structure.mean()) if len(generated) else math.nan
    interval = pivotal_interval(value, weights @ per_structure, confidence)
    return {"training_percent": float(100 * training.mean()), "generated_percent": interval}
