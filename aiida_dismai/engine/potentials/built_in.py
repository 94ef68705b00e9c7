"""The calculators that come with the project, as they are registered; imports no torch, no LAMMPS."""

from __future__ import annotations

from .contract import CalculatorSpec

_HERE = __name__.rpartition(".")[0]


def _of_lammps(name: str, summary: str) -> CalculatorSpec:
    return CalculatorSpec(name, summary, f"{_HERE}.calculators:build_lammps")


M3GNET = CalculatorSpec(
    "m3gnet",
    "M3GNet as potential.train has trained it",
    f"{_HERE}.calculators:build_m3gnet",
    takes_potential=True,
    evaluator=f"{_HERE}.calculators:build_evaluator",
)
CHGNET = CalculatorSpec(
    "chgnet",
    "CHGNet with its own weights, all elements",
    f"{_HERE}.calculators:build_chgnet",
    f"{_HERE}.chgnet:ChgnetParameters",
)
EDIP = _of_lammps("edip", "silicon: environment-dependent potential, in LAMMPS")
SW = _of_lammps("sw", "silicon: Stillinger and Weber, in LAMMPS")
SW_VINK = _of_lammps("sw_vink", "silicon: Stillinger–Weber as fitted to amorphous silicon, in LAMMPS")
TERSOFF = _of_lammps("tersoff", "silicon: Tersoff, in LAMMPS")
LAMMPS = CalculatorSpec(
    "lammps",
    "a potential file in one of LAMMPS's pair styles",
    f"{_HERE}.calculators:build_lammps",
    f"{_HERE}.lammps_potentials:PairParameters",
)
GAP = CalculatorSpec(
    "gap",
    "a Gaussian approximation potential from its file, in QUIP",
    f"{_HERE}.calculators:build_gap",
    f"{_HERE}.gap:GapParameters",
)
