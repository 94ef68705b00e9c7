"""Families that are installed for a test: module and entry point are on the path, that of other processes too."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from aiida.orm import InstalledCode
from ase.build import bulk
from support.plugins import install

from aiida_dismai.engine.structures import StructureSet, from_ase


@pytest.fixture
def install_family(tmp_path, monkeypatch):
    """Return what installs a family as ``pip install`` would: its entry point, and the folder of its module."""

    def install_family(name: str, entry: str, folder: Path) -> None:
        site = tmp_path / "site"
        monkeypatch.syspath_prepend(str(folder))
        install(monkeypatch, site, "dismai.families", **{name: entry})
        folders = [str(site), str(folder), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))

    return install_family


@pytest.fixture
def rocksalt(install_family, monkeypatch):
    """Install the family of rocksalt.py."""
    install_family("rocksalt", "rocksalt:SPEC", Path(__file__).parent)
    monkeypatch.delitem(sys.modules, "rocksalt", raising=False)
    import rocksalt

    return rocksalt.SPEC


@pytest.fixture
def check():
    """Return a check of the results of six crystals, of which the first three have two atoms exchanged."""
    # 2 atoms of each of these have no unlike neighbour, 12 have 5 and 50 have 6
    distance = np.sqrt(2**2 + 12**2 + 14**2) / 64

    def check(results):
        assert results["kind"] == "rocksalt"
        assert results["d_unlike"]["value"] == pytest.approx(distance / 2)
        assert results["d_unlike"]["floor"] == pytest.approx(0)
        assert results["antisite_percent"]["value"] == 50
        assert results["antisite_percent"]["floor"] == 0
        assert results["order"]["training"] == {"mean": 100, "std": 0}
        assert results["order"]["generated"]["mean"] == pytest.approx(100 * (1 - 12 / 192 / 2))

    return check


@pytest.fixture
def crystals():
    """Return a factory of sets of NaCl, 64 atoms; of the first so many, two atoms far apart have changed places."""

    def make(count: int, swapped: int = 0) -> StructureSet:
        frames = []
        for index in range(count):
            atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (2, 2, 2)
            if index < swapped:
                sodium = 0
                others = [i for i, symbol in enumerate(atoms.symbols) if symbol == "Cl"]
                chlorine = others[int(np.argmax(atoms.get_distances(sodium, others, mic=True)))]
                atoms.symbols[[sodium, chlorine]] = ["Cl", "Na"]
            atoms.positions += 0.01 * index  # equal structures would be one record
            frames.append(atoms)
        return from_ase(frames)

    return make


@pytest.fixture
def rocksalt_code(dismai_code, rocksalt, tmp_path):
    """Return the engine as a code in whose environment the family is installed, too."""
    folders = os.pathsep.join([str(tmp_path / "site"), str(Path(__file__).parent)])
    return InstalledCode(
        label="dismai_rocksalt",
        computer=dismai_code.computer,
        filepath_executable=str(dismai_code.filepath_executable),
        default_calc_job_plugin="dismai.relax",
        prepend_text=f"{dismai_code.prepend_text}\nexport PYTHONPATH=$PYTHONPATH:{folders}",
    ).store()
