"""Real DFT: pw.x 7.2 labels small crystals."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcFunctionNode, CalcJobNode, FolderData
from ase.units import GPa
from support.pw import PSEUDOS, as_node, licoo2, make_pw_code, silicon

from aiida_dismai.dft import find
from aiida_dismai.engine.methods import methods_of
from aiida_dismai.workchains.label import LabelWorkChain
from aiida_dismai.workchains.label_structure import LabelStructureWorkChain
from aiida_dismai.workchains.potential import PotentialWorkChain
from aiida_dismai.workchains.relax import RelaxWorkChain

pytestmark = pytest.mark.slow
ENGINE = find("quantumespresso")
#: Silicon, converged enough for finite differences.
FINE = {
    "pre_relaxed": True,
    "stage_2": {
        "settings": {
            "kpoints": {"mesh": [2, 2, 2], "offset": [0.5, 0.5, 0.5]},
            "parameters": {
                "CONTROL": {"calculation": "scf"},
                "SYSTEM": {"ecutwfc": 36},
                "ELECTRONS": {"conv_thr": 1e-10},
            },
        }
    },
}


def jobs_of(node):
    return [call for call in node.called_descendants if isinstance(call, CalcJobNode)]


@pytest.mark.engine
def test_both_stages_with_u_and_spin_and_a_potential_of_the_labels(pw_code, pseudo_family, dismai_code):
    structures = as_node(licoo2())
    builder = LabelWorkChain.get_builder_from_protocol(pw_code, structures, "demo", {"potential_family": pseudo_family})
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    labelled = outputs["labelled"].structures
    assert labelled.values("stage").tolist() == [1, 1, 2, 2, 2]
    assert labelled.values("step").tolist() == [0, 1, 0, 1, 2]
    jobs = jobs_of(node)
    # nstep is reached, which is what the protocol wants: no restart
    assert [job.exit_status for job in jobs] == [502, 502]
    forces = labelled.values("forces").reshape(5, 4, 3)
    positions = labelled.positions.reshape(5, 4, 3)
    at = 0
    for job in jobs:
        trajectory = job.outputs.output_trajectory
        printed = trajectory.get_array("forces")
        n = len(printed)
        moving = np.abs(printed).max(axis=(0, 2)) > 0
        np.testing.assert_allclose(forces[at : at + n][:, moving], printed[:, moving], atol=2e-6)
        np.testing.assert_allclose(positions[at : at + n], trajectory.get_array("positions"), atol=1e-6)
        np.testing.assert_allclose(labelled.values("stress")[at : at + n], -trajectory.get_array("stress"), atol=1e-2)
        # the plugin's Rydberg is older
        np.testing.assert_allclose(labelled.values("energy")[at : at + n], trajectory.get_array("energy"), rtol=2e-7)
        at += n
    # held in stage 1: Li and Co; their forces are those of any other atom
    assert jobs[0].outputs.output_trajectory.get_array("forces")[:, :2].tolist() == np.zeros((2, 2, 3)).tolist()
    assert (np.linalg.norm(forces[0], axis=1) > 0.1).all()
    np.testing.assert_allclose(forces.sum(axis=1), 0, atol=2e-2)
    np.testing.assert_allclose(positions[0], structures.structures.positions, atol=1e-6)
    moved = np.abs(positions[1] - positions[0]).max(axis=1) > 1e-6
    assert moved.tolist() == [False, False, True, True]
    # stage 2 begins with the geometry that stage 1 would have computed next
    assert np.abs(positions[2] - positions[1]).max() > 1e-3
    assert set(labelled.values("method")) == set(methods_of(labelled))
    assert methods_of(labelled)[0].startswith(
        "quantumespresso PBE U(Co-d)=3.32 Co=MD5:b62ec2893717 Li=MD5:dbcf0ea72988 O="
    )
    np.testing.assert_allclose(labelled.values("cutoff"), np.array([40, 40, 50, 50, 50]) * 13.605693, rtol=1e-6)
    assert outputs["summary"]["converged"] == 0
    # from a label back to what it was computed from
    collect = next(call for call in node.called_descendants if call.process_label == "collect_steps")
    job = collect.inputs["stage_1_run_00_retrieved"].creator
    assert job.uuid == jobs[0].uuid
    assert job.inputs.pseudos.O.md5 == hashlib.md5((PSEUDOS / "O.upf").read_bytes()).hexdigest()
    with_u = job.inputs.structure.creator
    assert isinstance(with_u, CalcFunctionNode)
    assert with_u.inputs.structure.creator.inputs.structures.uuid == structures.uuid
    # the same job without the proof of U, or by a pw.x that does not know the card, gives no labels
    content = job.outputs.retrieved.base.repository.get_object_content("aiida.out")
    for old, new, why in (
        ("U(Co-3d) =", "nothing =", "U in the output (none) is not that of the input (Co-3d 3.32 eV)"),
        ("v.7.2", "v.6.7", "pw.x 6.7 ignores the card HUBBARD and computes without U; U needs 7.1 or newer"),
    ):
        assert old in content
        steps = ENGINE.read({"retrieved": _folder(content.replace(old, new)), "structure": job.inputs.structure}, None)
        assert [reason for _, reason in steps.left_out] == [why, why]
        assert len(steps.energies) == 0
    _train_and_relax(dismai_code, outputs["labelled"], structures)


def _train_and_relax(code, labelled, structures):
    """Train an M3GNet on the labels and relax with it."""
    overrides = {
        "train": {
            "parameters": {
                "max_epochs": 3,
                "train_fraction": 1.0,
                "validation_fraction": 0.0,
                "test_fraction": 0.0,
            }
        }
    }
    outputs, node = run_get_node(
        PotentialWorkChain.get_builder_from_protocol(code, labelled, 1, protocol="demo", overrides=overrides)
    )
    assert node.is_finished_ok, node.exit_message
    assert outputs["results"]["methods"] == methods_of(labelled.structures)
    relaxation = RelaxWorkChain.get_builder_from_protocol(
        code, structures, outputs["potential"], protocol="demo", overrides={"parameters": {"fmax": 1e-3, "steps": 3}}
    )
    relaxed, node = run_get_node(relaxation)
    assert node.is_finished_ok, node.exit_message
    assert relaxed["structures"].structures.values("steps").tolist() == [3]
    assert np.abs(relaxed["structures"].structures.positions - structures.structures.positions).max() > 1e-4


def _folder(content):
    folder = FolderData()
    folder.base.repository.put_object_from_bytes(content.encode(), "aiida.out")
    return folder


def test_forces_and_stress_are_the_derivatives_of_the_energy(pw_code, pseudo_family):
    step, strain = 0.01, 0.004
    frames = [silicon()]
    for sign in (1, -1):
        moved = silicon()
        moved.positions[1, 0] += sign * step
        frames.append(moved)
    for sign in (1, -1):
        strained = silicon()
        strained.set_cell(strained.cell.array * (1 + sign * strain * np.array([1, 0, 0])), scale_atoms=True)
        frames.append(strained)
    overrides = {**FINE, "potential_family": pseudo_family}
    builder = LabelWorkChain.get_builder_from_protocol(pw_code, as_node(*frames), "demo", overrides)
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    labelled = outputs["labelled"].structures
    energy = dict(zip(labelled.values("trajectory").tolist(), labelled.values("energy"), strict=True))
    forces = labelled.values("forces")[labelled.atoms_of(0)]
    assert forces[1, 0] == pytest.approx(-(energy[1] - energy[2]) / (2 * step), rel=0.01)
    volume = silicon().get_volume()
    along_x = (energy[3] - energy[4]) / (2 * strain * volume) / GPa
    assert labelled.values("stress")[0][0, 0] == pytest.approx(along_x, rel=0.03, abs=0.05)
    assert abs(along_x) > 0.2
    assert outputs["summary"]["converged"] == 5


def interrupted(computer, folder, path, how, once):
    """Return pw.x as a code that is interrupted in its second step."""
    script = folder / "pw.sh"
    wrapper = Path(__file__).with_name("interrupted_pw.py")
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {wrapper} {how} {once} {path} "iteration #  2" 2 "$@"\n')
    script.chmod(0o755)
    return make_pw_code(computer, script, how)


@pytest.mark.parametrize(("how", "status"), [("late", 400), ("kill", 312)])
def test_a_job_that_was_interrupted_is_resumed(quick_computer, pw_path, pseudo_family, tmp_path, how, status):
    """pw.x ends by itself before the wall time is over, or is killed, in its second step; the next job goes on."""
    code = interrupted(quick_computer, tmp_path, pw_path, how, tmp_path / "happened")
    parameters = {"SYSTEM": {"ecutwfc": 20}, "CONTROL": {"nstep": 20}}
    overrides = {
        "potential_family": pseudo_family,
        "pre_relaxed": True,
        "stage_2": {"settings": {"must_converge": True, "max_iterations": 3, "parameters": parameters}},
    }
    builder = LabelStructureWorkChain.get_builder_from_protocol(
        code, as_node(silicon(rattle=0.1)), 0, "demo", overrides
    )
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    assert [job.exit_status for job in jobs_of(node)] == [status, 0]
    labelled, summary = outputs["labelled"].structures, outputs["summary"].get_dict()
    assert summary["converged"]
    # each geometry once, from the one that was given to one without forces
    positions = labelled.positions.reshape(-1, 2, 3)
    np.testing.assert_allclose(positions[0], silicon(rattle=0.1).positions, atol=1e-6)
    assert labelled.values("step").tolist() == list(range(len(labelled)))
    assert (np.abs(np.diff(positions, axis=0)).max(axis=(1, 2)) > 1e-5).all()
    forces = np.abs(labelled.values("forces").reshape(-1, 2, 3)).max(axis=(1, 2))
    assert forces[-1] < 0.1 < forces[0]
    assert (np.diff(labelled.values("energy")) < 0).all()


def test_a_job_that_was_killed_keeps_its_complete_steps(quick_computer, pw_path, pseudo_family, tmp_path):
    """pw.x dies in its second step, in every job."""
    code = interrupted(quick_computer, tmp_path, pw_path, "kill", "-")
    overrides = {
        "potential_family": pseudo_family,
        "pre_relaxed": True,
        "stage_2": {"settings": {"parameters": {"SYSTEM": {"ecutwfc": 20}}}},
    }
    builder = LabelStructureWorkChain.get_builder_from_protocol(code, as_node(silicon()), 0, "demo", overrides)
    outputs, node = run_get_node(builder)
    assert node.exit_status == LabelStructureWorkChain.exit_codes.ERROR_STAGE_2_FAILED.status
    labelled, summary = outputs["labelled"].structures, outputs["summary"].get_dict()
    assert len(labelled) == len(jobs_of(node)) >= 1
    np.testing.assert_allclose(labelled.positions[:2], silicon().positions, atol=1e-6)
    np.testing.assert_allclose(labelled.values("forces")[:2].sum(axis=0), 0, atol=1e-2)
    assert summary["remarks"][0] == "job 0, stage 2: the output ends after step 1, before its own end"
