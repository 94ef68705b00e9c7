"""What is computed of one structure: fingerprints, motifs and radial distributions of the chosen sites."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from ..crystalnn.options import CrystalNNOptions
from ..descriptors import fingerprints
from ..descriptors.chemistry import composition_of, formula
from ..descriptors.motifs import ISOLATED, most_likely
from ..descriptors.rdf import radial_distribution
from ..errors import BadInput, NotAnalysed
from ..families.base import Composition, Vectors
from ..structures import StructureSet
from .parameters import REGION, CompareParameters


class Sites:
    """The chosen sites of structures that have the same atoms, and as many chosen sites.

    Attributes:
        counts: chosen sites of each cation, in every structure.
        composition: atoms of each element in every structure.
    """

    def __init__(self, parameters: CompareParameters, first: StructureSet, where: str) -> None:
        """Take the numbers of sites from a structure.

        Args:
            parameters: of the task.
            first: a training structure with regions.
            where: named in errors.

        Raises:
            BadInput: it has an element without oxidation state, or no site of a cation in these regions.
        """
        self.parameters = parameters
        self.chemistry = parameters.chemistry()
        self.composition: Composition = composition_of(first)
        charged = dict(self.chemistry.oxidation_states)
        if odd := [symbol for symbol in self.composition if symbol not in charged]:
            raise BadInput(f"{where}: {', '.join(odd)} has no oxidation state (parameter oxidation_states)")
        self.counts = {cation: int(mask.sum()) for cation, mask in self._chosen(first).items()}
        if missing := [cation for cation, count in self.counts.items() if not count]:
            inside = np.isin(first.values(REGION), parameters.regions)
            symbols, numbers = np.unique(np.array(chemical_symbols)[first.numbers[inside]], return_counts=True)
            there = ", ".join(f"{number} {symbol}" for symbol, number in zip(symbols, numbers, strict=True))
            raise BadInput(
                f"{where}: structure 0 has no {', '.join(missing)} in regions {parameters.regions}, but "
                f"{there or 'no atoms at all'}; name cations that are there (parameters cations and regions)"
            )

    def about(self) -> dict[str, Any]:
        """Return what the numbers of a structure depend on besides the structure."""
        parameters = self.parameters
        return {
            "task": "compare",
            "fingerprint": fingerprints.VERSION,
            "regions": sorted(parameters.regions),
            "rdf": [parameters.rdf_cutoff, parameters.rdf_bins],
            "sites": dict(self.counts),
            "composition": dict(self.composition),
        } | self.chemistry.plain()

    def pairs(self) -> list[tuple[str, str, str]]:
        """Return name, cation and element of each radial distribution."""
        return [(f"rdf.{cation}.{element}", cation, element) for cation in self.counts for element in self.composition]

    def dtype(self) -> np.dtype[Any]:
        """Return the type of one record."""
        features = len(fingerprints.feature_labels(self.chemistry))
        anions = len(self.chemistry.anions)
        fields: list[Any] = [(cation, "<f8", (features,)) for cation in self.counts]
        fields += [(f"motifs.{cation}", "<i2", (count, 1 + anions)) for cation, count in self.counts.items()]
        fields += [(name, "<f8", (self.parameters.rdf_bins,)) for name, _, _ in self.pairs()]
        return np.dtype([*fields, ("isolated_sites", "<i4"), ("ambiguous_sites", "<i4")])

    def describe(self, structure: StructureSet) -> bytes | NotAnalysed:
        """Describe a set of one structure with regions; returns the bytes of its record, or why it has none."""
        try:
            return self._record(structure).tobytes()
        except NotAnalysed as reason:
            return reason

    def vectors(self, records: NDArray[Any]) -> Vectors:
        """Return of a block of records the fingerprints, numbers of bonds to anions, and radial distributions."""
        bonds = {f"bonds.{cation}": records[f"motifs.{cation}"][..., 1:].mean(axis=1) for cation in self.counts}
        return {name: records[name] for name in (*self.counts, *(name for name, _, _ in self.pairs()))} | bonds

    def _chosen(self, structure: StructureSet) -> dict[str, NDArray[np.bool_]]:
        """Return which atoms are chosen sites of each cation."""
        inside = np.isin(structure.values(REGION), self.parameters.regions)
        return {
            cation: inside & (structure.numbers == chemical_symbols.index(cation)) for cation in self.chemistry.cations
        }

    def _record(self, structure: StructureSet) -> NDArray[Any]:
        composition = composition_of(structure)
        if composition != self.composition:
            raise NotAnalysed(f"{formula(composition)} where the reference has {formula(self.composition)}")
        chosen = self._chosen(structure)
        for cation, mask in chosen.items():
            if mask.sum() != self.counts[cation]:
                raise NotAnalysed(
                    f"{mask.sum()} {cation} in regions {self.parameters.regions} where the reference has "
                    f"{self.counts[cation]}"
                )
        sites = np.flatnonzero(np.any(list(chosen.values()), axis=0))
        states = dict(self.chemistry.oxidation_states)
        found = fingerprints.fingerprints(
            structure, CrystalNNOptions(cation_anion=True), states, sites, self.chemistry.anions
        )
        record = np.zeros((), self.dtype())
        for cation, mask in chosen.items():
            features = found.features[mask[found.sites]]
            record[cation] = features.mean(axis=0)
            record[f"motifs.{cation}"] = most_likely(features, len(self.chemistry.anions))
            record["isolated_sites"] += (record[f"motifs.{cation}"][:, 0] == ISOLATED).sum()
        record["ambiguous_sites"] = found.ambiguous.sum()
        for name, cation, element in self.pairs():
            record[name] = self._distribution(structure, chosen[cation], chemical_symbols.index(element))
        return record

    def _distribution(self, structure: StructureSet, sites: NDArray[np.bool_], element: int) -> NDArray[np.float64]:
        return radial_distribution(
            structure.positions,
            structure.cells[0],
            structure.pbc[0],
            self.parameters.rdf_cutoff,
            self.parameters.rdf_bins,
            roles=(sites, structure.numbers == element),
        )
