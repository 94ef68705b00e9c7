"""What labelling refuses before anything is submitted, and what its protocols say."""

import numpy as np
import pytest
from aiida.engine import run
from aiida.orm import Dict, Float, InstalledCode, Int

from aiida_dismai.data import StructureSetData
from aiida_dismai.dft import find
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import StructureSet, from_ase, to_ase
from aiida_dismai.workchains.label import LabelWorkChain
from aiida_dismai.workchains.label_inputs import read_settings
from aiida_dismai.workchains.label_structure import LabelStructureWorkChain


@pytest.fixture
def build(slabs, vasp_code, label_overrides):
    """Return a function that makes a builder for two slabs, with overrides."""

    def make(structures=None, code=None, **overrides):
        return LabelWorkChain.get_builder_from_protocol(
            code or vasp_code(),
            slabs(2) if structures is None else structures,
            protocol="demo",
            overrides=label_overrides | overrides,
        )

    return make


def test_missing_family_names_the_upload_command(build):
    command = "aiida-vasp potcar uploadfamily --path FOLDER --name standin-tset --description TEXT"
    with pytest.raises(BadInput, match="did you mean 'standin-test'") as error:
        build(potential_family="standin-tset")
    assert command in str(error.value)


def test_element_without_potcar(build, slabs):
    frames = to_ase(slabs(1).structures)
    frames[0].symbols[0] = "Pd"
    with pytest.raises(BadInput, match="no POTCAR is named for Pd"):
        build(StructureSetData(from_ase(frames)))


def test_potcar_that_the_family_lacks(build):
    with pytest.raises(BadInput, match="POTCAR 'Ni_pv' of Ni is not in the family 'standin-test'"):
        build(potential_mapping={"Cu": "Cu", "Ni": "Ni_pv"})


def test_stage_1_needs_regions(build, slabs):
    plain = StructureSetData(slabs(1).structures.without_properties("region"))
    with pytest.raises(BadInput, match="no property 'region'"):
        build(plain)
    assert "stage_1" not in build(plain, pre_relaxed=True)._inputs(prune=True)
    build(plain, stage_1={"settings": {"moves": None}})


def test_stage_1_needs_an_atom_that_moves(build, slabs):
    structures = slabs(2).structures
    region = structures.values("region").copy()
    region[4:] = 3
    with pytest.raises(BadInput, match=r"structure 1 has no atom in region \[0\]"):
        build(StructureSetData(structures.with_property("region", region)))


def test_empty_set_and_nan(build, slabs):
    with pytest.raises(BadInput, match="empty"):
        build(StructureSetData(StructureSet.empty()))
    structures = slabs(1).structures
    positions = structures.positions.copy()
    positions[2, 1] = np.nan
    with pytest.raises(BadInput, match="NaN or infinite coordinates in structure 0"):
        build(StructureSetData(structures.with_positions(positions)))


def test_code_of_another_plugin(build, quick_computer):
    code = InstalledCode(
        label="other",
        computer=quick_computer,
        filepath_executable="/bin/true",
        default_calc_job_plugin="core.arithmetic.add",
    ).store()
    listed = r"plugin 'core\.arithmetic\.add', which no DFT engine drives; .*: .*, vasp \(vasp\.vasp\)"
    with pytest.raises(BadInput, match=listed):
        build(code=code)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"must_convrege": False}, "did you mean 'must_converge'"),
        ({"max_iterations": 0}, "greater than or equal to 1"),
        ({"kpoints": {"mesh": [0, 1, 1]}}, "greater than 0"),
        ({"parameters": {"enctu": 300}}, "enctu"),
        ({"parameters": {"magmom": [1, 2]}}, "give magnetic_moments instead"),
        ({"parameters": {"PSTRESS": 10}}, "enthalpies"),
        ({"hubbard_u": {"Cu": {"orbital": "g", "u": 1}}}, "orbital"),
    ],
)
def test_settings_of_a_stage_are_checked(build, settings, message):
    with pytest.raises((BadInput, ValueError), match=message):
        build(stage_2={"settings": settings})


def test_unknown_protocol_and_override(slabs, vasp_code):
    with pytest.raises(BadInput, match="unknown protocol 'papre'; did you mean 'paper'"):
        LabelWorkChain.get_builder_from_protocol(vasp_code(), slabs(1), "papre")
    with pytest.raises(BadInput, match="unknown override 'max_concurent'; did you mean 'max_concurrent'"):
        LabelWorkChain.get_builder_from_protocol(vasp_code(), slabs(1), "paper", {"max_concurent": 3})


def test_the_same_checks_guard_a_submission_without_a_protocol(build, slabs):
    builder = build()
    builder.structures = StructureSetData(slabs(1).structures.without_properties("region"))
    with pytest.raises(ValueError, match="no property 'region'"):
        run(builder)
    with pytest.raises(ValueError, match="at least 1"):
        builder.max_concurrent = Int(0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        builder.max_failed_fraction = Float(1.5)


def test_index_outside_of_the_set(slabs, vasp_code, label_overrides):
    with pytest.raises(BadInput, match="index 2 is outside of the set of 2 structures"):
        LabelStructureWorkChain.get_builder_from_protocol(vasp_code(), slabs(2), 2, "demo", label_overrides)


def test_paper_protocol_has_the_numbers_of_the_paper():
    inputs = LabelWorkChain.get_protocol_inputs("paper", engine=find("vasp"))
    first, second = (read_settings(Dict(inputs[stage]["settings"]), stage) for stage in ("stage_1", "stage_2"))
    assert (first.parameters["encut"], second.parameters["encut"]) == (374.3, 450.0)
    assert (first.moves, second.moves) == ([0], None)
    assert (first.parameters["nsw"], first.must_converge) == (50, False)
    assert (second.parameters["ediffg"], second.must_converge) == (-0.1, True)
    assert (first.parameters["ediff"], second.parameters["ediff"]) == (1e-4, 1e-5)
    for stage in (first, second):
        assert stage.kpoints.mesh == (1, 1, 1)
        assert (stage.hubbard_u["Co"].orbital, stage.hubbard_u["Co"].u) == ("d", 3.32)
        assert stage.magnetic_moments == {"Co": 0.6}
        assert stage.parameters["isif"] == 2
        assert not stage.dipole_correction
    assert inputs["potential_mapping"] == {"Li": "Li_sv", "Sc": "Sc_sv", "Co": "Co", "Cl": "Cl", "O": "O"}


@pytest.mark.parametrize(
    ("protocol", "mesh", "offset"), [("bulk_lco", (9, 9, 1), (0, 0, 0)), ("bulk_lsc", (6, 4, 6), (0.5, 0.5, 0.5))]
)
def test_bulk_protocols_relax_the_cell_in_one_stage(protocol, mesh, offset):
    inputs = LabelStructureWorkChain.get_protocol_inputs(protocol, engine=find("vasp"))
    assert inputs["pre_relaxed"]
    settings = read_settings(Dict(inputs["stage_2"]["settings"]), "stage_2")
    assert (settings.kpoints.mesh, settings.kpoints.offset) == (mesh, offset)
    assert (settings.parameters["isif"], settings.parameters["ediffg"]) == (3, -0.001)
