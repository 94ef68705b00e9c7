"""The CalcJob ``dismai.compare``, run for real."""

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import Property, StructureSet

pytestmark = [pytest.mark.usefixtures("aiida_profile_clean"), pytest.mark.engine]
FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
ROCK_SALT = np.concatenate([FCC, FCC + np.array([0.5, 0, 0])])
PARAMETERS = {"oxidation_states": {"Li": 1, "Cl": -1}, "cations": ["Li"], "anions": ["Cl"], "rdf_bins": 20}


def rock_salt(rattle, regions=True):
    """Return three cells of LiCl, of which two Li are in the region of the interface."""
    noise = np.random.default_rng(1).normal(0, rattle, (3, 8, 3))
    structures = StructureSet.from_uniform([3] * 4 + [17] * 4, ROCK_SALT * 5.13 + noise, np.eye(3) * 5.13)
    labels = Property(np.tile([0, 0, 2, 2, 3, 3, 3, 3], 3), "atom", "")
    return structures.with_properties({"region": labels}) if regions else structures


def compare(code, structures):
    inputs = {"reference": StructureSetData(rock_salt(0.02)), "structures": StructureSetData(structures)}
    return run_get_node(
        CalculationFactory("dismai.compare"),
        code=code,
        parameters=orm.Dict(PARAMETERS),
        metadata={"options": {"max_wallclock_seconds": 600}},
        **inputs,
    )


def test_sets_are_compared_in_their_region(dismai_code):
    outputs, node = compare(dismai_code, rock_salt(0.3))
    assert node.is_finished_ok, node.exit_message
    results = outputs["results"].get_dict()
    assert results["sites"] == {"Li": 2}
    assert results["sets"]["reference"]["motifs"]["Li"][0]["label"] == "octahedral CN_6"
    assert results["sets"]["reference"]["bonds"]["Li"]["Cl"]["value"] == 6
    assert results["sets"]["structures"]["distance"]["Li"]["value"] > 0.01
    assert outputs["comparison"].get_array("rdf_structures_Li_Cl").shape == (3, 20)
    assert outputs["comparison"].get_array("average_reference_Li").shape == (61 + 24,)


def test_a_set_without_regions_ends_with_300(dismai_code):
    _, node = compare(dismai_code, rock_salt(0.3, regions=False))
    assert node.exit_status == 300
    assert "the structures have no regions" in node.exit_message
