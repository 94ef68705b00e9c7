"""The comparison of generated with training structures, once all of them are described."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.base import FamilyMetrics, Vectors
from .bootstrap import Draws, pivotal_interval
from .collect import Collected
from .floor import noise_floor, scale
from .motifs import MotifTable
from .parameters import MetricsParameters
from .records import Records
from .reference import Reference
from .statistics import average, weighted

#: Vectors with the motif shares of a group of sites have this before the group's name.
SHARES = "motifs."


class Comparison:
    """Averages, resamples, motifs and the noise floor of one set of generated structures.

    Args:
        kind: the family of metrics.
        parameters: of the task.
        reference: the training set.
        generated: the structures analysed; there may be none.
    """

    def __init__(
        self, kind: FamilyMetrics, parameters: MetricsParameters, reference: Reference, generated: Collected
    ) -> None:
        self.kind, self.parameters, self.reference = kind, parameters, reference
        self.records = generated.records
        self.tables = {
            group: (name, MotifTable(self._training_codes(name), anions, parameters.motif_threshold))
            for group, name, anions in kind.sites(reference.composition)
        }
        draws = Draws(len(self.records), parameters.resamples, parameters.bootstrap_seed)
        self.target = reference.averages(kind)
        self.value = average(self.records, self._with_motifs)
        self.resampled = weighted(self.records, self._with_motifs, draws)

    def _training_codes(self, name: str) -> NDArray[np.int16]:
        return np.asarray(self.reference.records.column(name))

    def _vectors(self, block: NDArray[Any]) -> Vectors:
        return self.kind.vectors(block, self.reference.composition)

    def _with_motifs(self, block: NDArray[Any]) -> Vectors:
        shares = {SHARES + group: table.shares(block[name]) for group, (name, table) in self.tables.items()}
        return self._vectors(block) | shares

    # ------------------------------------------------------------------ results
    def metrics(self) -> dict[str, Any]:
        """Return each metric with its interval; None where the reference does not know the vector."""
        results: dict[str, Any] = {}
        for name, metric in self.kind.metrics().items():
            value = metric.measure(self.value[metric.vector], self.target[metric.vector])
            spread = metric.measure(self.resampled[metric.vector], self.target[metric.vector])
            results[name] = pivotal_interval(float(value), spread, self.parameters.confidence)
        return results

    def motifs(self) -> dict[str, Any]:
        """Return the tables of motifs by group of sites."""
        return {
            group: table.results(self.value[SHARES + group], self.resampled[SHARES + group], self.parameters.confidence)
            for group, (_, table) in self.tables.items()
        }

    def floor(self) -> dict[str, Any]:
        """Return the noise floor, see :func:`~.floor.noise_floor`."""
        return noise_floor(
            self.reference.records,
            self._vectors,
            self.kind.metrics(),
            len(self.records),
            self.parameters.floor_repeats,
            self.parameters.confidence,
        )

    def curves(self) -> dict[str, NDArray[np.float64]]:
        """Return ``curve.NAME`` ``(4, length)``: training average, generated average, its lower and upper bound."""
        tail = 50 * (1 - self.parameters.confidence)
        found = {}
        for name in self.kind.curves():
            value = self.value[name]
            low, high = np.percentile(self.resampled[name], [tail, 100 - tail], axis=0)
            found[f"curve.{name}"] = np.array([self.target[name], value, 2 * value - high, 2 * value - low])
        return found

    def per_structure(self) -> dict[str, NDArray[np.float64]]:
        """Return each distance of each structure by itself to the training average, ``(n,)``."""
        found: dict[str, list[NDArray[np.float64]]] = {}
        metrics = {name: metric for name, metric in self.kind.metrics().items() if metric.power}
        for block in self.records.blocks():
            vectors = self._vectors(block)
            for name, metric in metrics.items():
                found.setdefault(name, []).append(metric.measure(vectors[metric.vector], self.target[metric.vector]))
        return {name: np.concatenate(found[name]) if name in found else np.zeros(0) for name in metrics}


def validation_floor(
    kind: FamilyMetrics, parameters: MetricsParameters, reference: Reference, validation: Records, n: int
) -> dict[str, Any]:
    """Return how far the validation set is from the training set.

    Args:
        kind: the family of metrics.
        parameters: of the task.
        reference: the training set.
        validation: records of the validation set.
        n: structures that were measured; 0 means as many as the training set has.

    Returns:
        ``structures`` and ``metrics``: for each metric its interval, and ``at_measured``, brought to ``n`` structures
        as the noise floor is (the same number for what is no distance).
    """
    target = reference.averages(kind)

    def vectors(block: NDArray[Any]) -> Vectors:
        return kind.vectors(block, reference.composition)

    value = average(validation, vectors)
    draws = Draws(len(validation), parameters.resamples, parameters.bootstrap_seed)
    resampled = weighted(validation, vectors, draws)
    sizes = (len(validation), len(reference.records))
    found: dict[str, Any] = {}
    for name, metric in kind.metrics().items():
        spread = metric.measure(resampled[metric.vector], target[metric.vector])
        own = float(metric.measure(value[metric.vector], target[metric.vector]))
        entry: dict[str, Any] = dict(pivotal_interval(own, spread, parameters.confidence))
        if entry["value"] is not None and len(validation):
            factor = scale(metric, (n or sizes[1], sizes[1]), sizes) if metric.power else 1.0
            entry["at_measured"] = factor * entry["value"]
        found[name] = entry
    return {"structures": len(validation), "metrics": found}
