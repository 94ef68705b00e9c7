"""How the shares of the coordination motifs differ between generated and training structures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..descriptors.motifs import cn_of, label_of
from .bootstrap import pivotal_interval


class MotifTable:
    """The motifs of a group of training sites, and the shares that other structures have of them.

    Args:
        training: ``(n, sites, 1 + anions)`` from :func:`~..descriptors.motifs.most_likely`.
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
                self.entries.extend((motif, k, number) for number in range(cn_of(motif) + 1))
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
                found.append({"label": label_of(motif), "cn": cn_of(motif)} | shares | {"by_anion": by_anion})
            elif trained > 0 or value[column] > 0:
                found[-1]["by_anion"][self.anions[anion]].append({"neighbours": number} | shares)
        return found
