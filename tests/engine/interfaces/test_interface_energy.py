import subprocess
import sys

import numpy as np
import pytest

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.interfaces.energy import cutoff_energy, interface_energy, lateral_area


def test_by_hand():
    # 10 atoms on 20 Å²: (−4.9 + 5.0) eV · 10 / 20 Å² = 0.05 eV/Å² = 0.8010883 J/m²
    np.testing.assert_allclose(interface_energy([-49.0, -50.0, -51.0], 10, 20.0, -5.0), [0.801088317, 0, -0.801088317])
    # back: 0.801088317 J/m² above −5.1 eV/atom are 0.1 eV/atom
    assert cutoff_energy([-49.0, -51.0], 10, 20.0, window=0.801088317) == pytest.approx(-5.0)


def test_the_lowest_structure_lies_the_window_below_the_cutoff():
    rng = np.random.default_rng(0)
    energies = rng.normal(-1267.2, 1.0, 50)
    area = lateral_area(
        np.array([[12.46997, 0, 0], [17.19967 * np.cos(1.32064), 17.19967 * np.sin(1.32064), 0], [0, 0, 33.2]])
    )
    assert area == pytest.approx(207.80, abs=0.01)
    cutoff = cutoff_energy(energies, 264, area)
    assert cutoff - energies.min() / 264 == pytest.approx(0.019652, abs=2e-6)  # 0.4 · 207.80 / 16.021766 / 264
    assert interface_energy(energies, 264, area, cutoff).min() == pytest.approx(-0.4)


def test_the_papers_cutoff():
    # −4.80 eV/atom against −4.78: −0.02 · 264 · 16.021766 / 207.8037
    assert interface_energy(-4.80 * 264, 264, 207.8037, -4.78)[0] == pytest.approx(-0.40709, abs=1e-5)


def test_areas_of_many_oblique_cells():
    cells = np.array([np.diag([2.0, 3.0, 9.0]), [[2.0, 0, 0], [1.0, 3.0, 4.0], [0, 0, 9.0]]])
    np.testing.assert_allclose(lateral_area(cells), [6.0, 10.0])


def test_structures_of_different_size_use_the_lowest_ones_area():
    assert cutoff_energy([-10.0, -30.0], [4, 10], [5.0, 8.0], window=16.02176634) == pytest.approx(-3.0 + 0.8)


@pytest.mark.parametrize("energies", [[], [1.0, float("nan")]])
def test_bad_energies(energies):
    with pytest.raises(BadInput):
        cutoff_energy(energies, 10, 20.0)


def test_what_the_host_imports_is_light():
    modules = "energy, parameters, protocol, crystals"
    code = (
        f"import sys; from aiida_dismai.engine.interfaces import {modules}, REGIONS; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
