"""A small Gaussian approximation potential, fitted where it is needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.structures import from_ase


def fitted_gap(folder: Path) -> Path:
    """Fit a two-body GAP to Stillinger–Weber energies and forces of rattled diamond; its sparse points lie beside it.

    Args:
        folder: in which it is fitted.

    Returns:
        The file of the potential.
    """
    stillinger_weber = make_calculator("sw", {}, None, "cpu", from_ase([bulk("Si")]))
    frames = [Atoms("Si", cell=[20, 20, 20], pbc=True)]
    frames[0].info["config_type"] = "isolated_atom"
    frames[0].calc = SinglePointCalculator(frames[0], energy=0.0, forces=np.zeros((1, 3)))
    for seed in range(6):
        atoms = bulk("Si", cubic=True, a=5.3 + 0.05 * seed)
        atoms.rattle(0.1, seed=seed)
        energy, forces = (stillinger_weber.get_property(name, atoms) for name in ("energy", "forces"))
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces.copy())
        frames.append(atoms)
    for frame in frames:
        frame.info["E"] = frame.calc.results["energy"]
        frame.arrays["F"] = frame.calc.results["forces"]
        frame.calc = None
    write(folder / "train.xyz", frames, format="extxyz")
    program = shutil.which("gap_fit", path=str(Path(sys.executable).parent)) or shutil.which("gap_fit")
    if program is None:
        pytest.skip("quippy came without gap_fit")
    command = [
        program,
        "at_file=train.xyz",
        "gap={distance_2b cutoff=4.0 covariance_type=ard_se delta=1.0 theta_uniform=1.0 sparse_method=uniform "
        "n_sparse=10 add_species=T}",
        "e0_method=isolated",
        "default_sigma={0.01 0.1 0.0 0.0}",
        "energy_parameter_name=E",
        "force_parameter_name=F",
        "do_copy_at_file=F",
        "gp_file=gap.xml",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return folder / "gap.xml"
