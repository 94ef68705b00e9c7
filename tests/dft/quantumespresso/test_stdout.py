"""What pw.x prints: right numbers, and no step that is not whole."""

import gzip

import numpy as np
import pytest
from support.pw import ROOT

from aiida_dismai.dft.quantumespresso.stdout import BOHR, RYDBERG, read_stdout

PRINTED = gzip.decompress((ROOT / "tests/data/cases/pw/licoo2_u_two_steps.out.gz").read_bytes()).decode().splitlines()


def line_of(text, nth=0):
    return [i for i, line in enumerate(PRINTED) if text in line][nth]


def test_numbers_are_those_printed():
    found = read_stdout(PRINTED)
    assert found.version == (7, 2)
    assert found.hubbard == {"Co-3d": 3.32}
    assert found.symbols == ["Li", "Co", "O", "O"]
    assert found.md5[0] == "b62ec28937178f21c72520159cfcee23"
    assert found.ended
    assert not found.converged
    first, second = (step for step in found.steps if step.begun)
    assert first.positions is None
    printed = float(PRINTED[line_of("!    total energy")].split()[4])
    assert first.energy == pytest.approx(printed * 13.605693122994, abs=1e-9)
    assert second.energy < first.energy
    # the forces of the two atoms that were held are not zero, and all of them add up to nothing
    assert np.abs(first.forces[:2]).min() > 0.01
    np.testing.assert_allclose(first.forces.sum(axis=0), 0, atol=1e-5)
    row = PRINTED[line_of("Forces acting on atoms") + 2].split()
    np.testing.assert_allclose(first.forces[0], np.array(row[6:9], float) * RYDBERG / BOHR)
    # the other columns are the same in kbar, with two decimals
    at = line_of("total   stress")
    kbar = np.array([line.split()[3:] for line in PRINTED[at + 1 : at + 4]], float)
    np.testing.assert_allclose(first.stress, kbar / 10, atol=2e-3)
    assert second.positions.shape == (4, 3)
    np.testing.assert_allclose(second.positions[0], [0.0812172682, -0.0305878207, 6.9985914124])


def test_the_next_geometry_is_no_step():
    """After the last step pw.x prints where it would have gone."""
    assert sum("ATOMIC_POSITIONS" in line for line in PRINTED) == 2
    assert [step.begun for step in read_stdout(PRINTED).steps] == [True, True]


def test_the_final_scf_of_a_cell_relaxation_is_no_step():
    lines = [*PRINTED[: line_of("End of BFGS")], "     End of BFGS Geometry Optimization"]
    lines += ["     A final scf calculation at the relaxed structure."]
    lines += PRINTED[line_of("!    total energy") : line_of("BFGS Geometry Optimization")]
    assert len(read_stdout(lines).steps) == 2


@pytest.mark.parametrize("unit", ["alat", "alat= 9.36976709", "bohr"])
def test_units_of_geometries(unit):
    at = line_of("ATOMIC_POSITIONS")
    scale = BOHR if unit == "bohr" else 9.369767 * BOHR  # celldm(1)
    lines = [*PRINTED[:at], "CELL_PARAMETERS (alat= 2.00000000)", *["   1.0  0.0  -2.0"] * 3, ""]
    lines += [f"ATOMIC_POSITIONS ({unit})", *PRINTED[at + 1 :]]
    second = read_stdout(lines).steps[1]
    np.testing.assert_allclose(
        second.positions[0], np.array([0.0812172682, -0.0305878207, 6.9985914124]) * scale, rtol=1e-6
    )
    np.testing.assert_allclose(second.cell, np.array([[1, 0, -2]] * 3) * 2 * BOHR)


@pytest.mark.parametrize("cut", range(0, len(PRINTED), 37))
def test_a_cut_output_gives_the_steps_before_the_cut(cut):
    whole, found = read_stdout(PRINTED), read_stdout(PRINTED[:cut])
    assert not found.ended
    complete = [step for step in found.steps if step.stress is not None and len(step.stress) == 3]
    for step, other in zip(complete, whole.steps, strict=False):
        assert step.energy == other.energy
        np.testing.assert_array_equal(step.forces, other.forces)


def test_numbers_that_touch_and_stars():
    at = line_of("Forces acting on atoms") + 2
    lines = [*PRINTED]
    lines[at] = "     atom    1 type  2   force =    -0.02791442-120.01168869   -0.00708221"
    lines[at + 1] = "     atom    2 type  1   force =    ************    0.01168869   -0.00708221"
    forces = read_stdout(lines).steps[0].forces
    assert forces[0, 1] == pytest.approx(-120.01168869 * RYDBERG / BOHR)
    assert np.isnan(forces[1, 0])


def test_another_file_has_no_steps():
    found = read_stdout(["nothing", "of pw.x", "!    total energy   =  lots"])
    assert found.version is None
    assert not found.ended
