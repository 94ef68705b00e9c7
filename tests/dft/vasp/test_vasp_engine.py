"""The VASP side of the seam: what goes in for a structure, and what is read from real VASP output."""

from pathlib import Path

import ase.test
import numpy as np
import pytest
from aiida.orm import Dict, StructureData, TrajectoryData
from aiida_vasp.parsers.content_parsers.outcar import OutcarParser
from aiida_vasp.parsers.content_parsers.vasprun import VasprunParser
from aiida_vasp.parsers.vasp import VaspParser
from ase.io import read

from aiida_dismai.calculations.functions.labels import grouped_order
from aiida_dismai.dft import Potentials, StageSettings
from aiida_dismai.dft.vasp import ENGINE

#: Files that VASP 6.3 wrote, as they come with ASE.
REAL = Path(ase.test.__file__).parent / "testdata" / "vasp"
KB_IN_EV_PER_A3 = 1 / 1602.1766208


def trajectory_node(path):
    """Parse a vasprun.xml as aiida-vasp's parser does when a job is retrieved."""
    settings = {"energy_type": ["energy_free", "energy_extrapolated"], "electronic_step_energies": True}
    with path.open("rb") as handle:
        parsed, errors = VasprunParser(handler=handle, settings=settings).get_all_quantities()
    assert "trajectory" not in errors
    return VaspParser._compose_trajectory(None, {"vasprun.xml": parsed})


@pytest.mark.parametrize(
    ("name", "pressure"),
    [("vasprun_dfpt.xml", 0.0), ("vasprun_pstress.xml", 1.0)],  # kB
)
def test_real_vasp_output_agrees_with_ase(aiida_profile, name, pressure):
    node = trajectory_node(REAL / name)
    expected = read(REAL / name, index=0)
    # The first file goes on with linear response, whose electronic steps are counted too.
    status = {"nelm": 1000, "ionic_converged": None}
    steps = ENGINE.read({"trajectory": node, "misc": Dict({"run_status": status})}, expected.positions)
    assert (steps.done, steps.dropped, len(steps.energies)) == (1, 0, 1)
    # The label is the free energy, which the forces are the derivative of. Under pressure VASP writes the
    # enthalpy in its place, and ASE takes p V out of it: labelling refuses PSTRESS.
    enthalpy = expected.get_potential_energy(force_consistent=True) + pressure * KB_IN_EV_PER_A3 * expected.get_volume()
    assert steps.energies[0] == pytest.approx(enthalpy, abs=1e-6)
    np.testing.assert_allclose(steps.positions[0], expected.positions, atol=1e-6)
    np.testing.assert_allclose(steps.cells[0], np.asarray(expected.cell), atol=1e-6)
    np.testing.assert_allclose(steps.forces[0], expected.get_forces(), atol=1e-6)
    np.testing.assert_allclose(steps.stresses[0], expected.get_stress(voigt=False) * 160.2176634, rtol=1e-5, atol=1e-4)


def test_the_label_is_the_free_energy(aiida_profile):
    """In real output with smearing the two energies differ, so that the choice can be seen."""
    node = trajectory_node(REAL / "vasprun_pstress.xml")
    steps = ENGINE.read({"trajectory": node, "misc": Dict({"run_status": {"nelm": 60}})}, np.zeros((2, 3)))
    assert steps.energies[0] == node.get_array("energy_free")[0] == pytest.approx(-20.23985977)
    assert node.get_array("energy_extrapolated")[0] == pytest.approx(-20.24010135)


def test_the_status_of_real_vasp_output_is_known(aiida_profile):
    with (REAL / "OUTCAR_example_1").open() as handle:
        parsed, _ = OutcarParser(handler=handle).get_all_quantities()
    assert {"nelm", "nsw", "ionic_converged", "finished"} <= set(parsed["run_status"])


def made_up_trajectory(fractional, cell, scf=None, forces=None):
    n, m = fractional.shape[:2]
    node = TrajectoryData()
    arrays = {
        "cells": np.tile(cell, (n, 1, 1)),
        "positions": fractional,
        "forces": np.zeros((n, m, 3)) if forces is None else forces,
        "stress": np.tile(10.0 * np.eye(3), (n, 1, 1)),
        "energy_free": np.arange(n, dtype=float),
        "electronic_steps": np.full(n, 5) if scf is None else np.array(scf),
    }
    for name, array in arrays.items():
        node.set_array(name, array)
    return node


def read_steps(node, start, **status):
    return ENGINE.read({"trajectory": node, "misc": Dict({"run_status": {"nelm": 60} | status})}, start)


def test_units_sign_and_unwrapping(aiida_profile):
    cell = np.diag([4.0, 5.0, 10.0])
    # The atom leaves the cell below, and VASP writes it back in at the top.
    fractional = np.array([[[0.0, 0.0, 0.01]], [[0.0, 0.99, 0.99]], [[0.0, 0.98, 0.97]]])
    steps = read_steps(made_up_trajectory(fractional, cell), np.array([[0.0, 0.0, 0.1]]), ionic_converged=True)
    np.testing.assert_allclose(steps.positions[:, 0, 1], [0.0, -0.05, -0.1], atol=1e-12)
    np.testing.assert_allclose(steps.positions[:, 0, 2], [0.1, -0.1, -0.3], atol=1e-12)
    # 10 kB of compression are -1 GPa.
    np.testing.assert_allclose(steps.stresses[0], -np.eye(3))
    assert steps.converged


def test_steps_that_are_no_labels_are_dropped_and_counted(aiida_profile):
    fractional = np.zeros((4, 1, 3))
    forces = np.zeros((4, 1, 3))
    forces[2] = np.nan
    node = made_up_trajectory(fractional, np.eye(3), scf=[5, 60, 5, 5], forces=forces)
    steps = read_steps(node, np.zeros((1, 3)))
    assert (steps.done, steps.dropped) == (4, 2)
    assert steps.numbers.tolist() == [0, 3]
    assert steps.energies.tolist() == [0.0, 3.0]


def test_more_frames_than_energies_are_cut(aiida_profile):
    node = made_up_trajectory(np.zeros((3, 1, 3)), np.eye(3))
    node.set_array("energy_free", np.array([1.0, 2.0]))
    assert read_steps(node, np.zeros((1, 3))).done == 2


def test_inputs_follow_the_order_of_the_sites(aiida_profile, vasp_code):
    structure = StructureData(cell=np.diag([5.0, 5.0, 5.0]).tolist())
    for symbol in ("Li", "Co", "O"):
        structure.append_atom(symbols=symbol, position=(0.0, 0.0, 0.0))
    settings = StageSettings(
        parameters={"ENCUT": 300},
        hubbard_u={"Co": {"orbital": "d", "u": 3.32}, "Fe": {"orbital": "d", "u": 4.0}},
        magnetic_moments={"Co": 0.6},
        dipole_correction=True,
        must_converge=False,
    )
    inputs = ENGINE.inputs(
        vasp_code(),
        structure,
        np.array([True, False, True]),
        settings,
        Potentials("family", {"Li": "Li_sv", "Co": "Co", "O": "O", "Cl": "Cl"}),
        {"resources": {"num_machines": 2}},
    )
    assert inputs["parameters"].get_dict() == {"incar": {"encut": 300, "ldipol": True, "idipol": 3}}
    assert inputs["dynamics"]["positions_dof"] == [[True] * 3, [False] * 3, [True] * 3]
    assert inputs["potential_mapping"].get_dict() == {"Li": "Li_sv", "Co": "Co", "O": "O"}
    assert inputs["ldau_mapping"].get_dict() == {"mapping": {"Co": ["d", 3.32]}, "utype": 2}
    assert inputs["magmom_mapping"].get_dict() == {"default": 0.0, "Co": 0.6}
    assert inputs["settings"]["CHECK_IONIC_CONVERGENCE"] is False
    assert inputs["settings"]["parser_settings"]["check_ionic_convergence"] is False
    assert inputs["calc"]["metadata"]["options"] == {"resources": {"num_machines": 2}}


def test_grouped_order():
    assert grouped_order([3, 27, 3, 8, 27]).tolist() == [0, 2, 1, 4, 3]
    assert grouped_order([3, 3, 21, 27, 17, 8]).tolist() == list(range(6))
