"""A cluster expansion as a node: checked when made, queried by what it is, the same after it was stored."""

from __future__ import annotations

import json

import pytest
from aiida import orm
from aiida.common.exceptions import ValidationError
from aiida.plugins import DataFactory

from aiida_dismai.data import ClusterExpansionData
from aiida_dismai.engine.alloys.expansion import packaged_file
from aiida_dismai.engine.errors import BadInput

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")


def content():
    return json.loads(packaged_file().model_dump_json(exclude_none=True))


def test_the_papers_expansion_is_stored_and_found():
    assert DataFactory("dismai.expansion") is ClusterExpansionData
    node = ClusterExpansionData.packaged().store()
    loaded = orm.load_node(node.pk)
    assert loaded.file == packaged_file()
    assert loaded.expansion.pair_terms.tolist() == node.expansion.pair_terms.tolist()
    assert "Su et al. (2024)" in loaded.base.attributes.get("source")
    assert loaded.base.attributes.get("n_coefficients") == 46
    assert loaded.base.attributes.get("lattice") == {"type": "fcc", "a": 3.6}
    found = orm.QueryBuilder().append(
        ClusterExpansionData,
        filters={"attributes.species": {"contains": ["Cr", "Ni"]}, "attributes.n_coefficients": 46},
    )
    assert found.all(flat=True) == [loaded]


def test_from_a_file_and_from_values(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(content()))
    nodes = [
        ClusterExpansionData(tmp_path / "mine.json"),
        ClusterExpansionData(content()),
        ClusterExpansionData.packaged(),
    ]
    assert len({node.base.attributes.get("content_hash") for node in nodes}) == 1
    other = content()
    other["constant"] += 1e-12
    assert ClusterExpansionData(other).base.attributes.get("content_hash") != nodes[0].base.attributes.get(
        "content_hash"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["shells"][0]["pairs"].pop("Cr-Fe"), "shell 1: no coefficient for Cr-Fe"),
        (lambda c: c["shells"][0].update(bonds=5), "shell 1: 5 bonds per atom given, but the lattice has 6"),
        (lambda c: c.update(speces=[]), "unknown parameter 'speces'; did you mean 'species'"),
    ],
)
def test_what_is_incomplete_is_refused(change, message):
    wrong = content()
    change(wrong)
    with pytest.raises(BadInput, match=message):
        ClusterExpansionData(wrong)


def test_a_node_without_content_is_not_stored():
    with pytest.raises(ValidationError):
        ClusterExpansionData().store()
    node = ClusterExpansionData.packaged()
    node.base.repository.put_object_from_bytes(b"{}", "expansion.json")
    with pytest.raises(ValidationError, match=r"expansion\.json"):
        node.store()
