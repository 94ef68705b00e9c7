"""From a crystal to a relaxed one."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import StructureData
from ase.build import bulk
from support.pw import pseudo_family, pw_code, pw_path, silicon

from aiida_dismai.cli.inputs import crystal_input
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.workchains.bulk import BulkWorkChain

__all__ = ["pseudo_family", "pw_code", "pw_path"]


@pytest.mark.engine
def test_a_crystal_with_the_stand_in(vasp_code, label_overrides):
    """EMT's copper has 3.589 Å; all that led there is in the graph."""
    crystal = StructureData(ase=bulk("Cu", a=3.75, cubic=True)).store()
    builder = BulkWorkChain.get_builder_from_protocol(vasp_code("emt"), crystal, "bulk_lsc", label_overrides)
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    relaxed = outputs["crystal"]
    np.testing.assert_allclose(relaxed.get_ase().cell.lengths(), 3.589, atol=0.01)
    assert relaxed.creator.inputs.relaxed.uuid == outputs["relaxed"].uuid
    assert crystal_input(str(node.pk), "slab-a").uuid == relaxed.uuid
    assert builder.stage_2.settings["kpoints"]["mesh"] == [6, 4, 6]
    label = next(call for call in node.called if call.process_label == "LabelStructureWorkChain")
    with pytest.raises(BadInput, match="has no output 'crystal'"):
        crystal_input(str(label.pk), "slab-a")


@pytest.mark.slow
def test_a_cell_with_real_dft(pw_code, pseudo_family):
    """The stress is gone, and the final SCF of vc-relax is no label."""
    atoms = silicon(rattle=0.02)
    atoms.set_cell(atoms.cell.array * 0.985, scale_atoms=True)
    overrides = {
        "potential_family": pseudo_family,
        "stage_2": {
            "settings": {
                "kpoints": {"mesh": [2, 2, 2], "offset": [0.5, 0.5, 0.5]},
                "parameters": {
                    "SYSTEM": {"ecutwfc": 20},
                    "CONTROL": {"forc_conv_thr": 1e-3, "etot_conv_thr": 1e-3},
                    "ELECTRONS": {"conv_thr": 1e-8},
                    "CELL": {"press_conv_thr": 5.0},
                },
            }
        },
    }
    crystal = StructureData(ase=atoms).store()
    outputs, node = run_get_node(BulkWorkChain.get_builder_from_protocol(pw_code, crystal, "bulk_lco", overrides))
    assert node.is_finished_ok, node.exit_message
    labelled = outputs["labelled"].structures
    stress = np.abs(labelled.values("stress")).max(axis=(1, 2))
    assert stress[-1] < 0.6 < stress[0]
    assert np.abs(labelled.cells[-1] - labelled.cells[0]).max() > 1e-3
    np.testing.assert_allclose(outputs["crystal"].cell, labelled.cells[-1])
    assert outputs["summary"]["converged"]


@pytest.mark.engine
def test_a_relaxation_that_fails(vasp_code, label_overrides):
    crystal = StructureData(ase=bulk("Cu", a=3.75, cubic=True)).store()
    overrides = label_overrides | {"stage_2": {"settings": {"max_iterations": 1, "parameters": {"nsw": 2}}}}
    outputs, node = run_get_node(
        BulkWorkChain.get_builder_from_protocol(vasp_code("emt"), crystal, "bulk_lco", overrides)
    )
    assert node.exit_status == BulkWorkChain.exit_codes.ERROR_CRYSTAL.status
    assert "crystal" not in outputs
    assert len(outputs["labelled"]) == 2


def test_crystals_that_are_refused(vasp_code, label_overrides):
    disordered = StructureData(cell=3.6 * np.eye(3))
    disordered.append_atom(symbols=("Cu", "Ni"), weights=(0.5, 0.5), position=(0, 0, 0))
    with pytest.raises(BadInput, match="crystal: "):
        BulkWorkChain.get_builder_from_protocol(vasp_code("emt"), disordered, None, label_overrides)
