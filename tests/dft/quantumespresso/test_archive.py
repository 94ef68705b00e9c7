"""Pseudopotentials go into archives, with the cut-offs that their family recommends."""

from aiida.orm import Group, QueryBuilder, WorkChainNode
from aiida.tools.archive.abstract import get_format
from aiida_pseudo.data.pseudo import UpfData
from support.handnodes import finish, process
from support.pw import install_pseudos

from aiida_dismai.cli.archive.commands import write_archive
from aiida_dismai.dft import find


def test_the_family_goes_along(aiida_profile, tmp_path):
    install_pseudos("of-the-archive", elements=("O", "Li"))
    other = install_pseudos("of-nothing", elements=("Si",))
    oxygen = QueryBuilder().append(UpfData, filters={"attributes.element": "O"}).first(flat=True)
    node = process(WorkChainNode, "aiida.workflows:dismai.dft.pw", "PwStageWorkChain", {"pw__pseudos__O": oxygen})
    finish(node, {})
    path = tmp_path / "a.aiida"
    write_archive(node, path)
    with get_format().open(path, "r") as reader:
        query = reader.querybuilder().append(Group, project=["label", "extras"])
        groups = dict(query.all())
        assert reader.querybuilder().append(UpfData).count() >= 2
    assert groups["of-the-archive"]["_cutoffs"]["normal"]["O"] == {"cutoff_wfc": 50.0, "cutoff_rho": 200.0}
    assert other not in groups
    assert find("quantumespresso").licensed is None
