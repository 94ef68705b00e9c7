"""Before a submission: namelists from settings, and what is refused."""

import numpy as np
import pytest
from aiida.orm import StructureData
from support.pw import PSEUDOS, as_node, install_pseudos, licoo2, make_pw_code, silicon

from aiida_dismai.dft import Potentials, StageSettings, find
from aiida_dismai.dft.quantumespresso.namelists import namelists
from aiida_dismai.dft.quantumespresso.structures import manifold, with_hubbard, without_hubbard
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.workchains.label import LabelWorkChain

ENGINE = find("quantumespresso")


@pytest.fixture
def code(quick_computer):
    return make_pw_code(quick_computer, "/bin/true")


def refused(code, structures=None, **overrides):
    structures = as_node(licoo2()) if structures is None else structures
    overrides = {"potential_family": "dismai-test-pbe", **overrides}
    with pytest.raises(BadInput) as error:
        LabelWorkChain.get_builder_from_protocol(code, structures, "moderate", overrides)
    return str(error.value)


def settings(**changes):
    return {"stage_2": {"settings": changes}}


def test_namelists_of_a_stage(code, pseudo_family):
    overrides = {"potential_family": pseudo_family}
    builder = LabelWorkChain.get_builder_from_protocol(code, as_node(licoo2()), "paper", overrides)
    stage = StageSettings(**builder.stage_1.settings.get_dict())
    potentials = Potentials(pseudo_family)
    found = namelists(stage, ["Li", "Co", "O"], potentials, 100.0)
    assert found["CONTROL"] == {
        "calculation": "relax",
        "nstep": 50,
        "forc_conv_thr": 3.889e-3,
        "etot_conv_thr": 1.0,
        "tprnfor": True,
        "tstress": True,
        "max_seconds": 100.0,
    }
    assert (found["SYSTEM"]["ecutwfc"], found["SYSTEM"]["ecutrho"]) == (40.0, 160.0)  # low, in stage 1
    second = namelists(StageSettings(**builder.stage_2.settings.get_dict()), ["O"], potentials)
    assert second["SYSTEM"]["ecutwfc"] == 50.0
    # 0.6 μB of 17 valence electrons; nothing has a moment where no element has one
    assert found["SYSTEM"]["starting_magnetization"] == {"Li": 0.0, "Co": pytest.approx(0.6 / 17), "O": 0.0}
    assert found["SYSTEM"]["nspin"] == 2
    assert "nspin" not in second["SYSTEM"]
    assert set(found) == {"CONTROL", "SYSTEM", "ELECTRONS", "IONS"}
    given = {"parameters": {"CONTROL": {"calculation": "vc-relax"}, "SYSTEM": {"ECUTWFC": 70}, "stringency": "no"}}
    changed = namelists(StageSettings(**given), ["O"], potentials)
    assert (changed["SYSTEM"]["ecutwfc"], changed["SYSTEM"]["ecutrho"]) == (70.0, 280.0)
    assert "CELL" in changed
    method = str(ENGINE.method(stage, ["Li", "Co"], potentials))
    assert method == "quantumespresso PBE U(Co-d)=3.32 Co=MD5:b62ec2893717 Li=MD5:dbcf0ea72988"
    assert ENGINE.cutoff(stage, ["Co"], potentials) == pytest.approx(40 * 13.605693, abs=1e-4)


def test_inputs_of_the_workchain(code, pseudo_family):
    structure = StructureData(ase=licoo2()).store()
    stage = StageSettings(parameters={"SYSTEM": {}}, must_converge=False, hubbard_u={"Co": {"orbital": "d", "u": 3.32}})
    movable = np.array([False, False, True, True])
    inputs = ENGINE.inputs(code, structure, movable, stage, Potentials(pseudo_family), {"max_wallclock_seconds": 1000})
    assert inputs["pw"]["settings"].get_dict() == {"FIXED_COORDS": [[True] * 3, [True] * 3, [False] * 3, [False] * 3]}
    assert inputs["pw"]["parameters"]["CONTROL"]["max_seconds"] == 950.0
    assert inputs["handler_overrides"].get_dict() == {"finish_on_last_step": {"enabled": True}}
    hubbard = inputs["pw"]["structure"].hubbard
    assert hubbard.projectors == "ortho-atomic"
    assert [(item.atom_index, item.atom_manifold, item.value) for item in hubbard.parameters] == [(1, "3d", 3.32)]
    # the structure with U comes from the one without, in the graph
    assert inputs["pw"]["structure"].creator.inputs.structure.uuid == structure.uuid
    # without U nothing is left of it, and wave functions at Γ are real
    plain = StageSettings(parameters={"SYSTEM": {}})
    second = ENGINE.inputs(code, inputs["pw"]["structure"], movable | True, plain, Potentials(pseudo_family), {})
    assert type(second["pw"]["structure"]) is StructureData
    assert second["pw"]["settings"].get_dict() == {"GAMMA_ONLY": True}
    assert "handler_overrides" not in second


def test_kinds_that_are_no_elements(code, pseudo_family):
    structure = StructureData(cell=5 * np.eye(3))
    structure.append_atom(symbols="Co", name="Co1", position=(0, 0, 0))
    stage = StageSettings(parameters={})
    with pytest.raises(BadInput, match=r"kind 'Co1' \(Co\) of the structure: kinds must be named after elements"):
        ENGINE.inputs(code, structure, np.array([True]), stage, Potentials(pseudo_family), {})


@pytest.mark.parametrize(
    ("name", "orbital", "shell"),
    [("Co", "d", "3d"), ("Pd", "d", "4d"), ("O", "p", "2p"), ("Ce", "f", "4f"), ("U", "f", "5f"), ("Pt", "d", "5d")],
)
def test_shells(name, orbital, shell):
    assert manifold(name, orbital) == shell


def test_u_comes_and_goes(aiida_profile):
    from aiida.orm import Dict

    structure = StructureData(ase=licoo2()).store()
    made = with_hubbard(structure, Dict({"projectors": "atomic", "u": {"Co": ["3d", 2.0]}}))
    assert (made.hubbard.projectors, made.hubbard.parameters[0].value) == ("atomic", 2.0)
    plain = without_hubbard(made)
    np.testing.assert_allclose(plain.get_ase().positions, licoo2().positions)
    assert plain.get_ase().get_chemical_symbols() == ["Li", "Co", "O", "O"]


def test_what_is_refused_of_the_parameters(code, pseudo_family):
    said = refused(code, **settings(parameters={"ELECTRONS": {"scf_must_converge": False}}))
    assert "parameters.ELECTRONS.scf_must_converge: leave it out, energies of electrons that did not converge" in said
    said = refused(code, **settings(parameters={"SYSTEM": {"nspin": 2, "degaus": 0.01}, "ION": {}}))
    assert "parameters.SYSTEM.nspin: leave it out, give magnetic_moments instead" in said
    assert "parameters.SYSTEM.degaus: unknown name; did you mean 'degauss'?" in said
    assert "unknown namelist 'ION'" in said
    said = refused(code, **settings(parameters={"CONTROL": {"calculation": "md", "disk_io": "none"}}))
    assert "calculation 'md': must be one of scf, relax, vc-relax" in said
    assert "with 'none' no job could be restarted" in said
    said = refused(code, **settings(kpoints={"mesh": [2, 2, 2], "offset": [0.25, 0, 0]}))
    assert "kpoints.offset [0.25, 0.0, 0.0]: pw.x shifts a mesh by 0 or 0.5 only" in said
    assert "which computes no stress with it" in refused(code, **settings(dipole_correction=True))
    assert "ecutrho is given without ecutwfc" in refused(code, **settings(parameters={"SYSTEM": {"ecutrho": 300}}))


def test_what_is_refused_of_the_family(code, pseudo_family, tmp_path):
    assert "'none' is not in this profile" in refused(code, potential_family="none")
    assert "aiida-pseudo install sssp -v 1.3 -x PBE -p efficiency" in refused(
        code, potential_family="SSSP/1.3/PBE/efficiency"
    )
    few = install_pseudos("few", elements=("Li", "O"))
    assert "family 'few' has no pseudopotential of Co (it has those of Li, O)" in refused(code, potential_family=few)
    bare = install_pseudos("bare", cutoffs=False)
    said = refused(code, potential_family=bare)
    assert "family 'bare' recommends no cut-offs: set them (aiida-pseudo family cutoffs set bare" in said
    assert "has no cut-offs 'high', it has low, normal" in refused(code, **settings(parameters={"stringency": "high"}))
    for path in PSEUDOS.glob("*.upf"):
        (tmp_path / path.name).write_text(path.read_text().replace('functional="PBE"', 'functional=" SLA PW PSX PSC"'))
    other = install_pseudos("other", folder=tmp_path)
    said = refused(code, potential_family=other)
    assert "family 'other': made for another functional than PBE: Li (PBEsol), O (PBEsol), Co (PBEsol)" in said
    assert "one pseudopotential for each element: set potential_mapping to null" in refused(
        code, potential_mapping={"Li": "Li_sv"}
    )


def test_other_refusals(code, pseudo_family):
    said = refused(code, **settings(hubbard_u={"O": {"orbital": "f", "u": 1.0}}))
    assert "hubbard_u of O: its pseudopotential has no wave functions" in said
    bare = licoo2()
    del bare.arrays["region"]
    assert "the structures have no property 'region'" in refused(code, structures=as_node(bare))
    assert "family 'dismai-test-pbe' has no pseudopotential of Ge" in refused(code, structures=germanium())


def germanium():
    atoms = silicon()
    atoms.symbols[:] = "Ge"
    return as_node(atoms)
