"""Fixtures of the WorkChains."""

import pytest
from support.standin import potcar_family, slabs, vasp_code

__all__ = ["potcar_family", "slabs", "vasp_code"]


@pytest.fixture
def label_overrides(potcar_family):
    """Overrides of label.yaml for the slabs: their POTCARs, three steps a stage."""
    return {"potential_family": potcar_family, "potential_mapping": {"Cu": "Cu", "Ni": "Ni", "Au": "Au"}}
