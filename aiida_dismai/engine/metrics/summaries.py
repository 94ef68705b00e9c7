"""What is kept of a structure once its sites have fingerprints: their averages, and each site's motif."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chemistry import Chemistry
from .motifs import most_likely


@dataclass(frozen=True)
class Summary:
    """One structure.

    Attributes:
        means: ``(cations, features)`` average fingerprint of each cation's sites.
        motifs: for each cation ``(sites, 1 + anions)``, see :func:`~.motifs.most_likely`.
    """

    means: NDArray[np.float64]
    motifs: dict[str, NDArray[np.int16]]

    @classmethod
    def of(cls, fingerprints: Mapping[str, NDArray[np.float64]], chemistry: Chemistry) -> Summary:
        """Summarise the fingerprints ``(sites, features)`` of each cation of one structure."""
        means = np.array([fingerprints[cation].mean(axis=0) for cation in chemistry.cations])
        motifs = {cation: most_likely(fingerprints[cation], len(chemistry.anions)) for cation in chemistry.cations}
        return cls(means, motifs)

    def plain(self) -> dict[str, Any]:
        """Return what JSON can hold, every digit; :meth:`from_plain` is its inverse."""
        return {
            "means": self.means.tolist(),
            "motifs": {cation: codes.tolist() for cation, codes in self.motifs.items()},
        }

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> Summary:
        """Rebuild a summary from :meth:`plain`."""
        motifs = {cation: np.array(codes, dtype=np.int16) for cation, codes in content["motifs"].items()}
        return cls(np.array(content["means"], dtype=np.float64), motifs)


@dataclass(frozen=True)
class Summaries:
    """``n`` structures of one composition that could be analysed, and those that could not.

    Attributes:
        index: ``(n,)`` places in the set they came from.
        means: ``(n, cations, features)``.
        motifs: for each cation ``(n, sites, 1 + anions)``.
        failures: (place, reason) of structures without fingerprints.
    """

    index: NDArray[np.int64]
    means: NDArray[np.float64]
    motifs: dict[str, NDArray[np.int16]]
    failures: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of structures analysed."""
        return len(self.means)

    @classmethod
    def stack(
        cls,
        summaries: Sequence[Summary | str],
        chemistry: Chemistry,
        sites: Mapping[str, int],
        features: int,
        index: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> Summaries:
        """Put structures together.

        Args:
            summaries: of each structure, or the reason why it has none.
            chemistry: the ions.
            sites: number of sites of each cation (gives the arrays their shape when there is no structure).
            features: length of a fingerprint.
            index: the structures' places in their set; 0, 1, … when not given.
        """
        places = np.arange(len(summaries)) if index is None else np.asarray(index, dtype=np.int64)
        good = [(place, item) for place, item in zip(places, summaries, strict=True) if isinstance(item, Summary)]
        failures = [(int(place), item) for place, item in zip(places, summaries, strict=True) if isinstance(item, str)]
        means = np.array([item.means for _, item in good]).reshape(-1, len(chemistry.cations), features)
        motifs = {
            cation: np.array([item.motifs[cation] for _, item in good], dtype=np.int16).reshape(
                -1, sites[cation], 1 + len(chemistry.anions)
            )
            for cation in chemistry.cations
        }
        return cls(np.array([place for place, _ in good], dtype=np.int64), means, motifs, failures)
