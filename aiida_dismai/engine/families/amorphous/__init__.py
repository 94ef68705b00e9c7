"""Amorphous structures: motifs, radial distribution and bond angles, averaged over all atoms."""

from __future__ import annotations

from ..contract import CurveSpec, FamilySpec, MetricSpec, PropertySpec

#: Title of the table of coordination numbers and bond angles.
ANGLES = "coordination and bond angles"

SPEC = FamilySpec(
    name="amorphous",
    summary="Amorphous structures (silicon and the like): motifs, radial distribution, bond angles.",
    label="amorphous structures",
    engine="aiida_dismai.engine.families.amorphous.metrics:AmorphousMetrics",
    parameters="aiida_dismai.engine.families.amorphous.parameters:AmorphousParameters",
    report="aiida_dismai.report.families.amorphous:AmorphousReport",
    metrics=(
        MetricSpec("d_motif", "fingerprint distance"),
        MetricSpec("d_rdf", "distance of the radial distributions"),
        MetricSpec("d_angle", "distance of the bond angles"),
    ),
    curves=(
        CurveSpec("rdf", "Radial distribution", "distance, Å", "g(r)"),
        CurveSpec("angle", "Bond angles", "angle, degrees", "share of the bond angles, %", scale=100),
    ),
    properties=(
        PropertySpec("bond_angle_mean", "bond angle, mean", "degrees", ANGLES),
        PropertySpec("bond_angle_sigma", "bond angle, standard deviation", "degrees", ANGLES),
    ),
    # the potential of the paper, GAP, is the calculator 'gap' with the user's file; EDIP is fast enough for the paper's
    # tolerance in the demo, too
    relaxation={"calculator": "edip", "fmax": 0.05, "steps": 1000},
    dataset="dismai.dataset.amorphous",
)
