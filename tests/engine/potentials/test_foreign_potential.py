"""A potential of others, called by ``module:factory`` as any ASE calculator: SevenNet with the weights of its wheel."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from aiida_dismai.engine.structures import StructureSet, from_ase, read_npz, to_ase

#: To import it takes seconds, which the collection of tests is spared.
pytestmark = pytest.mark.skipif(find_spec("sevenn") is None, reason="the extra mlip is not installed")

FACTORY = "sevenn.calculator:SevenNetCalculator"
SEVENNET = {"calculator": FACTORY, "calculator_kwargs": {"device": "cpu"}, "device": "cpu"}


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISMAI_ALLOW_FACTORY", FACTORY)


def salt() -> StructureSet:
    """Displaced rock salt, LiCl, and copper between: eight atoms, and four."""
    frames = [bulk("LiCl", "rocksalt", a=5.13, cubic=True), bulk("Cu", cubic=True), None]
    frames[2] = frames[0].copy()
    for i, atoms in enumerate(frames):
        atoms.rattle(0.15, seed=i)
    return from_ase(frames)


@pytest.mark.slow
def test_sevennet_relaxes_with_any_number_of_workers(folder, tmp_path):
    digests = set()
    for workers in (1, 2):
        own = type(folder)(tmp_path / str(workers))
        results = own.run("relax", {**SEVENNET, "workers": workers, "fmax": 0.02}, {"structures": salt()})
        assert results["status"] == "finished", results
        assert (results["n_converged"], results["workers"], results["mode"]) == (3, workers, "sequential")
        digests.add(hashlib.sha256((own.path / "structures.npz").read_bytes()).hexdigest())
    assert len(digests) == 1
    relaxed = read_npz(own.path / "structures.npz")
    from sevenn.calculator import SevenNetCalculator

    calculator = SevenNetCalculator(device="cpu")
    for i, atoms in enumerate(to_ase(relaxed.without_properties())):
        assert relaxed.values("energy")[i] == pytest.approx(calculator.get_property("energy", atoms), abs=1e-4)
        assert np.linalg.norm(calculator.get_property("forces", atoms), axis=1).max() < 0.0201
    per_atom = relaxed.values("energy") / relaxed.n_atoms
    assert per_atom[0] == pytest.approx(per_atom[2], abs=1e-3)
    assert (relaxed.values("energy") < relaxed.values("energy_initial") - 0.05).all()
    # both ions of rock salt have six neighbours at half the cube's edge again
    apart = to_ase(relaxed.without_properties())[0].get_all_distances(mic=True)
    np.testing.assert_allclose(np.sort(apart + 9 * np.eye(8), axis=1)[:, 0], 5.13 / 2, atol=0.02)


def test_what_is_refused(folder, monkeypatch: pytest.MonkeyPatch):
    def refused(**more: Any) -> str:
        return str(folder.refused("relax", SEVENNET | more, {"structures": salt()[:1]}))

    assert "does not take calculator_kwargs" in refused(calculator_kwargs={"file_type": "torchscript"})
    assert "computes structures one by one; give 'sequential', with workers" in refused(mode="batched")
    monkeypatch.delenv("DISMAI_ALLOW_FACTORY")
    assert f"set DISMAI_ALLOW_FACTORY={FACTORY} in the environment" in refused()


@pytest.mark.slow
def test_an_element_that_it_does_not_know_fails_that_structure(folder):
    frames = to_ase(salt()[:2])
    frames.append(bulk("Po", "sc", a=3.35))
    results = folder.run("relax", {**SEVENNET, "steps": 3}, {"structures": from_ase(frames)})
    assert results["status"] == "finished", results
    (failed,) = results["failed_structures"]
    assert failed["structure"] == 2
    assert failed["reason"].startswith("the calculator failed: ")
