"""The most likely coordination motif of each site, and how its share differs between two sets.

The most likely coordination number (CN) is the one with the largest likelihood ``wt``; the motif is
the largest order parameter of that CN. Above CN 12 there is none, and the motif is the CN itself.

The authors' script looks for columns whose name contains ``CN_1``, which also finds ``CN_10`` to ``CN_19`` with their
weights (and ``CN_2`` finds ``CN_20`` to ``CN_24``). Here the CN is compared as a number, unless ``compat`` asks for
theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bootstrap import pivotal_interval
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


class MotifTable:
    """The motifs of a group of training sites, and the shares that other structures have of them.

    Args:
        training: ``(n, sites, 1 + anions)`` from :func:`most_likely`.
        anions: symbols, in the order of the columns.
        threshold: motifs below this share (0–1) of the training sites are left out.
    """

    def __init__(self, training: NDArray[np.int16], anions: tuple[str, ...], threshold: float) -> None:
        self.anions = anions
        columns, counts = np.unique(training[..., 0], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        # A share of exactly the threshold is in, whatever 1/100 is in binary.
        least = threshold * training[..., 0].size * (1 - 1e-12)
        self.motifs: list[int] = columns[order[counts[order] >= least]].tolist()
        #: (motif, anion or None for all sites of the motif, number of neighbours of that kind)
        self.entries: list[tuple[int, int | None, int]] = []
        for motif in self.motifs:
            self.entries.append((motif, None, 0))
            for k in range(len(anions)):
                self.entries.extend((motif, k, number) for number in range(_cn_of(motif) + 1))
        # all structures have as many sites: together they are one large structure
        self.training = self.shares(training.reshape(1, -1, training.shape[-1]))[0] if self.entries else np.zeros(0)

    def shares(self, codes: NDArray[np.int16]) -> NDArray[np.float64]:
        """Return the percentage of each structure's sites that each entry has, ``(n, entries)``."""
        result = np.zeros((len(codes), len(self.entries)))
        has = {motif: codes[..., 0] == motif for motif in self.motifs}
        for column, (motif, anion, number) in enumerate(self.entries):
            marked = has[motif] if anion is None else has[motif] & (codes[..., 1 + anion] == number)
            result[:, column] = 100 * marked.mean(axis=1)
        return result

    def results(
        self, value: NDArray[np.float64], resampled: NDArray[np.float64], confidence: float
    ) -> list[dict[str, Any]]:
        """Put the shares of the generated structures beside those of the training set.

        Args:
            value: ``(entries,)`` average share, NaN when there is no structure.
            resampled: ``(resamples, entries)``.
            confidence: of the intervals.

        Returns:
            The motifs by falling share of the training sites, each with ``label``, ``cn``, ``training_percent``,
            ``generated_percent`` (an interval), and ``by_anion``: for each anion a list by number of
            ``neighbours`` of that kind with the same two numbers (numbers that occur in neither set are
            left out). All percentages are of all sites of this group.
        """
        found: list[dict[str, Any]] = []
        for column, (motif, anion, number) in enumerate(self.entries):
            trained = float(self.training[column])
            interval = pivotal_interval(float(value[column]), resampled[:, column], confidence)
            shares: dict[str, Any] = {"training_percent": trained, "generated_percent": interval}
            if anion is None:
                by_anion: dict[str, list[Any]] = {symbol: [] for symbol in self.anions}
                found.append({"label": label_of(motif), "cn": _cn_of(motif)} | shares | {"by_anion": by_anion})
            elif trained > 0 or value[column] > 0:
                found[-1]["by_anion"][self.anions[anion]].append({"neighbours": number} | shares)
        return found


def _cn_of(motif: int) -> int:
    return 0 if motif == ISOLATED else int(COLUMN_CN[motif])
