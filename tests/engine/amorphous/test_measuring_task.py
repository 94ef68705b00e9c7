"""The task amorphous.measure: arrays, gate, energies, and going on after a stop."""

import numpy as np
import pytest
from ase.build import bulk

from aiida_dismai.engine.amorphous.measuring.parameters import MeasureTaskParameters
from aiida_dismai.engine.amorphous.measuring.run import run
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Unfinished
from aiida_dismai.engine.store import PIECES
from aiida_dismai.engine.structures import StructureSet, from_ase, write_npz


@pytest.fixture
def some():
    """Four structures: crystalline, slightly and very disordered, and one that is none."""
    frames = []
    for rattle in (0.0, 0.1, 0.35, 0.0):
        atoms = bulk("Si", a=5.431, cubic=True) * 2
        atoms.rattle(rattle, seed=2)
        frames.append(atoms)
    frames[3].positions[4] = np.nan
    return from_ase(frames)


def context(folder, structures, **more):
    folder.mkdir(exist_ok=True)
    write_npz(structures, folder / "given.npz")
    return Context(folder, inputs={"structures": folder / "given.npz"}, **more)


def parameters(**values):
    return MeasureTaskParameters.model_validate(values)


def test_arrays_and_results(tmp_path, some):
    gate = {"max_crystalline_percent": 50, "max_angle_sigma": 12}
    results = run(context(tmp_path, some.with_property("energy", [-64.0, -60, np.nan, -1])), parameters(gate=gate))
    assert (results["n_structures"], results["n_accepted"], results["n_resumed"]) == (4, 0, 0)
    assert results["rejected"] == {"crystalline": 2, "bond angles too wide": 1, "cannot be analysed": 1}
    assert results["per_structure"]["energy_per_atom"] == [-1, -60 / 64, None, -1 / 64]
    with np.load(tmp_path / "measures.npz") as arrays:
        found = dict(arrays)
    assert found["accepted"].tolist() == [False] * 4
    assert found["rejected"].tolist()[3] == "cannot be analysed"
    assert "NaN" in found["failure"][3]
    assert found["failure"][0] == ""
    assert found["rdf"].shape == found["rdf_r"].shape == (500,)
    assert found["angles"].shape == found["angles_degrees"].shape == (360,)
    assert found["angles"].sum() == pytest.approx(1)
    # g(r) of any structure integrates to its neighbours: 16 of diamond up to 4 Å, rattled or not
    upto = found["rdf_r"] < 4.2
    shells = 4 * np.pi * found["rdf_r"] ** 2 * 0.02 * 8 / 5.431**3
    assert (found["rdf"] * shells)[upto].sum() == pytest.approx(16, rel=0.05)
    assert found["rings_per_atom"][0, found["rings_per_atom_of"] == 6] == 2
    assert np.isnan(found["rings_per_atom"][3]).all()
    shares = found["coordination_percent"]
    assert shares[0, found["coordination_percent_of"] == 4] == 100
    np.testing.assert_allclose(shares[:3].sum(axis=1), 100)
    assert np.isnan(found["bond_angle_sigma"]).tolist() == [False] * 3 + [True]
    assert found["n_atoms"].tolist() == [64] * 4


def test_no_gate_accepts_all(tmp_path, some):
    results = run(context(tmp_path, some), parameters())
    assert (results["n_accepted"], results["rejected"]) == (4, {})
    assert results["energy_per_atom"] is None


def test_energies_of_a_potential_where_there_are_none(tmp_path, some):
    energies = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"sigma": 2.1, "rc": 4.0}}
    results = run(context(tmp_path, some), parameters(energies=energies))
    found = results["per_structure"]["energy_per_atom"]
    from ase.calculators.lj import LennardJones

    atoms = bulk("Si", a=5.431, cubic=True)
    atoms.calc = LennardJones(sigma=2.1, rc=4.0)
    assert found[0] == pytest.approx(atoms.get_potential_energy() / 8)
    assert found[2] > found[0]
    assert found[3] is None


def test_a_stop_costs_nothing_but_time(tmp_path, some, monkeypatch):
    whole = run(context(tmp_path / "whole", some), parameters())
    stopped = context(tmp_path / "parts", some)
    times = iter([False, False, True])
    monkeypatch.setattr(Context, "out_of_time", lambda self: next(times, False))
    with pytest.raises(Unfinished, match="2 of 4 structures"):
        run(stopped, parameters())
    # a kill in the middle of a piece
    file = tmp_path / "parts" / "checkpoint" / PIECES
    content = file.read_bytes()
    file.write_bytes(content[:-100])
    resumed = run(stopped, parameters(gate={"max_crystalline_percent": 5}))
    assert resumed["n_resumed"] == 1
    assert resumed["rejected"]["crystalline"] == 2
    for name in ("per_structure", "coordination_percent", "rdf_peak"):
        assert resumed[name] == whole[name]
    same = [(tmp_path / part / "checkpoint" / PIECES).read_bytes() for part in ("whole", "parts")]
    assert same[0] == same[1]


def test_what_is_refused(tmp_path, some):
    with pytest.raises(BadInput, match="empty"):
        run(context(tmp_path / "a", StructureSet.empty()), parameters())
    run(context(tmp_path / "b", some), parameters())
    with pytest.raises(BadInput, match=r"another run \(parameters\.measures\.bond_cutoff differs\)"):
        run(context(tmp_path / "b", some), parameters(measures={"bond_cutoff": 2.7}))
    with pytest.raises(BadInput, match=r"another run \(structures differs\)"):
        run(context(tmp_path / "b", some[:2]), parameters())
