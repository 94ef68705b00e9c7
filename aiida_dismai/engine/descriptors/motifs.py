"""The most likely coordination motif of each site.

The most likely coordination number (CN) is the one with the largest likelihood ``wt``; the motif is
the largest order parameter of that CN. Above CN 12 there is none, and the motif is the CN itself.

The authors' script looks for columns whose name contains ``CN_1``, which also finds ``CN_10`` to ``CN_19`` with their
weights (and ``CN_2`` finds ``CN_20`` to ``CN_24``). Here the CN is compared as a number, unless ``compat`` asks for
theirs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .fingerprints import MAX_CN, ORDER_PARAMETERS, motif_labels

#: Column of ``wt`` of CN 1, 2, …, 24.
WEIGHT_COLUMNS = np.array([i for i, label in enumerate(motif_labels()) if label.startswith("wt ")])
#: CN of each of the first 61 columns.
COLUMN_CN = np.array([int(label.rpartition("_")[2]) for label in motif_labels()])
#: In place of a column: a site that has no neighbour.
ISOLATED = -1
#: Number of columns that describe the geometry; the anion shares follow.
N_MOTIF_COLUMNS = len(COLUMN_CN)


def most_likely(fingerprints: NDArray[np.float64], anions: int, compat: bool = False) -> NDArray[np.int16]:
    """Find the most likely motif of each site.

    Args:
        fingerprints: ``(sites, features)``.
        anions: number of anions whose shares are in the fingerprint.
        compat: look for the motif as the authors' script does, by a part of the columns' names.

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
        if compat:
            block = _columns_by_name(number)
        column[chosen] = block[np.argmax(fingerprints[np.ix_(chosen, block)], axis=1)]
    column[~fingerprints[:, WEIGHT_COLUMNS].any(axis=1)] = ISOLATED
    shares = fingerprints[:, N_MOTIF_COLUMNS:].reshape(len(sites), MAX_CN, anions)[sites, cn - 1]
    return np.column_stack([column, np.rint(shares * cn[:, None])]).astype(np.int16)


def _columns_by_name(cn: int) -> NDArray[np.int64]:
    """Return the columns whose name contains ``CN_{cn}``, without the weight of that CN itself."""
    return np.array([i for i, label in enumerate(motif_labels()) if f"CN_{cn}" in label and label != f"wt CN_{cn}"])


def motif_cn(columns: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the coordination number of motifs, 0 for a site without neighbours."""
    return np.where(columns == ISOLATED, 0, COLUMN_CN[columns])


def label_of(column: int) -> str:
    """Return the motif's name: ``octahedral CN_6``, without order parameters ``CN_13``, or ``no neighbour``."""
    if column == ISOLATED:
        return "no neighbour"
    return motif_labels()[column].removeprefix("wt ")


def cn_of(motif: int) -> int:
    """Return the coordination number of a motif, 0 for a site without neighbours."""
    return 0 if motif == ISOLATED else int(COLUMN_CN[motif])
