"""Amorphous structures: motifs, radial distribution and bond angles, averaged over all atoms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...descriptors import angles, fingerprints, rdf
from ...descriptors.motifs import most_likely, motif_cn
from ...errors import BadInput
from ...structures import StructureSet
from ..base import Composition, FamilyMetrics, Fields, SetOfRecords, Vectors, filled
from ..distances import Metric
from ..parameters import DescribeParameters
from ..published import has, read_angles, read_fingerprints, read_rdf

#: Coordination numbers that are counted: 0 (no neighbour) to 24.
N_COORDINATION = fingerprints.MAX_CN + 1


class AmorphousMetrics(FamilyMetrics):
    """Fingerprint of all atoms, radial distribution function, distribution of bond angles."""

    def __init__(self, parameters: DescribeParameters) -> None:
        super().__init__(parameters)
        self.angle_bins = round(180 / self.own.angle_width)

    def about(self) -> dict[str, Any]:
        """Return the bins and the version of the fingerprint."""
        about = {"kind": self.name, "fingerprint": fingerprints.VERSION, "compat": self.compat}
        return about | self.own.model_dump(mode="json")

    def fields(self, composition: Composition) -> Fields:
        """Return the averages of a structure, and the motif of each atom."""
        return {
            "motif": ("<f8", (len(fingerprints.motif_labels()),)),
            "rdf": ("<f8", (self.own.rdf_bins,)),
            "angle": ("<f8", (self.angle_bins,)),
            "angle_mean": ("<f8", ()),
            "angle_sigma": ("<f8", ()),
            "motifs": ("<i2", (sum(composition.values()), 1)),
            "ambiguous_sites": ("<i4", ()),
        }

    def describe(self, structure: StructureSet) -> Mapping[str, Any]:
        """Compute fingerprints, radial distribution and bond angles."""
        faces = fingerprints.all_faces(structure)
        found, ambiguous = fingerprints.all_site_fingerprints(structure, faces)
        bonds = angles.structure_angles(structure, faces)
        degrees = angles.bond_angles(bonds.start, bonds.vectors)
        mean, sigma = angles.mean_and_sigma(degrees)
        return {
            "motif": found.mean(axis=0),
            "rdf": rdf.radial_distribution(
                structure.positions,
                structure.cells[0],
                structure.pbc[0],
                cutoff=self.own.rdf_cutoff,
                bins=self.own.rdf_bins,
                supercell=not self.own.rdf_all_pairs,
            ),
            "angle": angles.histogram_of(degrees, self.own.angle_width),
            "angle_mean": mean,
            "angle_sigma": sigma,
            "motifs": most_likely(found, 0, self.compat),
            "ambiguous_sites": ambiguous,
        }

    def vectors(self, records: NDArray[Any], composition: Composition) -> Vectors:
        """Return the three averages."""
        return {name: records[name] for name in ("motif", "rdf", "angle")}

    def metrics(self) -> dict[str, Metric]:
        """Return the Euclidean distances, and the cosine distance of the motifs."""
        distances = {f"d_{name}": Metric.euclidean(name) for name in ("motif", "rdf", "angle")}
        return distances | {"cos_motif": Metric.cosine("motif")}

    def labels(self) -> dict[str, list[str]]:
        """Return the fingerprint's components and the centres of the bins (Å, degrees)."""
        width = self.own.rdf_cutoff / self.own.rdf_bins
        return {
            "motif": fingerprints.motif_labels(),
            "rdf": [f"{(i + 0.5) * width:.6g}" for i in range(self.own.rdf_bins)],
            "angle": [f"{(i + 0.5) * self.own.angle_width:.6g}" for i in range(self.angle_bins)],
        }

    def curves(self) -> tuple[str, ...]:
        """Return the two distributions."""
        return ("rdf", "angle")

    def sites(self, composition: Composition) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield all atoms as one group, named by the elements."""
        yield "-".join(composition), "motifs", ()

    def per_structure(self) -> tuple[str, ...]:
        """Return the numbers of a structure that are worth a look."""
        return ("motifs", "angle_mean", "angle_sigma", "ambiguous_sites")

    def summary(self, generated: SetOfRecords, reference: SetOfRecords) -> dict[str, Any]:
        """Return angles (degrees) and coordination (percent of the atoms) of both sets."""
        result: dict[str, Any] = {"coordination_percent": {}, "bond_angle_mean": {}, "bond_angle_sigma": {}}
        for where, records in (("generated", generated.records), ("training", reference.records)):
            counts = np.zeros(N_COORDINATION, dtype=np.int64)
            for block in records.blocks():
                counts += np.bincount(motif_cn(block["motifs"][..., 0]).ravel(), minlength=N_COORDINATION)
            total = counts.sum()
            shares = {str(cn): 100 * int(count) / int(total) for cn, count in enumerate(counts) if count}
            result["coordination_percent"][where] = shares
            for name in ("mean", "sigma"):
                values = records.column(f"angle_{name}")
                finite = values[np.isfinite(values)]
                result[f"bond_angle_{name}"][where] = float(finite.mean()) if len(finite) else None
        return result

    def published(self, folder: Path) -> tuple[NDArray[Any], Composition, tuple[str, ...]]:
        """Read what there is of ``cnn_stats_Si.csv``, ``rdf_Si-Si.csv`` and ``bond_angle_distribution.csv``."""
        known = {}
        atoms: dict[str, int] = {}
        codes = None
        if has(folder, "fingerprints"):
            found = read_fingerprints(folder, fingerprints.motif_labels(), None)
            atoms = {element: values.shape[1] for element, values in found.items()}
            together = np.concatenate(list(found.values()), axis=1)
            known["motif"] = together.mean(axis=1)
            codes = np.array([most_likely(sites, 0, self.compat) for sites in together])
        if has(folder, "rdf"):
            known["rdf"] = self._on_our_bins(folder, "rdf", read_rdf(folder))
        if has(folder, "angles"):
            known["angle"] = self._on_our_bins(folder, "angle", read_angles(folder))
        if not known:
            raise BadInput(
                f"{folder}: no cnn_stats_*.csv, rdf_*.csv or bond_angle_distribution*.csv in it; give the folder of "
                "the authors' record, structures, or a reference written before"
            )
        lengths = {name: len(values) for name, values in known.items()}
        if len(set(lengths.values())) > 1:
            raise BadInput(f"{folder}: its files hold different numbers of structures: {lengths}")
        records = filled(self.dtype(atoms), next(iter(lengths.values())))
        for name, values in known.items():
            records[name] = values
        if codes is not None:
            records["motifs"] = codes
        return records, atoms, tuple(known)

    def _on_our_bins(
        self, folder: Path, name: str, found: tuple[NDArray[np.float64], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Refuse a distribution with other bins than the parameters'."""
        centres, values = found
        ours = np.array([float(label) for label in self.labels()[name]])
        if len(centres) != len(ours) or not np.allclose(centres, ours, rtol=0, atol=1e-3 * (ours[1] - ours[0])):
            raise BadInput(
                f"{folder}: its {name} has {len(centres)} bins from {centres[0]:g} to {centres[-1]:g}, the parameters "
                f"say {len(ours)} from {ours[0]:g} to {ours[-1]:g}; set rdf_cutoff, rdf_bins or angle_width to the "
                "file's"
            )
        return values
