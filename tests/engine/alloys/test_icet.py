"""Cluster expansions of icet: its energies are ours, in both directions."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from icet import ClusterExpansion, ClusterSpace
from support.alloy_reference import GENERATION, read_inputs
from support.monte_carlo_systems import BCC5, HCP

from aiida_dismai.engine.alloys.energies import evaluate
from aiida_dismai.engine.alloys.expansion import Expansion, read_file
from aiida_dismai.engine.alloys.icet import from_icet, to_icet
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import from_ase, to_ase

HEXAGONAL = bulk("Mg", "hcp", a=3.2, c=5.3)
PRIMITIVES = {
    "fcc": (bulk("Fe", "fcc", a=3.6), 7.0, ["Cr", "Fe", "Ni"]),
    "bcc": (bulk("Fe", "bcc", a=2.87), 5.5, ["Fe", "Cr", "V", "Mn"]),
    "hcp": (HEXAGONAL, 5.5, ["Mg", "Al", "Zn"]),  # shells of 3.200 and 3.230 Å
    "diamond": (bulk("Si", "diamond", a=5.43), 6.0, ["Si", "Ge"]),
}


def random_cells(primitive, species, count=5):
    random = np.random.default_rng(3)
    frames = []
    for index in range(count):
        atoms = make_supercell(primitive, [[2, 0, 0], [0, 3, 0], [index % 2, 0, 2]])
        atoms.set_chemical_symbols(random.choice(species, len(atoms)).tolist())
        frames.append(atoms)
    return frames


@pytest.mark.parametrize("name", ["train_300K", "train_1500K"])
def test_energies_of_the_reference_structures(name, expansion):
    """The 46 coefficients, in icet's own basis, against ours and the energies stored with the structures."""
    structures = read_inputs(name)
    cluster_expansion = to_icet(expansion)
    assert len(cluster_expansion) == 24  # constant, 2 points, 7 × 3 pairs: the 46 are not independent
    theirs = [cluster_expansion.predict(atoms) for atoms in to_ase(structures)]
    ours = evaluate(structures, expansion)
    np.testing.assert_allclose(ours.formation_energy, theirs, rtol=0, atol=1e-10)
    stored = GENERATION[f"{name}_energy_eV_per_atom"]
    np.testing.assert_allclose(ours.formation_energy, stored, rtol=0, atol=1e-10)


@pytest.mark.parametrize("file", [HCP, BCC5], ids=["hcp", "bcc"])
def test_any_expansion_to_icet(file):
    expansion = Expansion.build(file)
    cluster_expansion = to_icet(expansion)
    frames = random_cells(cluster_expansion.get_cluster_space_copy().primitive_structure, expansion.species)
    theirs = [cluster_expansion.predict(atoms) for atoms in frames]
    ours = evaluate(from_ase(frames), expansion, align="none").formation_energy
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_any_pair_expansion_of_icet(name):
    primitive, cutoff, species = PRIMITIVES[name]
    space = ClusterSpace(primitive, [cutoff], species)
    cluster_expansion = ClusterExpansion(space, np.random.default_rng(1).normal(0, 0.02, len(space)))
    file = from_icet(cluster_expansion, name="random", source="test")
    assert (file.name, file.source, sorted(file.species)) == ("random", "test", sorted(species))
    # as it would be stored
    expansion = Expansion.build(read_file(file.model_dump()))
    frames = random_cells(space.primitive_structure, species)
    theirs = [cluster_expansion.predict(atoms) for atoms in frames]
    ours = evaluate(from_ase(frames), expansion, align="none").formation_energy
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    again = to_icet(expansion)
    np.testing.assert_allclose([again.predict(atoms) for atoms in frames], theirs, rtol=0, atol=1e-12)


def make(primitive, cutoffs, species, change=lambda parameters: parameters):
    space = ClusterSpace(primitive, cutoffs, species)
    return ClusterExpansion(space, change(np.random.default_rng(1).normal(0, 0.02, len(space))))


def test_triplets_without_a_parameter_are_left_out():
    primitive, _, species = PRIMITIVES["fcc"]
    space = ClusterSpace(primitive, [4.0, 3.0], species)
    orders = np.array([item["order"] for item in space.as_list])
    parameters = np.where(orders < 3, 0.01, 0.0)
    assert len(from_icet(ClusterExpansion(space, parameters)).shells) == 2


@pytest.mark.parametrize(
    ("expansion", "message"),
    [
        (lambda: make(PRIMITIVES["fcc"][0], [4.0, 3.0], ["Fe", "Ni"]), "a cluster of 3 sites has the parameter"),
        (
            lambda: make(bulk("NaCl", "rocksalt", a=4.2), [4.0], [["Na", "K"], ["Cl"]]),
            "all sites must take the same species, at least two; here they take: ",
        ),
        (
            lambda: make(bulk("NaCl", "rocksalt", a=4.2), [4.0], [["Na", "K"], ["Cl", "Br"]]),
            "all sites must take the same species",
        ),
        (lambda: make(PRIMITIVES["fcc"][0], [7.8], ["Fe", "Ni"]), "2 kinds of pairs of 7.6368 Å"),
        (lambda: make(PRIMITIVES["fcc"][0], [0.5], ["Fe", "Ni"]), "no pairs"),
    ],
)
def test_expansions_that_ours_cannot_hold(expansion, message):
    with pytest.raises(BadInput, match=message):
        from_icet(expansion())


def test_an_import_that_gives_other_energies_is_refused(monkeypatch):
    expansion = make(*[PRIMITIVES["fcc"][0], [4.0], ["Fe", "Ni"]])
    predict = ClusterExpansion.predict
    monkeypatch.setattr(ClusterExpansion, "predict", lambda self, atoms: predict(self, atoms) + 1e-6)
    with pytest.raises(BadInput, match="differs from icet's own energies by 1e-06 eV/atom"):
        from_icet(expansion)
