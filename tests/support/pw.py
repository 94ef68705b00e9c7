"""pw.x 7.2 for tests, its pseudopotentials, and small crystals that it relaxes in seconds.

PyPI's `qepy` ships the programs of Quantum ESPRESSO 7.2 and needs an older NumPy than everything else here, so it has a
separate environment, `.venv-pw`, which `make setup` makes, and which is made here where it is missing.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from aiida.orm import InstalledCode, QueryBuilder
from ase import Atoms
from ase.build import bulk

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import from_ase

ROOT = Path(__file__).parents[2]
PSEUDOS = ROOT / "tests" / "data" / "pseudos"
FAMILY = "dismai-test-pbe"
#: Environment variable with the path of another pw.x.
VARIABLE = "DISMAI_PW"


@cache
def pw_executable():
    """Return the path of pw.x, installed where it is missing; None where it cannot be had."""
    if VARIABLE in os.environ:
        return os.environ[VARIABLE]
    found = ROOT / ".venv-pw" / "bin" / "pw.x"
    if not found.exists():
        with (ROOT / ".venv-pw.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # workers of pytest-xdist
            if not found.exists():
                subprocess.run(["make", "-s", f"PYTHON={sys.executable}", "pw"], cwd=ROOT, check=False)
    return str(found) if found.exists() else shutil.which("pw.x")


@pytest.fixture
def pw_path():
    """Return the path of pw.x."""
    path = pw_executable()
    if path is None:
        pytest.skip("needs pw.x, and PyPI's qepy could not be installed")
    return path


@pytest.fixture
def pw_code(quick_computer, pw_path):
    """Return pw.x as a code."""
    return make_pw_code(quick_computer, pw_path)


def make_pw_code(computer, path, label="pw"):
    """Return a code that runs an executable as pw.x on one core."""
    return InstalledCode(
        label=label,
        computer=computer,
        filepath_executable=str(path),
        default_calc_job_plugin="quantumespresso.pw",
        prepend_text="export OMP_NUM_THREADS=1",
    ).store()


@pytest.fixture
def pseudo_family(aiida_profile):
    """Install the six pseudopotentials once and return the name of their family."""
    return install_pseudos()


def install_pseudos(name=FAMILY, elements=None, cutoffs=True, folder=PSEUDOS):
    """Install pseudopotentials of ``folder`` as a family, with cut-offs that are enough for tests only."""
    from aiida_pseudo.data.pseudo import UpfData
    from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily

    if QueryBuilder().append(CutoffsPseudoPotentialFamily, filters={"label": name}).count():
        return name
    family = CutoffsPseudoPotentialFamily(label=name).store()
    nodes = [UpfData.get_or_create(path) for path in sorted(folder.glob("*.upf"))]
    nodes = [node for node in nodes if elements is None or node.element in elements]
    family.add_nodes([node.store() for node in nodes])
    if cutoffs:
        table = json.loads((PSEUDOS / "cutoffs.json").read_text())
        for stringency, wave in table.items():
            each = {node.element: {"cutoff_wfc": wave, "cutoff_rho": 4 * wave} for node in nodes}
            family.set_cutoffs(each, stringency, unit="Ry")
    return name


def licoo2(seed=1, rattle=0.05):
    """Return the primitive cell of LiCoO2, four atoms, rattled; region 0 are the oxygens."""
    a, c, z = 2.82, 14.05, 0.24
    hexagonal = np.array([[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]])
    cell = np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3 @ hexagonal
    positions = np.array([[0, 0, 0.5], [0, 0, 0], [0, 0, z], [0, 0, 1 - z]]) @ hexagonal
    atoms = Atoms("LiCoO2", positions, cell=cell, pbc=True)
    atoms.wrap()
    atoms.rattle(rattle, seed=seed)
    atoms.set_array("region", np.array([1, 1, 0, 0]))
    return atoms


def silicon(rattle=0.05, seed=1):
    """Return the primitive cell of silicon, two atoms, rattled."""
    atoms = bulk("Si", a=5.43)
    atoms.rattle(rattle, seed=seed)
    atoms.set_array("region", np.array([0, 1]))
    return atoms


def as_node(*frames):
    """Return a stored structure set."""
    return StructureSetData(from_ase(list(frames))).store()
