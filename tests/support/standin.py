"""Fixtures of what relaxes with DFT: the VASP stand-in as a code, its POTCARs, and small slabs with regions."""

import sys
from pathlib import Path

import numpy as np
import pytest
from aiida.orm import InstalledCode
from ase.build import bulk

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import from_ase
from aiida_dismai.standin.main import CALCULATOR_VARIABLE, FAILURE_VARIABLE
from aiida_dismai.standin.potcars import write_potcar_family

FAMILY = "standin-test"
#: Folder of this package, whose calculators go wrong on purpose.
TESTS = Path(__file__).parents[1]


@pytest.fixture
def vasp_code(quick_computer):
    """Return a factory of codes that run the stand-in with a calculator, and fail on demand."""

    def make(calculator="emt", failure=""):
        return InstalledCode(
            label=f"standin-{calculator.split(':')[-1]}{failure and '-' + failure}",
            computer=quick_computer,
            filepath_executable=str(Path(sys.prefix) / "bin" / "dismai-vasp-standin"),
            default_calc_job_plugin="vasp.vasp",
            prepend_text=f"export OMP_NUM_THREADS=1 PYTHONPATH={TESTS}\n"
            f"export {CALCULATOR_VARIABLE}={calculator} {FAILURE_VARIABLE}={failure}",
        ).store()

    return make


@pytest.fixture
def potcar_family(aiida_profile, tmp_path):
    """Upload the stand-in's POTCARs once and return the name of the family."""
    from aiida_vasp.data.potcar import PotcarData

    if PotcarData.get_potcar_group(FAMILY) is None:
        write_potcar_family(tmp_path, ["Cu", "Ni", "Au"])
        PotcarData.upload_potcar_family(str(tmp_path), FAMILY, "stand-in", stop_if_existing=False)
    return FAMILY


@pytest.fixture
def slabs():
    """Return a factory of sets of rattled slabs: Cu and Ni in turn, region 0 and 1."""

    def make(count=2, seed=7):
        frames = []
        for index in range(count):
            atoms = bulk("Cu", cubic=True)
            atoms.symbols[1::2] = "Ni"
            atoms.center(vacuum=4.0, axis=2)
            atoms.rattle(0.08, seed=seed + index)
            atoms.set_array("region", np.array([0, 0, 1, 1]))
            frames.append(atoms)
        return StructureSetData(from_ase(frames))

    return make
