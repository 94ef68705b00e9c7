"""`aiida-dismai setup pseudos`."""

from click.testing import CliRunner
from support.pw import install_pseudos

from aiida_dismai.cli import main


def run(*arguments):
    result = CliRunner().invoke(main, ["setup", "pseudos", *arguments], env={"COLUMNS": "300"})
    return result.exit_code, " ".join(result.output.split())


def test_families_with_what_they_miss(aiida_profile_clean):
    status, said = run()
    assert status == 0
    assert "aiida-pseudo install pseudo-dojo -v 0.4 -x PBE -r SR -p standard -f upf" in said
    assert "aiida-pseudo install sssp --from-download FILE" in said
    install_pseudos("whole")
    install_pseudos("few", elements=("Li", "O"), cutoffs=False)
    status, said = run()
    assert status == 0
    assert "low 40/160; normal 50/200" in said
    assert "can be used" in said
    assert "Sc, Co, Cl" in said
    assert "recommends no cut-offs" in said


def test_one_family(aiida_profile_clean):
    install_pseudos("whole")
    assert run("--family", "whole", "--elements", "Si,O")[0] == 0
    status, said = run("--family", "whole", "--functional", "PBEsol")
    assert status == 1
    assert "family 'whole': made for PBE, not for PBEsol" in said
    status, said = run("--family", "whole", "--elements", "Ge")
    assert status == 1
    assert "has no pseudopotential of Ge" in said
    assert "'whol' is not in this profile; did you mean 'whole'" in run("--family", "whol")[1]
    assert "--elements: Xx is not an element" in run("--elements", "Li,Xx")[1]
