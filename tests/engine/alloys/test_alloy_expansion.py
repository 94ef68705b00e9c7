"""The cluster expansion: what is read, what is refused, and the lattice under it."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice as PmgLattice
from pymatgen.core import Structure
from support.alloy_reference import GENERATION, read_inputs, read_table

from aiida_dismai.engine.alloys.cleanup import clean
from aiida_dismai.engine.alloys.counts import count_pairs
from aiida_dismai.engine.alloys.expansion import Expansion, packaged_expansion, read_expansion
from aiida_dismai.engine.alloys.lattice import TYPES, Lattice
from aiida_dismai.engine.alloys.parameters import AlloyLatticeParameters
from aiida_dismai.engine.alloys.supercell import Supercell
from aiida_dismai.engine.errors import BadInput

CUBE = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]


@pytest.fixture
def content():
    return json.loads(files("aiida_dismai.engine.alloys").joinpath("fe_ni_cr.json").read_text())


def energies(structures, expansion: Expansion) -> list[float]:
    result = []
    for structure in structures:
        cleaned = clean(structure.positions, structure.cells[0], structure.numbers, expansion.lattice)
        counts = count_pairs(cleaned, expansion)
        result.append(expansion.formation_energy(counts.fractions, counts.pairs))
    return result


def test_columns_are_the_authors(expansion):
    columns, _ = read_table("train_300K", "cluster_prob")
    assert expansion.cluster_labels() == columns
    np.testing.assert_array_equal(expansion.bonds, [6, 3, 12, 6, 12, 4, 24])


@pytest.mark.parametrize("temperature", ["300K", "1500K"])
def test_energy_is_that_of_the_sampling(expansion, temperature):
    """The Metropolis code that made the structures kept its own, unrounded energies."""
    expected = GENERATION[f"train_{temperature}_energy_eV_per_atom"]
    np.testing.assert_allclose(energies(read_inputs(f"train_{temperature}"), expansion), expected, rtol=0, atol=1e-13)


def test_conventional_cell_is_the_same_lattice(content, expansion):
    content["lattice"] = {"cell": (3.6 * np.eye(3)).tolist(), "basis": CUBE}
    conventional = read_expansion(content)
    assert len(conventional.lattice.basis) == 1
    assert conventional.lattice.constant == pytest.approx(3.6)
    structures = read_inputs("train_300K")[:1]
    np.testing.assert_allclose(energies(structures, conventional), energies(structures, expansion), atol=1e-14)


def test_pairs_in_any_order_and_species_in_any_order(content, expansion):
    content["species"] = ["Ni", "Cr", "Fe"]
    for shell in content["shells"]:
        shell["pairs"] = {"-".join(reversed(key.split("-"))): value for key, value in shell["pairs"].items()}
    other = read_expansion(content)
    assert other.pair_labels() == ["Ni-Ni", "Ni-Cr", "Ni-Fe", "Cr-Cr", "Cr-Fe", "Fe-Fe"]
    structures = read_inputs("train_1500K")[:1]
    np.testing.assert_allclose(energies(structures, other), energies(structures, expansion), atol=1e-14)


def test_lattice_constant_scales_everything():
    wide = packaged_expansion(3.7)
    assert wide.lattice.nearest == pytest.approx(3.7 / 2**0.5)
    np.testing.assert_allclose(wide.vectors[6].lengths(), 3.7 * 3.5**0.5)
    np.testing.assert_array_equal(wide.bonds, packaged_expansion().bonds)


def test_reads_files(tmp_path, content, expansion):
    path = tmp_path / "expansion.json"
    path.write_text(json.dumps(content))
    np.testing.assert_array_equal(read_expansion(path).pair_terms, expansion.pair_terms)
    path.write_text("{")
    with pytest.raises(BadInput, match="not JSON"):
        read_expansion(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_expansion(tmp_path / "absent.json")


def changed(content, change):
    content = copy.deepcopy(content)
    change(content)
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["shells"][2]["pairs"].pop("Cr-Ni"), "shell 3: no coefficient for Cr-Ni"),
        (lambda c: c["shells"][0]["pairs"].update({"Fe-Cr": 1.0}), "shell 1: the pair 'Fe-Cr' has two coefficients"),
        (lambda c: c["shells"][0]["pairs"].update({"Fe-Cu": 1.0}), "unknown species Cu"),
        (lambda c: c["shells"][0]["pairs"].update({"Fe": 1.0}), "a pair is written as 'Cr-Fe'"),
        (lambda c: c["shells"][0]["pairs"].update({"Fe-Fe": float("nan")}), "shells.0.pairs.Fe-Fe"),
        (lambda c: c["shells"][3].update(bonds=7), "7 bonds per atom given, but the lattice has 6"),
        (lambda c: c["shells"][3].update(radius=4.7), "no two sites are 4.7 Å apart; distances on this lattice are"),
        (lambda c: c["shells"][3].update(radius=4.0), "radii must grow"),
        (lambda c: c["shells"][3].update(radii=4.0), "unknown parameter 'shells.3.radii'; did you mean 'radius'"),
        (lambda c: c.update(shells=[]), "shells"),
        (lambda c: c["sites"].pop("Fe"), "sites: no term for Fe"),
        (lambda c: c["sites"].update(Mn=0.0), "sites: unknown species 'Mn'"),
        (lambda c: c.update(species=["Cr", "Fe", "Nickel"]), "'Nickel' is not a chemical element"),
        (lambda c: c.update(species=["Cr", "Fe", "Fe"]), "named twice"),
        (lambda c: c.update(temperature=300), "unknown parameter 'temperature'"),
        (lambda c: c.pop("constant"), "constant: Field required"),
        (lambda c: c.update(lattice={"type": "fcc"}), "needs its lattice constant"),
        (lambda c: c.update(lattice={"a": 3.6}), "give type and a, or cell and basis"),
        (lambda c: c["lattice"].update(basis=[[0, 0, 0]]), "exclude each other"),
        (lambda c: c.update(lattice={"cell": [[1, 0, 0], [0, 1, 0], [1, 1, 0]], "basis": [[0, 0, 0]]}), "no volume"),
        (
            lambda c: c.update(lattice={"cell": (3.6 * np.eye(3)).tolist(), "basis": [[0, 0, 0], [1, 0, 0]]}),
            "the basis sites 0 and 1 coincide",
        ),
    ],
)
def test_strict_reader(content, change, message):
    with pytest.raises(BadInput, match=message):
        read_expansion(changed(content, change))


def test_parameters_say_the_same(content):
    content["shells"][0]["bonds"] = 5
    with pytest.raises(ValueError, match="5 bonds per atom given"):
        AlloyLatticeParameters(expansion=content)
    with pytest.raises(ValueError, match="below half the nearest-neighbour distance"):
        AlloyLatticeParameters(margin=1.3)
    with pytest.raises(ValueError, match="below half the nearest-neighbour distance"):
        AlloyLatticeParameters(lattice_constant=2.0)
    content["shells"][0]["bonds"] = 6
    assert AlloyLatticeParameters(expansion=content).build_expansion().species == ("Cr", "Fe", "Ni")


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_shells_as_pymatgen_finds_them(kind):
    lattice = Lattice.named(kind, 4.0)
    crystal = Structure(PmgLattice(lattice.cell), ["Fe"] * len(lattice.basis), lattice.basis)
    found = lattice.vectors_within(9.0)
    for start in range(len(lattice.basis)):
        expected = np.sort([neighbour.nn_distance for neighbour in crystal.get_neighbors(crystal[start], 9.0)])
        np.testing.assert_allclose(np.sort(found.lengths()[found.start == start]), expected, atol=1e-9)
    np.testing.assert_allclose(
        found.cartesian, (found.steps + lattice.basis[found.end] - lattice.basis[found.start]) @ lattice.cell
    )


def test_rotations_of_known_groups():
    orders = {kind: len(Lattice.named(kind, 3.0).rotations) for kind in TYPES}
    assert orders == {"fcc": 24, "bcc": 24, "sc": 24, "diamond": 24, "hcp": 12}


@pytest.mark.parametrize(
    ("cell", "basis", "sites"),
    [
        (3.6 * np.eye(3), CUBE, 1),
        (2.9 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], 1),
        (5.4 * np.eye(3), CUBE + [[x + 0.25 for x in site] for site in CUBE], 2),
        (np.array([[7.2, 0, 0], [0, 3.6, 0], [3.6, 0, 3.6]]), [[0.1, 0.2, 0.3]], 1),
    ],
)
def test_primitive_cell(cell, basis, sites):
    lattice = Lattice.build(cell, basis)
    assert len(lattice.basis) == sites
    assert lattice.volume_per_site == pytest.approx(abs(np.linalg.det(cell)) / len(basis))
    # the sites of the cell that was given are sites of the lattice
    places = (
        (np.array(basis) - lattice.basis[0] @ lattice.cell @ np.linalg.inv(cell)) @ cell @ np.linalg.inv(lattice.cell)
    )
    gaps = places[:, None] - (lattice.basis - lattice.basis[0])[None]
    assert np.abs(gaps - np.round(gaps)).max(axis=2).min(axis=1).max() < 1e-9


def test_supercell_numbers_its_sites():
    rng = np.random.default_rng(3)
    for _ in range(20):
        multiples = rng.integers(-4, 5, (3, 3))
        if round(np.linalg.det(multiples)) == 0:
            continue
        supercell = Supercell.of(multiples, 2)
        assert supercell.n_sites == 2 * abs(round(np.linalg.det(multiples)))
        np.testing.assert_array_equal(supercell.index(supercell.points, supercell.basis), np.arange(supercell.n_sites))
        # the cell's own vectors lead from each site to itself
        moved = supercell.points + rng.integers(-3, 4, (supercell.n_sites, 3)) @ multiples
        np.testing.assert_array_equal(supercell.index(moved, supercell.basis), np.arange(supercell.n_sites))


CASES = Path(__file__).parents[2] / "data" / "cases" / "expansions"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my.ce", r"my\.ce: an archive, as icet writes its \.ce files.*from_icet\(icet\.ClusterExpansion\.read"),
        ("smol.json", r"smol\.json: looks like an expansion of smol or icet in their own JSON.*howto/alloys\.md"),
        ("text.json", r"text\.json: not JSON"),
    ],
)
def test_expansions_of_other_programs_are_named(name, said):
    with pytest.raises(BadInput, match=said):
        read_expansion(CASES / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (b"[1, 2]", "must be a JSON object with lattice, species, constant, sites, shells, not a list"),
        (b"null", "not null"),
        (b'"lattice"', "not a text"),
        (b"{" * 100_000, "not JSON"),
        (b"[" * 100_000, "nested more than"),
        (b'{"constant": NaN}', "holds NaN"),
        (b'{"constant": 1, "constant": 2}', "'constant' appears twice"),
        (b"\xff\xfe{\x00}\x00", "UTF-16"),
        (b'{"name": "\xff"}', "not UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\x80\x04\x95\x00", "pickle"),
        (b"\x1f\x8b\x08\x00", "archive"),
        (b'{"@module": "smol.cofe.expansion", "@class": "ClusterExpansion"}', "smol"),
        (b'{"orbits": [], "prim": {}}', "CASM"),
        (b'{"latice": {}, "species": ["Fe"]}', r"unknown parameter 'latice'; did you mean 'lattice'\?"),
    ],
)
def test_files_that_are_no_expansion(tmp_path, content, said):
    path = tmp_path / "expansion.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said) as caught:
        read_expansion(path)
    assert "expansion.json: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_expansion(tmp_path):
    with pytest.raises(BadInput, match="a folder"):
        read_expansion(tmp_path)
