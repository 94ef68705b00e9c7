"""The paper's expansion, and its lattice."""

from __future__ import annotations

import pytest

from aiida_dismai.engine.alloys.expansion import Expansion, packaged_expansion
from aiida_dismai.engine.alloys.lattice import Lattice


@pytest.fixture(scope="session")
def expansion() -> Expansion:
    return packaged_expansion()


@pytest.fixture(scope="session")
def fcc(expansion) -> Lattice:
    return expansion.lattice
