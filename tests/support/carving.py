"""Large cells to carve from."""

import numpy as np
from ase import Atoms
from ase.build import bulk

from aiida_dismai.engine.amorphous.carve.large import look_at
from aiida_dismai.engine.amorphous.carve.parameters import CarveParameters
from aiida_dismai.engine.structures import from_ase

#: Lattice constant of silicon, Å.
A = 5.431


def parameters(**values):
    return CarveParameters.model_validate({"energies": None, "anneal": None, **values})


def crystal(repeat=6, rattle=0.0, seed=1):
    atoms = bulk("Si", a=A, cubic=True) * repeat
    atoms.rattle(rattle, seed=seed)
    return from_ase([atoms])


def skewed(repeat=(9, 9, 10), rattle=0.05):
    """Diamond in a cell of its primitive vectors, which are 60° apart."""
    atoms = bulk("Si", a=A) * repeat
    atoms.rattle(rattle, seed=4)
    return from_ase([atoms])


def gas(n=2000, side=34.0, seed=3):
    """Atoms in no order, at the density of silicon."""
    rng = np.random.default_rng(seed)
    return from_ase([Atoms(f"Si{n}", scaled_positions=rng.uniform(0, 1, (n, 3)), cell=np.eye(3) * side, pbc=True)])


def large(structures, **values):
    return look_at(structures, parameters(**values))
