import pytest
from ase.units import create_units

from aiida_dismai.engine import units

ASE = create_units("2018")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (units.BOLTZMANN, ASE["kB"]),
        (units.HARTREE, ASE["Hartree"]),
        (units.BOHR, ASE["Bohr"]),
        (units.COULOMB, ASE["Hartree"] * ASE["Bohr"]),
        (units.KJ_PER_MOL, ASE["kJ"] / ASE["mol"]),
        (units.KCAL_PER_MOL, ASE["kcal"] / ASE["mol"]),
        (units.EV_PER_A3_IN_GPA, 1 / ASE["GPa"]),
        (units.EV_PER_A3_IN_KBAR, 1e-3 / ASE["bar"]),
        (units.EV_PER_A2_IN_J_PER_M2, ASE["m"] ** 2 / ASE["J"]),
        (units.U_PER_A3_IN_G_PER_CM3, (1e-2 * ASE["m"]) ** 3 / (1e-3 * ASE["kg"])),
        (units.EV_IN_U_A2_PER_PS2, (1e3 * ASE["fs"]) ** 2),
    ],
)
def test_constants_are_those_of_codata_2018(ours, theirs):
    assert ours == pytest.approx(theirs, rel=1e-10)
