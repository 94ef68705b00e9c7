"""The arguments of CHGNet's calculator; imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..parameters import Parameters


class ChgnetParameters(Parameters):
    """Keyword arguments of the calculator ``chgnet``; the weights are those of its wheel."""

    use_device: str | None = Field(
        None, pattern=r"^(cpu|mps|cuda(:\d{1,3})?)$", description="where to compute; null takes that of the task"
    )
    check_cuda_mem: bool = Field(False, description="take the GPU with most free memory")
    stress_weight: float | None = Field(None, gt=0, description="factor of the stress, eV/Å³ per GPa; null is CHGNet's")
    on_isolated_atoms: Literal["ignore", "warn", "error"] = Field(
        "ignore", description="what to do about atoms without neighbours"
    )
    return_site_energies: bool = Field(False, description="keep the energies of atoms, too")
