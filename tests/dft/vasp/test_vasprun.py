"""vasprun.xml of jobs that were killed, damaged or switched off, and the labels that are left of them."""

import gzip
import io
import re
from pathlib import Path

import numpy as np
import pytest
from aiida.orm import CalcJobNode, Dict, FolderData, Int, Str
from pymatgen.io.vasp import Vasprun
from support.children import ended

from aiida_dismai.calculations.functions.labels import collect_steps
from aiida_dismai.data import StructureSetData
from aiida_dismai.dft import StageSettings
from aiida_dismai.dft.vasp import ENGINE
from aiida_dismai.dft.vasp.engine import _run
from aiida_dismai.dft.vasp.trust import refusals
from aiida_dismai.dft.vasp.vasprun import MAX_DAMAGES, read_vasprun
from aiida_dismai.engine.structures import StructureSet

REAL = Path(__file__).parents[2] / "data" / "cases" / "vasprun"
COMPLETE = ("aiida_ionic_continue_0", "aiida_ionic_continue_1", "aiida_nelm_breach", "dpdata_Ti_O_Ti_duplicate_species")
SILICON = 8


def content(name):
    return gzip.decompress((REAL / f"{name}.xml.gz").read_bytes())


def parsed(data):
    return read_vasprun(io.BytesIO(data))


def folder(data):
    node = FolderData()
    node.base.repository.put_object_from_filelike(io.BytesIO(data), "vasprun.xml")
    return node


def steps_of(data, n_atoms=SILICON, **status):
    nodes = {"retrieved": folder(data)} | ({"misc": Dict({"run_status": status})} if status else {})
    return ENGINE.read(nodes, np.zeros((n_atoms, 3)))


def blocks(data):
    """Split a file into what stands before, each step, and what follows."""
    return re.split(rb"(?=<calculation>)|(?<=</calculation>)", data)


@pytest.mark.parametrize("name", COMPLETE)
def test_complete_files_read_as_pymatgen_reads_them(tmp_path, name):
    path = tmp_path / "vasprun.xml"
    path.write_bytes(content(name))
    expected = Vasprun(path, parse_dos=False, parse_eigen=False, parse_potcar_file=False).ionic_steps
    found = parsed(content(name))
    assert (found.cut, found.remark) == (False, "")
    assert len(found.steps) == len(expected)
    for step, other in zip(found.steps, expected, strict=True):
        assert step.electronic == len(other["electronic_steps"])
        assert step.energy == other["e_fr_energy"]
        np.testing.assert_array_equal(step.forces, other["forces"])
        np.testing.assert_array_equal(step.stress, other["stress"])
        np.testing.assert_allclose(step.cell, other["structure"].lattice.matrix, atol=1e-12)
        np.testing.assert_allclose(step.fractional, other["structure"].frac_coords, atol=1e-12)
        assert found.symbols == [site.specie.symbol for site in other["structure"]]


def test_a_file_cut_inside_a_step_gives_all_steps_before(aiida_profile):
    steps = steps_of(content("aiida_relax_truncated"))
    assert (steps.done, steps.dropped, len(steps.energies)) == (18, 0, 18)
    assert steps.energies[[0, -1]].tolist() == [-42.91231666, -43.39066158]
    assert steps.stresses.shape == (18, 3, 3)
    assert "inside step 19" in steps.remark
    assert not steps.converged


@pytest.mark.parametrize("element", [b'<varray name="forces"', b'<varray name="stress"', b"<structure>", b"<energy>"])
def test_cut_anywhere_inside_a_step(aiida_profile, element):
    data = content("aiida_relax_truncated")
    steps = blocks(data)
    third = b"".join(steps[:5])  # header, step, between, step, between
    begun = steps[5]
    where = begun.rindex(element) + len(element) + 60
    found = steps_of(third + begun[:where])
    assert (found.done, len(found.energies)) == (2, 2)
    assert "inside step 3" in found.remark


def test_every_place_of_a_cut_gives_the_complete_steps_and_no_error():
    data = content("aiida_ionic_continue_0")
    ends = [match.end() for match in re.finditer(b"</calculation>", data)]
    for where in range(0, len(data), 997):
        found = parsed(data[:where])
        assert len(found.steps) == sum(end <= where for end in ends)
        assert found.cut


def test_no_complete_step(aiida_profile):
    steps = steps_of(content("aiida_unfinished"), 2)
    assert (steps.done, len(steps.energies)) == (0, 0)
    assert steps.forces.shape == (0, 2, 3)
    assert "inside step 1" in steps.remark


def test_nelm_is_read_from_the_file(aiida_profile):
    # the electrons used up 7 steps, which the status of the job does not say
    steps = steps_of(content("aiida_nelm_breach"), 1, ionic_converged=True)
    assert (steps.done, len(steps.energies), steps.converged) == (1, 0, False)
    assert steps.left_out == ((0, "electrons not converged within NELM = 7 steps"),)
    # the first NELM counts: a later one of 1 is that of GW
    assert parsed(content("aiida_relax_truncated")).number("NELM") == 60


def test_without_stress_there_are_no_labels(aiida_profile):
    steps = steps_of(content("dpdata_h2o_md_novirial"), 6)
    assert (steps.done, len(steps.energies)) == (3, 0)
    assert {why for _, why in steps.left_out} == {"no stress in the file"}


@pytest.mark.parametrize("isif", [0, 1])
def test_isif_without_the_whole_stress(aiida_profile, isif):
    data = content("aiida_ionic_continue_1").replace(b'name="ISIF">     3', b'name="ISIF">     %d' % isif)
    steps = steps_of(data, 1)
    assert len(steps.energies) == 0
    assert all(f"ISIF = {isif}" in why for _, why in steps.left_out)


@pytest.mark.parametrize("tags", [{"isif": 0}, {"isif": 1}, {"isif": "1"}, {"ibrion": 0}, {"lhfcalc": ".TRUE."}])
def test_tags_without_stress_are_refused_before_the_submission(aiida_profile, tags):
    problems = ENGINE.check_settings(StageSettings(parameters=tags), [], None)
    assert len(problems) == 1
    assert "ISIF" in problems[0]
    assert "set ISIF to 2" in problems[0]


def test_tags_with_stress_are_not_refused(aiida_profile):
    for tags in (
        {},
        {"isif": 2},
        {"isif": 3},
        {"ibrion": 0, "isif": 2},
        {"lhfcalc": False},
        {"lhfcalc": True, "isif": 3},
    ):
        assert ENGINE.check_settings(StageSettings(parameters=tags), [], None) == []


def test_stars_in_a_number_cost_their_step_only(aiida_profile):
    parts = blocks(content("aiida_relax_truncated"))
    for name, place in (("energy", b'e_fr_energy">    '), ("forces", b'"forces" >\n   <v>   ')):
        damaged = list(parts)
        where = damaged[5].rindex(place) + len(place)
        damaged[5] = damaged[5][:where] + b"************" + damaged[5][where + 12 :]
        steps = steps_of(b"".join(damaged))
        assert (steps.done, len(steps.energies)) == (18, 17)
        assert steps.left_out == ((2, f"{name} not a number (overflown to stars, or NaN)"),)
        assert steps.numbers.tolist() == [0, 1, *range(3, 18)]


def test_stars_while_the_electrons_still_converged(aiida_profile):
    data = content("parsevasp_overflow_stars")
    steps = steps_of(data, 112)
    # all 60 electronic steps were used up: no label
    assert [why for _, why in steps.left_out] == ["electrons not converged within NELM = 60 steps"]
    # had they converged, stars in an electronic step would not matter
    steps = steps_of(data.replace(b'name="NELM">    60', b'name="NELM">    99'), 112)
    assert steps.energies.tolist() == [-518.37919169]


def test_damage_in_one_step_costs_that_step_only(aiida_profile):
    parts = blocks(content("aiida_relax_truncated"))
    parts[5] = parts[5].replace(b"</scstep>", b"</scste\x00<<", 1)
    parts[9] = parts[9].replace(b"</structure>", b"", 1)
    steps = steps_of(b"".join(parts))
    assert (steps.done, len(steps.energies)) == (18, 16)
    assert [number for number, _ in steps.left_out] == [2, 4]
    assert all("damaged" in why for _, why in steps.left_out)


def test_what_vasp_does_not_escape(aiida_profile):
    data = content("aiida_ionic_continue_1").replace(
        b" <incar>\n", b' <incar>\n  <i type="string" name="SYSTEM">Li & Co \x01 \xe4 &lol;</i>\n', 1
    )
    steps = steps_of(data, 1)
    assert (len(steps.energies), steps.remark) == (3, "")
    # a header that is no XML: the steps are read, and NELM is found all the same
    data = content("aiida_nelm_breach").replace(b" <incar>\n", b' <incar>\n  <i name="SYSTEM">Li <Co</i>\n', 1)
    steps = steps_of(data, 1)
    assert [why for _, why in steps.left_out] == ["electrons not converged within NELM = 7 steps"]
    assert "damaged before step 1" in steps.remark


def test_a_density_of_states_that_cannot_be_read_is_no_concern(aiida_profile):
    parts = blocks(content("aiida_ionic_continue_1"))
    dos = b"<dos><i name='efermi'>****</i><total><array><set><r>NaN *** 1-2</r></set></array></total></dos>"
    parts[3] = parts[3].replace(b"</calculation>", dos + b"</calculation>")
    assert len(steps_of(b"".join(parts), 1).energies) == 3


def test_an_exploded_step_is_left_out(aiida_profile):
    parts = blocks(content("aiida_relax_truncated"))
    energy = re.compile(rb'(<energy>\s*<i name="e_fr_energy">)\s*-43\.36672455')
    assert energy.search(parts[5])
    parts[5] = energy.sub(rb"\1   506.71234567", parts[5])
    rows = parts[7].rindex(b'"forces" >\n   <v>') + len(b'"forces" >\n   <v>')
    parts[7] = parts[7][:rows] + b"    812.00000000" + parts[7][rows + 16 :]
    steps = steps_of(b"".join(parts))
    assert [number for number, _ in steps.left_out] == [2, 3]
    assert all(why.startswith("exploded") for _, why in steps.left_out)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", ""),
        (b"<html><body>not found</body></html>", "root is <html>"),
        (b'<!DOCTYPE a [<!ENTITY b "bbbb">]><modeling><calculation/></modeling>', "document type"),
        (b"<modeling>" + b"<a>" * 200, "deep"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "damaged"),
    ],
)
def test_other_files_give_no_steps(aiida_profile, data, said):
    steps = steps_of(data)
    assert (steps.done, len(steps.energies)) == (0, 0)
    assert said in steps.remark


def test_a_file_damaged_everywhere_is_given_up():
    found = parsed(b"<modeling>" + b"<calculation><" * (20 * MAX_DAMAGES))
    assert len(found.steps) == MAX_DAMAGES + 1
    assert "rest is left" in found.remark


def test_a_step_inside_a_step_is_counted():
    parts = blocks(content("aiida_ionic_continue_1"))
    parts[1] = parts[1].replace(b"</calculation>", b"")
    found = parsed(b"".join(parts))
    assert [bool(step.damage) for step in found.steps[:2]] == [True, False]


def test_damaged_files_end_as_steps_with_reasons():
    """Bytes changed, cut out, put in and repeated at random: whatever is left is read or refused, never an error."""
    random = np.random.default_rng(5)
    files = [content(path.name.removesuffix(".xml.gz")) for path in sorted(REAL.glob("*.xml.gz"))]
    for _ in range(200):
        data = bytearray(files[random.integers(len(files))])
        for _ in range(random.integers(1, 4)):
            at, length = random.integers(len(data)), random.integers(1, 2000)
            match random.integers(4):
                case 0:
                    data[at] = random.integers(256)
                case 1:
                    del data[at : at + length]
                case 2:
                    data[at:at] = data[at - length : at]
                case 3:
                    data[at:at] = [b"<calculation>", b"</varray>", b"&x;", b"<!--", b"]]>"][random.integers(5)]
        found = parsed(bytes(data))
        reasons = refusals(found.steps, SILICON, found.tags)
        assert len(reasons) == len(found.steps)
        trusted = [step for step, reason in zip(found.steps, reasons, strict=True) if not reason]
        assert all(np.isfinite(step.forces).all() and step.forces.shape == (SILICON, 3) for step in trusted)


def test_another_structure_than_the_one_submitted(aiida_profile):
    steps = steps_of(content("aiida_relax_truncated"), 7)
    assert {why for _, why in steps.left_out} == {"positions of 8 atoms, the structure has 7"}


def collected(numbers, jobs):
    nodes = {f"stage_2_run_{run:02d}_retrieved": folder(data).store() for run, data in enumerate(jobs)}
    structures = StructureSetData(StructureSet.from_uniform(numbers, np.zeros((1, len(numbers), 3)), 6 * np.eye(3)))
    methods = Dict({"stage_2": {"method": "vasp PBE", "cutoff": 400.0}})
    return collect_steps(Str("vasp"), Str("code"), methods, structures.store(), Int(0), Int(0), **nodes)


def test_a_job_and_its_continuation(aiida_profile):
    first, second = content("aiida_ionic_continue_0"), content("aiida_ionic_continue_1")
    outputs = collected([14], [first, second])
    labelled, summary = outputs["labelled"].structures, outputs["summary"].get_dict()
    # the first step used up its 15 electronic steps; the continuation begins where the first job ended
    assert summary["dropped"] == [{"stage": 2, "step": 0, "reason": "electrons not converged within NELM = 15 steps"}]
    assert (summary["labelled_steps"], summary["repeated_steps"], summary["ionic_steps"]["stage_2"]) == (6, 1, 7)
    assert labelled.values("step").tolist() == [1, 2, 3, 4, 5, 6]
    assert outputs["relaxed"].structures.values("energy").tolist() == [-4.83142071]


def test_a_job_that_had_to_start_again_repeats_nothing(aiida_profile):
    data = content("aiida_relax_truncated")
    outputs = collected([14] * SILICON, [b"".join(blocks(data)[:20]), data])
    summary = outputs["summary"].get_dict()
    assert (summary["labelled_steps"], summary["repeated_steps"], summary["ionic_steps"]["stage_2"]) == (18, 10, 18)
    assert outputs["labelled"].structures.values("step").tolist() == list(range(18))
    assert ["after step 10" in summary["remarks"][0], "inside step 19" in summary["remarks"][1]] == [True, True]


def test_an_element_in_two_blocks_is_another_order(aiida_profile):
    data = content("dpdata_Ti_O_Ti_duplicate_species")
    assert parsed(data).symbols == ["Ti", "Ti", "Ti", "O", "O", "Ti", "Ti", "Ti"]
    summary = collected([22] * 3 + [8] * 2 + [22] * 3, [data])["summary"].get_dict()
    assert summary["dropped_because"] == {"its atoms are in another order than the structure's": 1}


def test_jobs_whose_plugin_gave_up_are_read(aiida_profile, quick_computer):
    for status, trusted in (
        (0, True),
        (120, True),
        (352, True),
        (1002, True),
        (1005, True),
        (703, False),
        (333, False),
    ):
        node = ended(status, "message", {"retrieved": folder(b"")}, CalcJobNode, quick_computer)
        run = _run(node)
        assert (set(run.nodes) == {"retrieved"}) is trusted
        assert bool(run.reason) is not trusted
    node = ended(700, "message", {}, CalcJobNode, quick_computer)
    assert "left no vasprun.xml" in _run(node).reason
