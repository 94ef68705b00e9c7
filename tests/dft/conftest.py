"""Fixtures of the seam to DFT codes."""

from support.standin import potcar_family, slabs, vasp_code

__all__ = ["potcar_family", "slabs", "vasp_code"]
