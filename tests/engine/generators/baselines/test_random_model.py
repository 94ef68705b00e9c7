"""The model ``random`` as the tasks train and sample it: cells, atoms, vacuum, lattice, distances, bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from aiida_dismai.engine.checkpoint import load_weights, save_weights
from aiida_dismai.engine.generators.registry import describe
from aiida_dismai.engine.structures import StructureSet, from_ase, read_npz, to_ase, write_npz
from aiida_dismai.engine.trained import sha256


@pytest.fixture
def random(run):
    """Train ``random`` on structures and generate; returns the generated set and the training's results."""
    count = iter(range(1000))

    def make(structures, n=20, seed=1, **hyperparameters):
        k = next(count)
        parameters = {"model": "random", "hyperparameters": hyperparameters}
        trained = run("generator.train", f"train{k}", parameters, structures=structures)
        assert trained["status"] == "finished", trained["error"]
        sampled = run("generator.sample", f"s{k}", {"n_structures": n}, seed, generator=trained["folder"] / "generator")
        assert sampled["status"] == "finished", sampled["error"]
        return read_npz(sampled["folder"] / "structures.npz"), trained

    return make


def disordered(n, cell, numbers, seed=0, pbc=True, low=0.0, high=1.0, spacing=1.5):
    """Return structures whose atoms are at random places, at least ``spacing`` Å apart, between two heights."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        while True:
            fractional = rng.random((len(numbers), 3)) * [1, 1, high - low] + [0, 0, low]
            made = StructureSet.from_uniform(numbers, (fractional @ cell)[None], cell, pbc)
            if made.closest_pair(0) > spacing:
                break
        frames.append(made)
    return StructureSet.concatenate(frames)


def smallest(structures):
    """Return the smallest distances by pair of symbols, from ASE."""
    found = {}
    for atoms in to_ase(structures.without_properties()):
        symbols = atoms.get_chemical_symbols()
        for i, j, d in zip(*neighbor_list("ijd", atoms, 9.0), strict=True):
            if i != j:
                pair = "-".join(sorted((symbols[i], symbols[j])))
                found[pair] = min(found.get(pair, np.inf), d)
    return found


# ---------------------------------------------------------------------- packing
def test_packings_have_the_datas_atoms_cell_and_minimum_distances(random):
    data = disordered(6, np.array([[8.0, 0, 0], [2, 8, 0], [0, 1, 9]]), [17, 17, 3, 3, 3, 8, 3, 17])
    made, trained = random(data, 30)
    assert made.formulas == data.formulas[:1] * 30
    np.testing.assert_array_equal(made.numbers, np.tile(data.numbers[:8], 30))
    np.testing.assert_array_equal(made.cells, data.cells[[0] * 30])
    expected, found = smallest(data), smallest(made)
    for pair, distance in trained["minimum_distances"].items():
        pair = "-".join(sorted(pair.split("-")))
        if pair == "O-O":  # one oxygen: a pair of it with an image of itself is none
            continue
        assert distance == pytest.approx(expected[pair], abs=1e-9)
        assert found[pair] >= expected[pair] - 1e-12
    assert "O-O" not in trained["minimum_distances"]
    assert made.values("distance_factor").tolist() == [1.0] * 30
    assert (trained["sites"], trained["vacuum_axes"]) == ("packing", [])
    assert (trained["n_atom_lists"], trained["n_cells"], trained["n_training"]) == (1, 1, 6)
    with np.load(trained["folder"] / "curves.npz") as curves:
        each = [min(smallest(one).values()) for one in data]
        np.testing.assert_allclose(curves["smallest_distance"], each, atol=1e-9)


def test_atoms_and_cells_come_together_with_their_frequencies(random):
    small, large = np.eye(3) * 6, np.eye(3) * 9
    data = StructureSet.concatenate(
        [disordered(6, small, [3, 8]), disordered(2, large, [3, 3, 8, 8]), disordered(2, large, [8, 8, 3, 3])]
    )
    made, trained = random(data, 400)
    assert (trained["n_atom_lists"], trained["n_cells"]) == (3, 2)
    formulas = np.array(made.formulas)
    assert set(formulas) == {"LiO", "Li2O2", "O2Li2"}
    for formula, share, cell in (("LiO", 0.6, small), ("Li2O2", 0.2, large), ("O2Li2", 0.2, large)):
        chosen = formulas == formula
        # four standard deviations of a binomial distribution
        assert chosen.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 400))
        np.testing.assert_array_equal(made.cells[chosen], np.tile(cell, (chosen.sum(), 1, 1)))


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.5), (-0.2, 0.2), (0.8, 1.2)], ids=["inside", "below 0", "above 1"])
def test_only_the_occupied_range_of_a_slab_is_filled(random, low, high):
    data = disordered(5, np.diag([7.0, 7.0, 20.0]), [3, 8, 17] * 4, low=low, high=high)
    made, trained = random(data, 20)
    assert trained["vacuum_axes"] == [2]
    ranges = {(one.positions[:, 2].min().round(9), one.positions[:, 2].max().round(9)) for one in data}
    for one in made:
        height = one.positions[:, 2]
        assert any(lowest - 1e-6 <= height.min() and height.max() <= highest + 1e-6 for lowest, highest in ranges)
    cell, _ = random(data, 20, region="cell")
    fractional = cell.positions[:, 2] / 20
    assert (fractional >= 0).all()
    assert (fractional < 1).all()
    # 240 atoms, of which 60 % would be in what was the vacuum
    outside = (fractional - low) % 1 > high - low
    assert 0.4 < outside.mean() < 0.8


def test_a_gap_is_a_vacuum_only_if_all_structures_have_it_and_it_is_wide(random):
    slab = disordered(4, np.diag([7.0, 7.0, 20.0]), [3, 8] * 5, high=0.5)
    full = StructureSet.from_uniform([3, 8] * 5, [[[1, 1, 2 * k] for k in range(10)]], np.diag([7.0, 7.0, 20.0]))
    assert random(StructureSet.concatenate([slab, full]), 1)[1]["vacuum_axes"] == []
    assert random(slab, 1, vacuum=12.0)[1]["vacuum_axes"] == []
    assert random(slab, 1, vacuum=9.0)[1]["vacuum_axes"] == [2]


def test_axes_without_a_period_are_filled_between_their_outermost_atoms(random):
    data = disordered(3, np.diag([7.0, 7.0, 9.0]), [3, 8] * 4, pbc=[True, True, False], low=0.2, high=0.6)
    made, trained = random(data, 20)
    assert trained["vacuum_axes"] == []
    assert not made.pbc[:, 2].any()
    assert made.positions[:, 2].min() >= data.positions[:, 2].min() - 1e-9
    assert made.positions[:, 2].max() <= data.positions[:, 2].max() + 1e-9


def test_quantile_and_scale_of_the_minimum_distances(random):
    lengths = [2.0, 2.2, 2.6]
    data = StructureSet.from_uniform([8, 8], [[[1, 1, 1], [1 + d, 1, 1]] for d in lengths], np.eye(3) * 8)
    assert random(data, 1)[1]["minimum_distances"] == {"O-O": pytest.approx(2.0)}
    assert random(data, 1, quantile=0.5)[1]["minimum_distances"] == {"O-O": pytest.approx(2.2)}
    assert random(data, 1, quantile=1, distance_scale=1.5)[1]["minimum_distances"] == {"O-O": pytest.approx(3.9)}


def test_a_packing_that_jams_says_which_share_of_the_distances_it_kept(random):
    crystal = from_ase([bulk("Cu", cubic=True, a=3.6) * (3, 3, 3)])
    made, trained = random(crystal, 3)
    assert trained["sites"] == "packing"  # one element: on its sites there would be nothing random
    for one in made:
        share = smallest(one)["Cu-Cu"] / (3.6 / np.sqrt(2))
        assert one.values("distance_factor")[0] == pytest.approx(share, abs=1e-12)
        assert 0.9 < share < 0.97


# ---------------------------------------------------------------------- lattice
def alloy(n, seed=0, sigma=0.0, order=True):
    """Return 32-atom alloys Fe20Ni6Cr6 on fcc sites; without ``order`` the atoms are in another order in each."""
    rng = np.random.default_rng(seed)
    sites = bulk("Fe", "fcc", a=3.6, cubic=True) * (2, 2, 2)
    species = np.repeat([24, 26, 28], [6, 20, 6])
    frames = []
    for _ in range(n):
        atoms = sites.copy()
        atoms.numbers = rng.permutation(species)
        atoms.positions += rng.normal(0, sigma, atoms.positions.shape) if sigma else 0
        atoms = atoms[np.argsort(atoms.numbers, kind="stable")] if order else atoms[rng.permutation(32)]
        frames.append(atoms)
    return from_ase(frames)


@pytest.mark.parametrize(("sigma", "order"), [(0.0, True), (0.0, False), (0.1, True)])
def test_alloys_get_random_species_on_their_own_sites(random, sigma, order):
    data = alloy(40, sigma=sigma, order=order)
    made, trained = random(data, 200)
    assert trained["sites"] == "lattice"
    sites = (bulk("Fe", "fcc", a=3.6, cubic=True) * (2, 2, 2)).positions
    chromium = np.zeros(32)
    for one in made:
        away = one.positions[:, None] - sites
        away = np.linalg.norm(away - 7.2 * np.rint(away / 7.2), axis=2)
        # the mean of 40 structures is this near to the site; 5 σ/√40
        assert away.min(axis=1).max() <= max(1e-9, 5 * sigma / np.sqrt(40))
        on = away.argmin(axis=1)
        assert sorted(on) == list(range(32))
        chromium[on[one.numbers == 24]] += 1
        if order:
            np.testing.assert_array_equal(one.numbers, data.numbers[:32])
        else:
            assert sorted(one.numbers) == sorted(data.numbers[:32])
    # χ² of 32 sites, each with 6/32 of the time a Cr
    expected = 200 * 6 / 32
    assert ((chromium - expected) ** 2 / (expected * 26 / 32)).sum() < 70


def test_strained_cells_share_their_sites(random):
    data = alloy(8)
    stretched = StructureSet(
        data.numbers,
        data.positions * 1.02 ** np.repeat(np.arange(8) % 2, 32)[:, None],
        data.cells * 1.02 ** (np.arange(8) % 2)[:, None, None],
        data.pbc,
        data.offsets,
    )
    made, trained = random(stretched, 20)
    assert (trained["sites"], trained["n_cells"]) == ("lattice", 2)
    for one in made:
        nearest = neighbor_list("d", to_ase(one.without_properties())[0], 2.7).min()
        assert nearest == pytest.approx(one.cells[0, 0, 0] / 2 / np.sqrt(2))


def test_the_lattice_may_be_refused_by_the_parameter_or_the_data(random, run):
    assert random(alloy(4), 1, sites="packing")[1]["sites"] == "packing"
    assert random(alloy(4, sigma=0.1), 1, site_tolerance=0.05)[1]["sites"] == "packing"
    parameters = {"model": "random", "hyperparameters": {"sites": "lattice"}}
    cases = {
        "more than 0.8 Å": disordered(2, np.eye(3) * 9, [3, 8, 17, 3]),
        "structure 1 has 2 atoms, structure 0 3": StructureSet.concatenate(
            [disordered(1, np.eye(3) * 9, [3, 8, 17]), disordered(1, np.eye(3) * 9, [3, 8])]
        ),
        "two atoms on site 0": StructureSet.from_uniform(
            [3, 8], [[[0, 0, 0], [0.7, 0, 0]], [[0.35, 0, 0], [-0.2, 0, 0]]], np.eye(3) * 9
        ),
        "periodic along other axes": StructureSet.from_uniform(
            [3, 8], [[[0, 0, 0], [3, 0, 0]]] * 2, np.eye(3) * 9, [[True] * 3, [True, True, False]]
        ),
    }
    for k, (message, data) in enumerate(cases.items()):
        results = run("generator.train", f"refused{k}", parameters, structures=data)
        assert results["error"]["kind"] == "bad_input"
        assert message in results["error"]["message"]
        assert "take 'auto' or 'packing'" in results["error"]["message"]
        assert random(data, 1, sites="auto")[1]["sites"] == "packing"


# ---------------------------------------------------------------------- in the frame
def test_a_structure_depends_on_its_seed_and_index_only(random, run):
    data = disordered(5, np.eye(3) * 8, [3, 8, 17] * 4)
    whole, trained = random(data, 9)
    folder = trained["folder"] / "generator"

    def sampled(name, seed=1, **parameters):
        results = run("generator.sample", name, parameters, seed, generator=folder)
        return read_npz(results["folder"] / "structures.npz")

    assert sampled("batched", n_structures=9, batch_size=2) == whole
    assert sampled("part", n_structures=4, first=5) == whole[5:]
    other = sampled("other", seed=2, n_structures=9)
    assert np.abs(other.positions - whole.positions).max() > 1


def test_there_is_nothing_to_train_and_the_frame_says_so(random, toy, tmp_path):
    labelled = toy.with_property("region", np.tile([0, 0, 1, 1, 2, 2, 3, 3], len(toy))).with_property(
        "energy", np.arange(len(toy))
    )
    made, trained = random(labelled, 2, sites="packing")
    assert trained["trainable_parameters"] == {}
    # nothing of a packing is the random region or a slab
    assert sorted(made.properties) == ["distance_factor", "sample"]
    config = json.loads((trained["folder"] / "generator" / "config.json").read_text())
    assert (config["model"], config["trainable_parameters"], config["formula"]) == ("random", {}, "Na4Cl4")
    write_npz(toy, tmp_path / "toy.npz")
    description = describe("random", tmp_path / "toy.npz")
    assert description["trainable_parameters"] == {}
    assert all(field["description"] for field in description["parameters"].values())


def test_overlapping_training_structures_are_refused(run, toy):
    positions = toy.positions.copy()
    positions[9] = positions[8] + [0.1, 0, 0]
    results = run("generator.train", "t", {"model": "random"}, structures=toy.with_positions(positions))
    assert results["error"]["kind"] == "bad_input"
    assert "two atoms of structure 1 are 0.100 Å apart (1 structures" in results["error"]["message"]


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"site": "lattice"}, "did you mean 'sites'"),
        ({"quantile": 1.5}, "quantile"),
        ({"shrink": 0}, "shrink"),
        ({"sites": "anywhere"}, "sites"),
    ],
)
def test_wrong_parameters_are_refused_by_name(run, toy, hyperparameters, message):
    results = run("generator.train", "t", {"model": "random", "hyperparameters": hyperparameters}, structures=toy)
    assert results["error"]["kind"] == "bad_input"
    assert message in results["error"]["message"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda weights: weights.pop("cells"), "lack cells"),
        (lambda weights: weights.pop("distances"), "lack distances"),
        (lambda weights: weights.update(low=weights["low"][:1]), "do not fit each other"),
    ],
)
def test_weights_that_are_not_whole_are_refused(random, run, toy, spoil, message):
    folder = random(toy, 1)[1]["folder"] / "generator"
    weights = load_weights(folder / "weights.safetensors")
    spoil(weights)
    save_weights(folder / "weights.safetensors", weights)
    config = json.loads((folder / "config.json").read_text())
    config["sha256"]["weights.safetensors"] = sha256((folder / "weights.safetensors").read_bytes())
    (folder / "config.json").write_text(json.dumps(config))
    results = run("generator.sample", "s", {"n_structures": 1}, generator=folder)
    assert results["error"]["kind"] == "bad_weights"
    assert message in results["error"]["message"]
