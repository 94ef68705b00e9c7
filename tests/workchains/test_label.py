"""Labelling through aiida-vasp's own WorkChains, with the stand-in in VASP's place."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcFunctionNode, CalcJobNode
from ase.calculators.emt import EMT

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import from_ase, to_ase
from aiida_dismai.workchains.label import LabelWorkChain
from aiida_dismai.workchains.label_structure import LabelStructureWorkChain


def assert_labels_are_emt(labelled):
    """Energy, forces and stress of every frame are those of its geometry, atoms in the order of the input."""
    assert len(labelled)
    for i, frame in enumerate(to_ase(labelled.without_properties())):
        frame.calc = EMT()
        own = labelled.atoms_of(i)
        assert labelled.values("energy")[i] == pytest.approx(frame.get_potential_energy(), abs=1e-5)
        np.testing.assert_allclose(labelled.values("forces")[own], frame.get_forces(), atol=1e-5)
        expected = frame.get_stress(voigt=False) * 160.21766
        np.testing.assert_allclose(labelled.values("stress")[i], expected, atol=1e-4)


@pytest.mark.slow
def test_a_set_is_labelled_and_a_failing_structure_does_not_lose_the_rest(slabs, vasp_code, label_overrides):
    frames = to_ase(slabs(3).structures)
    frames[1].symbols[2] = "Au"
    structures = StructureSetData(from_ase(frames))
    code = vasp_code("support.standin_calculators:NoGold")
    overrides = label_overrides | {"max_concurrent": 2, "max_failed_fraction": 0.3}
    builder = LabelWorkChain.get_builder_from_protocol(code, structures, "demo", overrides)
    outputs, node = run_get_node(builder)

    # A third failed, three tenths were allowed; what was done is there all the same.
    assert node.exit_status == LabelWorkChain.exit_codes.ERROR_TOO_MANY_FAILED.status
    failed = outputs["failed"].get_dict()
    assert (failed["structures"], failed["count"]) == (3, 1)
    assert failed["failures"][0]["index"] == 1
    assert failed["failures"][0]["exit_status"] == LabelStructureWorkChain.exit_codes.ERROR_STAGE_1_FAILED.status
    assert "stage 1 failed" in failed["failures"][0]["reason"]

    labelled = outputs["labelled"].structures
    assert_labels_are_emt(labelled)
    # Two steps of stage 1 and three of stage 2, as the protocol says, for each of the two.
    assert labelled.values("trajectory").tolist() == [0] * 5 + [2] * 5
    assert labelled.values("stage").tolist() == [1, 1, 2, 2, 2] * 2
    assert labelled.values("step").tolist() == [0, 1, 0, 1, 2] * 2
    assert set(labelled.values("source")) == {code.full_label}
    initial = structures.structures
    for trajectory in (0, 2):
        own = labelled[np.flatnonzero(labelled.values("trajectory") == trajectory)]
        start = initial[trajectory]
        positions = own.positions.reshape(5, 4, 3)
        np.testing.assert_array_equal(own.numbers[:4], start.numbers)
        np.testing.assert_allclose(positions[0], start.positions, atol=1e-6)
        moved = np.abs(positions - start.positions).max(axis=(0, 2))
        region = start.values("region")
        np.testing.assert_array_equal(own.values("region")[:4], region)
        in_stage_1 = np.abs(positions[:2] - start.positions).max(axis=(0, 2))
        assert in_stage_1[region == 1].max() < 1e-6
        assert in_stage_1[region == 0].min() > 1e-3
        assert moved[region == 1].min() > 1e-3
        # Stage 2 begins where stage 1 ended.
        np.testing.assert_allclose(positions[2], positions[1], atol=1e-6)

    relaxed = outputs["relaxed"].structures
    assert relaxed.values("trajectory").tolist() == [0, 2]
    assert relaxed.values("steps").tolist() == [3, 3]
    assert relaxed.values("converged").tolist() == [False, False]
    np.testing.assert_array_equal(relaxed.values("energy"), labelled.values("energy")[[4, 9]])
    np.testing.assert_array_equal(relaxed.values("energy_initial"), labelled.values("energy")[[2, 7]])
    summary = outputs["summary"].get_dict()
    assert summary["labelled_steps"] == 10
    assert (summary["labelled_steps_stage_1"], summary["labelled_steps_stage_2"]) == (4, 6)
    assert (summary["failed"], summary["labelled_structures"]) == (1, 2)

    # Two lanes with every second structure, and the graph leads from the labels to the input set.
    lanes = sorted(node.called, key=lambda call: call.pk)[:2]
    assert [[call.inputs.index.value for call in lane.called] for lane in lanes] == [[0, 2], [1]]
    child = lanes[0].called[0]
    functions = {call.process_label for call in child.called if isinstance(call, CalcFunctionNode)}
    assert functions == {"take_structure", "collect_steps"}
    jobs = [call for call in child.called_descendants if isinstance(call, CalcJobNode)]
    assert [job.inputs.parameters["encut"] for job in jobs] == [374.3, 450.0]
    assert jobs[0].inputs.structure.creator.inputs.structures.uuid == structures.uuid
    assert "POTCAR" not in jobs[0].base.repository.list_object_names()


@pytest.mark.slow
def test_pre_relaxed_structures_skip_stage_1(slabs, vasp_code, label_overrides):
    structures = StructureSetData(slabs(1).structures.without_properties())
    overrides = label_overrides | {"pre_relaxed": True, "stage_2": {"settings": {"parameters": {"nsw": 100}}}}
    builder = LabelWorkChain.get_builder_from_protocol(vasp_code(), structures, "demo", overrides)
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok
    labelled, relaxed = outputs["labelled"].structures, outputs["relaxed"].structures
    assert set(labelled.values("stage")) == {2}
    assert "region" not in labelled.properties
    assert relaxed.values("converged").tolist() == [True]
    assert relaxed.values("fmax")[0] < 0.1
    assert relaxed.values("steps")[0] == len(labelled) < 100
    assert outputs["failed"]["count"] == 0
    assert outputs["summary"]["converged"] == 1


@pytest.mark.slow
def test_stage_2_that_does_not_converge_fails_but_keeps_its_labels(slabs, vasp_code, label_overrides):
    change = {"must_converge": True, "max_iterations": 2, "parameters": {"nsw": 2, "ediffg": -1e-6}}
    overrides = label_overrides | {"pre_relaxed": True, "stage_2": {"settings": change}}
    builder = LabelStructureWorkChain.get_builder_from_protocol(vasp_code(), slabs(1), 0, "demo", overrides)
    outputs, node = run_get_node(builder)
    assert node.exit_status == LabelStructureWorkChain.exit_codes.ERROR_STAGE_2_FAILED.status
    assert "maximum number of iterations" in node.exit_message
    # Both jobs are labels; the second begins with the last geometry of the first, which is counted once.
    summary = outputs["summary"].get_dict()
    assert (summary["jobs"], summary["labelled_steps"], summary["repeated_steps"]) == (2, 3, 1)
    labelled = outputs["labelled"].structures
    assert labelled.values("step").tolist() == [0, 1, 2]
    assert_labels_are_emt(labelled)


def test_folders_are_removed_after_success(slabs, vasp_code, label_overrides):
    """The outputs are read from AiiDA afterwards."""
    options = {"clean_workdir": True, "monitors": {"hopeless": {"rise": 50}}}
    builder = LabelStructureWorkChain.get_builder_from_protocol(
        vasp_code(), slabs(1), 0, "demo", label_overrides, options
    )
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    jobs = [call for call in node.called_descendants if call.process_label == "VaspCalculation"]
    assert len(jobs) == 2
    assert all(job.outputs.remote_folder.is_cleaned for job in jobs)
    assert all(job.inputs.monitors.hopeless["kwargs"] == {"rise": 50} for job in jobs)
    assert len(outputs["labelled"])


def test_steps_without_converged_electrons_are_no_labels(slabs, vasp_code, label_overrides):
    overrides = label_overrides | {"stage_1": {"settings": {"max_iterations": 1}}}
    builder = LabelStructureWorkChain.get_builder_from_protocol(
        vasp_code("emt", "nelm"), slabs(1), 0, "demo", overrides
    )
    outputs, node = run_get_node(builder)
    assert node.exit_status == LabelStructureWorkChain.exit_codes.ERROR_STAGE_1_FAILED.status
    assert "labelled" not in outputs
    assert outputs["summary"]["dropped_steps"] == outputs["summary"]["ionic_steps"]["stage_1"] == 2


def test_steps_of_a_killed_job_are_labels(slabs, vasp_code, label_overrides):
    overrides = label_overrides | {"stage_1": {"settings": {"max_iterations": 1}}}
    builder = LabelStructureWorkChain.get_builder_from_protocol(
        vasp_code("emt", "timeout"), slabs(1), 0, "demo", overrides
    )
    outputs, node = run_get_node(builder)
    assert node.exit_status == LabelStructureWorkChain.exit_codes.ERROR_STAGE_1_FAILED.status
    assert len(outputs["labelled"]) == 1
    assert "relaxed" not in outputs
    assert_labels_are_emt(outputs["labelled"].structures)


def test_steps_before_a_kill_inside_a_step_are_labels(slabs, vasp_code, label_overrides):
    """aiida-vasp's parser gives up the vasprun.xml that such a job leaves."""
    overrides = label_overrides | {"stage_1": {"settings": {"max_iterations": 1}}}
    builder = LabelStructureWorkChain.get_builder_from_protocol(vasp_code("emt", "cut"), slabs(1), 0, "demo", overrides)
    outputs, node = run_get_node(builder)
    assert node.exit_status == LabelStructureWorkChain.exit_codes.ERROR_STAGE_1_FAILED.status
    jobs = [call for call in node.called_descendants if isinstance(call, CalcJobNode)]
    assert all("trajectory" not in job.outputs for job in jobs)
    assert len(outputs["labelled"]) == 1
    assert_labels_are_emt(outputs["labelled"].structures)
    summary = outputs["summary"].get_dict()
    assert (summary["labelled_steps"], summary["repeated_steps"]) == (1, summary["jobs"] - 1)
    assert "ends inside step 2" in summary["remarks"][0]


def test_nothing_labelled(slabs, vasp_code, label_overrides):
    change = {"stage_2": {"settings": {"parameters": {"nsw": 1}}}}
    builder = LabelWorkChain.get_builder_from_protocol(
        vasp_code("support.standin_calculators:NotANumber"),
        slabs(1),
        "demo",
        label_overrides | {"pre_relaxed": True} | change,
    )
    outputs, node = run_get_node(builder)
    assert node.exit_status == LabelWorkChain.exit_codes.ERROR_NOTHING_LABELLED.status
    assert outputs["failed"]["failures"][0]["exit_status"] == LabelStructureWorkChain.exit_codes.ERROR_NO_LABELS.status
    assert "labelled" not in outputs
