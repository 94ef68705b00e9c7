import numpy as np
import pytest
from aiida import orm
from aiida.common.exceptions import ValidationError
from hypothesis import HealthCheck, given, settings
from support.strategies import assert_same, structure_sets

from aiida_dismai.data import StructureSetData
from aiida_dismai.data.structures import set_to_structure_data, structure_data_to_set
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import StructureSet

pytestmark = pytest.mark.usefixtures("aiida_profile")
SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(structures=structure_sets())
def test_storing_and_loading_is_exact(structures):
    node = StructureSetData(structures).store()
    loaded = orm.load_node(node.pk)
    assert loaded.structures == structures
    assert len(loaded) == len(structures)
    assert loaded.content_hash == structures.content_hash
    assert loaded.elements == structures.elements
    assert set(loaded.property_names) == set(structures.properties)
    assert set(loaded.formulas) == set(structures.formulas)


@SLOW
@given(structures=structure_sets())
def test_structure_data_round_trip(structures):
    nodes = set_to_structure_data(structures)
    assert_same(structures, structure_data_to_set(nodes), properties=False)
    assert_same(structures, StructureSetData.from_structure_data(nodes).structures, properties=False)


@SLOW
@given(structures=structure_sets(same_atoms=True, text=False))
def test_trajectory_data_round_trip(structures):
    trajectory = StructureSetData(structures).to_trajectory().store()
    assert_same(structures, StructureSetData.from_trajectory(trajectory).structures)


def test_a_trajectory_of_mixed_compositions_is_refused():
    one = StructureSet.from_uniform([14], np.zeros((1, 1, 3)), np.eye(3))
    two = StructureSet.from_uniform([14, 8], np.zeros((1, 2, 3)), np.eye(3))
    with pytest.raises(BadInput, match="same atoms in the same order"):
        StructureSetData(StructureSet.concatenate([one, two])).to_trajectory()


def test_alloy_sites_are_refused():
    node = orm.StructureData(cell=np.eye(3).tolist())
    node.append_atom(symbols=["Fe", "Ni"], weights=[0.5, 0.5], position=[0.0, 0.0, 0.0])
    with pytest.raises(BadInput, match="structure 0 has alloy sites"):
        structure_data_to_set([node])


def test_the_attributes_can_be_queried():
    cell = np.diag([11.0, 12.0, 13.0])
    structures = StructureSet.from_uniform([3, 17], np.random.default_rng(0).random((3, 2, 3)), cell)
    node = StructureSetData(structures.with_property("energy", [1.0, 2.0, 3.0])).store()
    found = (
        orm.QueryBuilder()
        .append(StructureSetData, filters={"attributes.count": 3, "attributes.formulas": {"contains": ["LiCl"]}})
        .all(flat=True)
    )
    assert node.pk in [item.pk for item in found]
    assert node.base.attributes.get("properties")["energy"] == {"level": "structure", "unit": "eV", "dtype": "<f8"}
    assert node.base.attributes.get("n_atoms") == 2
    np.testing.assert_array_equal(node.base.attributes.get("cell"), cell)


def test_one_property_is_read_by_itself():
    structures = StructureSet.from_uniform([3, 17], np.random.default_rng(0).random((3, 2, 3)), np.eye(3) * 6)
    node = StructureSetData(structures.with_property("energy", [1.0, 2.0, 3.0])).store()
    loaded = orm.load_node(node.pk)
    np.testing.assert_array_equal(loaded.read_property("energy"), [1.0, 2.0, 3.0])
    assert getattr(loaded, "_loaded", None) is None
    with pytest.raises(BadInput, match="no property 'enrgy'; did you mean 'energy'"):
        loaded.read_property("enrgy")


def test_one_structure_as_structure_data():
    structures = StructureSet.from_uniform([3, 17], np.random.default_rng(0).random((3, 2, 3)), np.eye(3) * 6)
    one = StructureSetData(structures).get_structure(1)
    assert one.get_formula() == "ClLi"
    np.testing.assert_array_equal([site.position for site in one.sites], structures[1].positions)


def test_a_node_without_its_file_is_not_stored():
    with pytest.raises(ValidationError, match=r"without structures\.npz"):
        StructureSetData().store()


def test_files_become_nodes(tmp_path):
    structures = StructureSet.from_uniform([3, 17], np.random.default_rng(0).random((3, 2, 3)) * 5, np.eye(3) * 6)
    StructureSetData(structures).to_extxyz(tmp_path / "a.extxyz")
    assert StructureSetData.from_file(tmp_path / "a.extxyz").structures == structures
