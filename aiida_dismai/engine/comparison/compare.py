"""Sets of structures beside the training set: fingerprints, motifs, bonds and radial distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.base import Vectors
from ..families.distances import Metric, cosine, euclidean
from ..metrics.bootstrap import Draws, pivotal_interval
from ..metrics.floor import noise_floor
from ..metrics.motifs import MotifTable
from ..metrics.statistics import average, weighted
from .parameters import CompareParameters
from .sets import Described
from .sites import Sites


class Training:
    """The training set, beside which others are put."""

    def __init__(self, parameters: CompareParameters, sites: Sites, described: Described) -> None:
        """Take the motifs that will be listed, and the averages, from the training structures."""
        self.parameters, self.sites, self.described = parameters, sites, described
        self.tables = {
            cation: MotifTable(
                described.records.column(f"motifs.{cation}"), sites.chemistry.anions, parameters.motif_threshold
            )
            for cation in sites.counts
        }
        self.averages = average(described.records, self.vectors)

    def vectors(self, block: NDArray[Any]) -> Vectors:
        """Return all vectors of a block of records, with the shares of the motifs listed."""
        shares = {f"motifs.{cation}": table.shares(block[f"motifs.{cation}"]) for cation, table in self.tables.items()}
        return self.sites.vectors(block) | shares

    def floor(self, n: int) -> dict[str, Any]:
        """Return the distance of two samples of the training set by cation, for ``n`` structures beside them."""
        metrics = {cation: Metric.euclidean(cation) for cation in self.sites.counts}
        parameters = self.parameters
        found = noise_floor(
            self.described.records, self.vectors, metrics, n, parameters.floor_repeats, parameters.confidence
        )
        return {cation: found["metrics"].get(cation, {}).get("value") for cation in metrics}


class Compared:
    """One set beside the training set; the training set itself may be such a set."""

    def __init__(self, training: Training, described: Described) -> None:
        """Average and resample a set."""
        self.training, self.described = training, described
        parameters = training.parameters
        self.value = average(described.records, training.vectors)
        draws = Draws(len(described.records), parameters.resamples, parameters.bootstrap_seed)
        self.resampled = weighted(described.records, training.vectors, draws)
        self.confidence = parameters.confidence

    def summary(self) -> dict[str, Any]:
        """Return numbers of structures, bonds of a site to each anion, and shares of the motifs listed."""
        anions = self.training.sites.chemistry.anions
        bonds: dict[str, Any] = {}
        for cation in self.training.sites.counts:
            value, spread = self.value[f"bonds.{cation}"], self.resampled[f"bonds.{cation}"]
            bonds[cation] = {
                anion: pivotal_interval(float(value[k]), spread[:, k], self.confidence)
                for k, anion in enumerate(anions)
            }
        motifs = {
            cation: table.results(self.value[f"motifs.{cation}"], self.resampled[f"motifs.{cation}"], self.confidence)
            for cation, table in self.training.tables.items()
        }
        return self.described.counts() | {"bonds": bonds, "motifs": motifs}

    def distances(self) -> dict[str, Any]:
        """Return Euclidean distance, with its floor, and cosine similarity to the training set, by cation."""
        floor = self.training.floor(len(self.described.records))
        distance: dict[str, Any] = {}
        similarity: dict[str, Any] = {}
        for cation in self.training.sites.counts:
            target, value, spread = self.training.averages[cation], self.value[cation], self.resampled[cation]
            far = pivotal_interval(float(euclidean(value, target)), euclidean(spread, target), self.confidence)
            distance[cation] = far | {"floor": floor[cation]}
            near = 1 - float(cosine(value, target))
            similarity[cation] = pivotal_interval(near, 1 - cosine(spread, target), self.confidence)
        return {"distance": distance, "similarity": similarity}

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return what is written of the set.

        Returns:
            ``index.NAME`` ``(m,)`` places of the structures described; ``average.NAME.CATION``, the average
            fingerprint; ``rdf.NAME.CATION.ELEMENT`` ``(3, bins)``: average, lower and upper bound.
        """
        found: dict[str, NDArray[Any]] = {f"index.{name}": self.described.index}
        found |= {f"average.{name}.{cation}": self.value[cation] for cation in self.training.sites.counts}
        tail = 50 * (1 - self.confidence)
        for curve, cation, element in self.training.sites.pairs():
            value = self.value[curve]
            low, high = np.percentile(self.resampled[curve], [tail, 100 - tail], axis=0)
            found[f"rdf.{name}.{cation}.{element}"] = np.array([value, 2 * value - high, 2 * value - low])
        return found
