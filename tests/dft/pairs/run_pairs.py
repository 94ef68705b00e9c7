"""The code of the engine `pairs`: Lennard-Jones atoms moved along their forces, in units of its own (Hartree, bohr)."""

import json
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.units import Bohr, GPa, Hartree

job = json.loads(Path("job.json").read_text())
atoms = Atoms(job["symbols"], job["positions"], cell=job["cell"], pbc=True)
atoms.calc = LennardJones(**job["potential"])
steps = []
for _ in range(job["steps"]):
    forces = atoms.get_forces()
    steps.append(
        {
            "cell": (np.asarray(atoms.cell) / Bohr).tolist(),
            "positions": (atoms.positions / Bohr).tolist(),
            "energy": atoms.get_potential_energy() / Hartree,
            "forces": (forces / Hartree * Bohr).tolist(),
            "pressure_tensor": (-atoms.get_stress(voigt=False) / GPa).tolist(),
        }
    )
    atoms.positions += np.where(np.array(job["fixed"])[:, None], 0, job["step_size"] * forces)
Path("steps.json").write_text(json.dumps(steps))
if job["crash"]:
    raise SystemExit("crashed")
