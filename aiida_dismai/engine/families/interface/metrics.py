"""Interfaces of ionic crystals: how far the cations' average surroundings are from those of the training set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...descriptors import fingerprints
from ...descriptors.motifs import ISOLATED, most_likely
from ...errors import BadInput, NotAnalysed
from ...structures import StructureSet
from ..base import Composition, FamilyMetrics, Fields, SetOfRecords, Vectors, filled
from ..distances import Metric
from ..parameters import DescribeParameters
from ..published import read_fingerprints
from .energies import each_interface_energy, interface_energies

#: Name of the average over all cations, weighted by their number of sites.
ALL = "all"


class InterfaceMetrics(FamilyMetrics):
    """Fingerprints of the cations, by element and over all of them."""

    def __init__(self, parameters: DescribeParameters) -> None:
        super().__init__(parameters)
        self.chemistry = self.own.chemistry()

    def about(self) -> dict[str, Any]:
        """Return the ions and the version of the fingerprint."""
        return {"kind": self.name, "fingerprint": fingerprints.VERSION, "compat": self.compat} | self.chemistry.plain()

    def fields(self, composition: Composition) -> Fields:
        """Return the average fingerprint of each cation, and the motif of each site."""
        features = len(fingerprints.feature_labels(self.chemistry))
        fields: Fields = {"means": ("<f8", (len(self.chemistry.cations), features))}
        width = 1 + len(self.chemistry.anions)
        fields |= {f"motifs.{c}": ("<i2", (composition.get(c, 0), width)) for c in self.chemistry.cations}
        return fields | {"isolated_sites": ("<i4", ()), "ambiguous_sites": ("<i4", ())}

    def describe(self, structure: StructureSet) -> Mapping[str, Any]:
        """Compute the fingerprints of all cation sites."""
        charged = {symbol for symbol, _ in self.chemistry.oxidation_states}
        if odd := [symbol for symbol in structure.elements if symbol not in charged]:
            raise NotAnalysed(f"{', '.join(odd)} has no oxidation state (parameter oxidation_states)")
        if missing := [symbol for symbol in self.chemistry.cations if symbol not in structure.elements]:
            raise NotAnalysed(f"there is no {', '.join(missing)} in it (parameter cations)")
        found = fingerprints.site_fingerprints(structure, self.chemistry)
        motifs = {
            cation: most_likely(values, len(self.chemistry.anions), self.compat)
            for cation, values in found.fingerprints.items()
        }
        return {
            "means": np.array([found.fingerprints[cation].mean(axis=0) for cation in self.chemistry.cations]),
            "isolated_sites": sum(int((codes[:, 0] == ISOLATED).sum()) for codes in motifs.values()),
            "ambiguous_sites": found.ambiguous_sites,
        } | {f"motifs.{cation}": codes for cation, codes in motifs.items()}

    def differs(self, composition: Composition, known: Composition) -> bool:
        """Say whether a composition is another; where only cations are known (the authors' csv files), of those."""
        if set(known) <= set(self.chemistry.cations):
            return any(composition.get(symbol, 0) != count for symbol, count in known.items())
        return super().differs(composition, known)

    def require_elements(self, composition: Composition, where: str) -> None:
        """Refuse a reference with an element without charge, or without one of the cations."""
        charged = dict(self.chemistry.oxidation_states)
        if odd := [symbol for symbol in composition if symbol not in charged]:
            raise BadInput(
                f"{where}: {', '.join(odd)} has no oxidation state; known are {', '.join(sorted(charged))} "
                "(parameter oxidation_states)"
            )
        if missing := [symbol for symbol in self.chemistry.cations if symbol not in composition]:
            raise BadInput(
                f"{where}: its structures have no {', '.join(missing)}; name the cations that are there "
                "(parameter cations)"
            )

    def vectors(self, records: NDArray[Any], composition: Composition) -> Vectors:
        """Return the average fingerprint of each cation, and of all cation sites."""
        means = records["means"]
        sites = np.array([composition[cation] for cation in self.chemistry.cations], dtype=np.float64)
        by_cation = {cation: means[:, k] for k, cation in enumerate(self.chemistry.cations)}
        return by_cation | {ALL: np.einsum("c,ncf->nf", sites / sites.sum(), means)}

    def metrics(self) -> dict[str, Metric]:
        """Return Euclidean and cosine distances."""
        names = (*self.chemistry.cations, ALL)
        return {f"d_{name}": Metric.euclidean(name) for name in names} | {
            f"cos_{name}": Metric.cosine(name) for name in names
        }

    def summary(self, generated: SetOfRecords, reference: SetOfRecords) -> dict[str, Any]:
        """Return the interface energies, and the oxidation states that bonds were determined with."""
        return interface_energies(generated, reference) | {"oxidation_states": dict(self.chemistry.oxidation_states)}

    def properties(self, generated: SetOfRecords, reference: SetOfRecords) -> dict[str, NDArray[np.float64]]:
        """Return the interface energy of each structure."""
        return each_interface_energy(generated, reference)

    def labels(self) -> dict[str, list[str]]:
        """Return the names of the fingerprint's components."""
        return {"features": fingerprints.feature_labels(self.chemistry)}

    def sites(self, composition: Composition) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield the cations."""
        for cation in self.chemistry.cations:
            yield cation, f"motifs.{cation}", self.chemistry.anions

    def per_structure(self) -> tuple[str, ...]:
        """Return the motifs of the sites."""
        return (*(f"motifs.{cation}" for cation in self.chemistry.cations), "isolated_sites", "ambiguous_sites")

    def published(self, folder: Path) -> tuple[NDArray[Any], Composition, tuple[str, ...]]:
        """Read ``cnn_stats_Li.csv`` and so on."""
        found = read_fingerprints(folder, fingerprints.feature_labels(self.chemistry), self.chemistry.cations)
        counts = {cation: values.shape[1] for cation, values in found.items()}
        lengths = {cation: len(values) for cation, values in found.items()}
        if len(set(lengths.values())) > 1:
            raise BadInput(f"{folder}: the cations' files hold different numbers of structures: {lengths}")
        records = filled(self.dtype(counts), next(iter(lengths.values())))
        for k, cation in enumerate(self.chemistry.cations):
            records["means"][:, k] = found[cation].mean(axis=1)
            codes = [most_likely(sites, len(self.chemistry.anions), self.compat) for sites in found[cation]]
            records[f"motifs.{cation}"] = codes
            records["isolated_sites"] += (np.array(codes)[..., 0] == ISOLATED).sum(axis=1)
        return records, counts, (*self.chemistry.cations, ALL)
