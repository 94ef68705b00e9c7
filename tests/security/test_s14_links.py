"""S14: links that leave a folder are refused."""

import pytest
from support import handmade
from support.commands import dry, refused

from aiida_dismai.engine.structures import write_extxyz


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def test_s14_links_that_leave_a_reference_folder_are_refused(graph, tmp_path):
    write_extxyz(handmade.structures(2, 6), tmp_path / "gen.extxyz")
    common = ("launch", "evaluate", "--structures", tmp_path / "gen.extxyz", "--kind", "alloy")
    record = tmp_path / "record"
    record.mkdir()
    (tmp_path / "secret.csv").write_text("precious")
    (record / "a.csv").symlink_to(tmp_path / "secret.csv")
    arguments = (*common, "--reference", record, "--code", "dismai@localhost", "--dry-run")
    assert "a.csv is a link that leaves" in refused(*arguments)
    (record / "a.csv").unlink()
    (record / "a.csv").symlink_to("a.csv")
    assert "a.csv is a link to nothing" in refused(*arguments)
    (record / "a.csv").unlink()
    (record / "b.csv").write_text("x\n")
    (record / "a.csv").symlink_to("b.csv")
    assert dry(*common, "--reference", record)["inputs"]["reference"] == "FolderData<record>"
