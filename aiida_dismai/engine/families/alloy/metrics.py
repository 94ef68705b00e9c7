"""Alloys on a lattice: pairs of neighbours shell by shell, vacancies, order, energy of the cluster expansion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...alloys import describe as description
from ...alloys.alignment import CODES
from ...alloys.lattice import LatticeError
from ...errors import BadInput, NotAnalysed
from ...structures import StructureSet
from .. import published
from ..base import Composition, FamilyMetrics, Fields, SetOfRecords, Vectors, filled
from ..distances import Metric
from ..parameters import DescribeParameters

#: Goes into the description of stored records: raise it when the numbers change.
VERSION = 1


class AlloyMetrics(FamilyMetrics):
    """Cluster probabilities and vacancies of cleaned structures."""

    def __init__(self, parameters: DescribeParameters) -> None:
        super().__init__(parameters)
        shells, pairs = description.sro_labels(self.own)
        self.order_shape = (len(shells), len(pairs))
        self.order_labels = [f"{shell}_{pair}" for shell in shells for pair in pairs]

    def about(self) -> dict[str, Any]:
        """Return lattice, expansion and the version of the description."""
        return {"kind": self.name, "version": VERSION, "compat": self.compat} | self.own.model_dump(mode="json")

    def fields(self, composition: Composition) -> Fields:
        """Return cluster probabilities, what was removed or is missing, order parameters and energy."""
        return {
            "cluster": ("<f8", (len(description.cluster_labels(self.own)),)),
            "vacancies": ("<i4", ()),
            "removed": ("<i4", ()),
            "sro": ("<f8", self.order_shape),
            "formation_energy": ("<f8", ()),
            "alignment": ("<i4", ()),
        }

    def describe(self, structure: StructureSet) -> Mapping[str, Any]:
        """Clean the structure up and count its pairs."""
        try:
            return description.describe(structure, self.own, self.compat)
        except LatticeError as error:
            raise NotAnalysed(str(error)) from error

    def vectors(self, records: NDArray[Any], composition: Composition) -> Vectors:
        """Return the cluster probabilities, and whether there is a vacancy."""
        return {"cluster": records["cluster"], "vacancy": (records["vacancies"] > 0).astype(float)[:, None]}

    def metrics(self) -> dict[str, Metric]:
        """Return the Euclidean distance of the cluster probabilities, and the share with vacancies."""
        return {"d_cluster": Metric.euclidean("cluster"), "vacancy_percent": Metric.percentage("vacancy")}

    def labels(self) -> dict[str, list[str]]:
        """Return species, then pairs by shell."""
        return {"cluster": description.cluster_labels(self.own), "sro": self.order_labels}

    def per_structure(self) -> tuple[str, ...]:
        """Return everything but the probabilities, which are given out as vectors."""
        return ("vacancies", "removed", "sro", "formation_energy", "alignment")

    def summary(self, generated: SetOfRecords, reference: SetOfRecords) -> dict[str, Any]:
        """Return mean and spread of energy (eV/atom) and order parameters, and the sum of removed and missing atoms."""
        result: dict[str, Any] = {"formation_energy": {}, "sro": {label: {} for label in self.order_labels}}
        for where, records in (("generated", generated.records), ("training", reference.records)):
            result["formation_energy"][where] = _spread(records.column("formation_energy"))
            order = records.column("sro").reshape(len(records), len(self.order_labels))
            for k, label in enumerate(self.order_labels):
                result["sro"][label][where] = _spread(order[:, k])
        result["n_removed_atoms"] = int(generated.records.column("removed").sum())
        result["n_vacant_sites"] = int(generated.records.column("vacancies").sum())
        used = generated.records.column("alignment")
        result["alignments"] = {name: int((used == code).sum()) for name, code in CODES.items()}
        return result

    def published(self, folder: Path) -> tuple[NDArray[Any], Composition, tuple[str, ...]]:
        """Read ``*cluster_prob.csv``; it says nothing of vacancies, order and energy."""
        if not published.has(folder, "clusters"):
            raise BadInput(
                f"{folder}: no *cluster_prob.csv in it; give the folder of the authors' record, structures, or a "
                "reference written before"
            )
        probabilities = published.read_clusters(folder, description.cluster_labels(self.own))
        records = filled(self.dtype({}), len(probabilities))
        records["cluster"] = probabilities
        return records, {}, ("cluster",)


def _spread(values: NDArray[np.float64]) -> dict[str, float | None]:
    """Return mean and standard deviation of what is a number."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {"mean": None, "std": None}
    return {"mean": float(finite.mean()), "std": float(finite.std())}
