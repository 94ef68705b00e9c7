"""Potentials have a future: what every version of a network has written can still be read, and computes the same."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.potentials import architectures
from aiida_dismai.engine.potentials.architectures import ARCHITECTURES
from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.potentials.folder import load_potential
from aiida_dismai.engine.structures import read_npz
from aiida_dismai.engine.structures.convert import to_ase

FOLDER = Path(__file__).parents[2] / "data" / "weights"
VERSIONS = [(name, version) for name, known in ARCHITECTURES.items() for version in range(1, known.version + 1)]


def labels(folder, structure):
    atoms = to_ase(structure)[0]
    atoms.calc = make_calculator("m3gnet", {}, folder, "cpu", structure)
    return atoms.get_potential_energy(), atoms.get_forces()


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_every_version_computes_what_it_computed_when_it_was_stored(name, version):
    folder = FOLDER / f"{name}-{version}"
    expected = read_npz(folder / "labels.npz")
    energy, forces = labels(folder, expected)
    assert energy == pytest.approx(expected.values("energy")[0], abs=1e-4)
    np.testing.assert_allclose(forces, expected.values("forces"), atol=1e-4)


def rename(stored):
    weights = {name.removeprefix("old."): tensor for name, tensor in stored.weights.items()}
    network = {name.replace("width", "units"): value for name, value in stored.parameters.items()}
    return replace(stored, parameters=network, weights=weights)


def test_weights_of_an_earlier_version_are_upgraded(tmp_path, monkeypatch):
    """The stored potential plays a later version; a copy with other names of tensors and arguments the earlier one."""
    from aiida_dismai.engine.checkpoint import load_weights, save_weights
    from aiida_dismai.engine.trained import CONFIG, POTENTIAL, WEIGHTS

    earlier = tmp_path / "earlier"
    shutil.copytree(FOLDER / "m3gnet-1", earlier)
    save_weights(earlier / WEIGHTS, {f"old.{name}": tensor for name, tensor in load_weights(earlier / WEIGHTS).items()})
    config = json.loads((earlier / CONFIG).read_text())
    config["network"]["width"] = config["network"].pop("units")
    POTENTIAL.write_config(earlier, {key: value for key, value in config.items() if key != "sha256"})
    with pytest.raises(BadWeights, match=r"do not fit the network|arguments of the network"):
        load_potential(earlier)
    known = replace(ARCHITECTURES["m3gnet"], version=2, upgrades={1: f"{__name__}:rename"})
    monkeypatch.setattr(architectures, "ARCHITECTURES", {"m3gnet": known})
    structure = read_npz(earlier / "labels.npz")
    energy, forces = labels(earlier, structure)
    monkeypatch.undo()
    same_energy, same_forces = labels(FOLDER / "m3gnet-1", structure)
    assert energy == same_energy
    assert (forces == same_forces).all()
