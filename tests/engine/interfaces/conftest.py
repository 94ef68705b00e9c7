import numpy as np
import pytest
from ase.build import bulk

from aiida_dismai.engine.interfaces.build import Builder
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.parameters import InterfaceParameters
from aiida_dismai.engine.interfaces.protocol import lsc_lco
from aiida_dismai.engine.structures import from_ase


@pytest.fixture(scope="session")
def paper():
    """The builder of the paper's interface, without exchanges."""
    return Builder(licoo2(), li3sccl6(), InterfaceParameters.model_validate(lsc_lco()))


@pytest.fixture(scope="session")
def paper_exchanged():
    return Builder(licoo2(), li3sccl6(), InterfaceParameters.model_validate(lsc_lco(exchanges=True)))


@pytest.fixture(scope="session")
def rocksalt():
    def make(name, a):
        return from_ase([bulk(name, "rocksalt", a=a, cubic=True)])

    return make


@pytest.fixture(scope="session")
def triclinic():
    """Make a crystal without any symmetry."""

    def make(seed):
        from ase import Atoms

        rng = np.random.default_rng(seed)
        cell = np.diag(rng.uniform(3, 5, 3)) + rng.uniform(-0.8, 0.8, (3, 3))
        places = np.array([[0, 0, 0], [0.45, 0.55, 0.4], [0.6, 0.1, 0.7]]) + rng.uniform(-0.05, 0.05, (3, 3))
        return from_ase([Atoms("NaClF", scaled_positions=places, cell=cell, pbc=True)])

    return make
