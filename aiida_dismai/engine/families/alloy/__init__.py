"""Alloys on a lattice: pairs of neighbours shell by shell, vacancies, order, energy of the cluster expansion."""

from __future__ import annotations

from ..contract import ENERGIES, FamilySpec, MetricSpec, PropertySpec

SPEC = FamilySpec(
    name="alloy",
    summary="Alloys on a lattice (CrFeCoNi and the like): clusters, vacancies, short-range order.",
    label="alloys",
    engine="aiida_dismai.engine.families.alloy.metrics:AlloyMetrics",
    parameters="aiida_dismai.engine.alloys.parameters:AlloyLatticeParameters",
    report="aiida_dismai.report.families.alloy:AlloyReport",
    metrics=(
        MetricSpec("d_cluster", "distance of the cluster probabilities"),
        MetricSpec("vacancy_percent", "with a vacancy", "%"),
    ),
    properties=(PropertySpec("formation_energy", "formation energy", "eV/atom", ENERGIES),),
    relaxation=None,  # putting them on their lattice is part of the metrics
    same_composition=False,  # atoms are lost in the clean-up, and a model may get the species wrong: the metric sees it
    dataset="dismai.dataset.alloy",
)
