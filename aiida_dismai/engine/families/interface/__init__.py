"""Interfaces of ionic crystals: the surroundings of the cations."""

from __future__ import annotations

from ..contract import ENERGIES, FamilySpec, MetricSpec, PropertySpec

SPEC = FamilySpec(
    name="interface",
    summary="Interfaces of ionic crystals (Li3ScCl6 | LiCoO2 and the like): surroundings of the cations.",
    label="interfaces",
    engine="aiida_dismai.engine.families.interface.metrics:InterfaceMetrics",
    parameters="aiida_dismai.engine.families.interface.parameters:InterfaceParameters",
    report="aiida_dismai.report.families.interface:InterfaceReport",
    metrics=(MetricSpec("d_all", "fingerprint distance, all cations"),),
    properties=(PropertySpec("interface_energy", "interface energy", "J/m²", ENERGIES),),
    periodic_axes=2,  # a slab may have a surface
    dataset="dismai.dataset.interface",
)
