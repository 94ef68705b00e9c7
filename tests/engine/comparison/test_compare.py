"""The task ``compare`` from files to numbers of the authors' fingerprints, ASE and numpy, and what it refuses."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from aiida_dismai.engine.comparison.parameters import CompareParameters
from aiida_dismai.engine.comparison.run import run
from aiida_dismai.engine.comparison.sites import Sites
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, NotAnalysed, Unfinished
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import Property, StructureSet, load_structures, write_npz

DATA = Path(__file__).parents[2] / "data" / "reference" / "int"
#: Sites of each cation that are put into the region: by their place among the atoms of that element.
CHOSEN = {"Li": [0, 5, 6, 30, 71], "Sc": [1, 2, 11]}
NUMBERS = {"Li": 3, "Sc": 21, "Co": 27, "Cl": 17, "O": 8}
MISSING = {"value": None, "lower": None, "upper": None}


def published(which, cation):
    """Return the authors' fingerprints (5, sites, 109), and of each site the motif, and its numbers of Cl and O."""
    with gzip.open(DATA / "motif" / which / f"cnn_stats_{cation}.csv.gz", "rt") as handle:
        rows = list(csv.reader(handle))[1:]
    fingerprints = np.array([row[8:] for row in rows], dtype=float).reshape(5, -1, 109)
    motifs = np.array([row[6] for row in rows]).reshape(5, -1)
    counts = np.array([row[4:6] for row in rows], dtype=float).reshape(5, -1, 2)
    return fingerprints, motifs, counts


def with_regions(structures, chosen):
    """Return structures whose chosen atoms are in region 0, all others in 2."""
    regions = np.full((len(structures), 264), 2)
    for cation, places in chosen.items():
        of_element = np.flatnonzero(structures[0].numbers == NUMBERS[cation])
        regions[:, of_element[places]] = 0
    return structures.with_properties({"region": Property(regions.ravel(), "atom", "")})


def context_of(folder, **sets):
    inputs = {}
    for name, structures in sets.items():
        inputs[name] = folder / f"{name}_in.npz"
        write_npz(structures, inputs[name])
    return Context(folder, inputs=inputs)


@pytest.fixture(scope="module")
def train():
    return with_regions(load_structures(DATA / "inputs" / "train.extxyz.gz"), CHOSEN)


@pytest.fixture(scope="module")
def generated():
    return with_regions(load_structures(DATA / "inputs" / "gen_relaxed.extxyz.gz"), CHOSEN)


@pytest.fixture(scope="module")
def results(tmp_path_factory, train, generated):
    """Run the task; the training set is also the other set, in another order."""
    folder = tmp_path_factory.mktemp("compare")
    context_of(folder, reference=train, structures=generated, other=train[[3, 1, 0, 4, 2]])
    inputs = {name: f"{name}_in.npz" for name in ("reference", "structures", "other")}
    (folder / "task.json").write_text(json.dumps({"task": "compare", "parameters": {}, "inputs": inputs}))
    assert run_task(folder / "task.json") == 0
    return json.loads((folder / "results.json").read_text()) | {"folder": folder}


def pivotal(value, samples):
    """Return value and pivotal 95 % interval."""
    low, high = np.percentile(samples, [2.5, 97.5])
    return value, 2 * value - high, 2 * value - low


def numbers(interval):
    return interval["value"], interval["lower"], interval["upper"]


def resamples():
    random = np.random.default_rng(7)
    return [random.choice(5, size=5, replace=True) for _ in range(1000)]


# ---------------------------------------------------------------------- the numbers
@pytest.mark.parametrize("cation", ["Li", "Sc"])
def test_distance_and_similarity_are_those_of_the_authors_fingerprints(results, cation):
    target = published("train", cation)[0][:, CHOSEN[cation]].mean(axis=(0, 1))
    each = published("gen", cation)[0][:, CHOSEN[cation]].mean(axis=1)

    def distance(average):
        return np.linalg.norm(average - target)

    def similarity(average):
        return average @ target / np.linalg.norm(average) / np.linalg.norm(target)

    for name, measure in (("distance", distance), ("similarity", similarity)):
        found = results["sets"]["structures"][name][cation]
        expected = pivotal(measure(each.mean(axis=0)), [measure(each[draw].mean(axis=0)) for draw in resamples()])
        assert numbers(found) == pytest.approx(expected, abs=1e-9)
    with np.load(results["folder"] / "comparison.npz", allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays[f"average.reference.{cation}"], target, atol=1e-9)
        np.testing.assert_allclose(arrays[f"average.structures.{cation}"], each.mean(axis=0), atol=1e-9)
        assert len(arrays["labels.features"]) == 109


@pytest.mark.parametrize(("name", "which"), [("reference", "train"), ("structures", "gen")])
@pytest.mark.parametrize("cation", ["Li", "Sc"])
def test_motifs_and_bonds_are_those_of_the_authors_sites(results, name, which, cation):
    _, trained, _ = published("train", cation)
    _, motifs, counts = (values[:, CHOSEN[cation]] for values in published(which, cation))
    trained = trained[:, CHOSEN[cation]]
    found = {entry["label"]: entry for entry in results["sets"][name]["motifs"][cation]}
    assert set(found) == set(np.unique(trained))  # every one of so few sites is above 1 %
    for label, entry in found.items():
        has = motifs == label
        assert entry["training_percent"] == pytest.approx(100 * (trained == label).mean())
        expected = pivotal(100 * has.mean(), [100 * has[draw].mean() for draw in resamples()])
        assert numbers(entry["generated_percent"]) == pytest.approx(expected, abs=1e-9)
        for split in entry["by_anion"]["O"]:
            share = 100 * (has & (counts[..., 1] == split["neighbours"])).mean()
            assert split["generated_percent"]["value"] == pytest.approx(share)
    for k, anion in enumerate(("Cl", "O")):
        each = counts[..., k].mean(axis=1)
        expected = pivotal(each.mean(), [each[draw].mean() for draw in resamples()])
        assert numbers(results["sets"][name]["bonds"][cation][anion]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("cation", "element"), [("Sc", "O"), ("Li", "Cl"), ("Sc", "Sc"), ("Li", "Li")])
def test_radial_distributions_count_the_atoms_around_the_sites(results, generated, cation, element):
    edges = np.linspace(0, 10, 101)
    curves = []
    for structure in generated:
        atoms = Atoms(structure.numbers, structure.positions, cell=structure.cells[0], pbc=True)
        first, second, length = neighbor_list("ijd", atoms, 10.0)
        sites = np.flatnonzero(structure.numbers == NUMBERS[cation])[CHOSEN[cation]]
        counted = np.isin(first, sites) & (structure.numbers[second] == NUMBERS[element])
        histogram = np.histogram(length[counted], edges)[0]
        shells = 4 / 3 * np.pi * np.diff(edges**3)
        around = (structure.numbers == NUMBERS[element]).sum()
        curves.append(histogram * atoms.get_volume() / shells / len(sites) / around)
    with np.load(results["folder"] / "comparison.npz", allow_pickle=False) as arrays:
        found = arrays[f"rdf.structures.{cation}.{element}"]
        np.testing.assert_allclose(arrays["r"], (edges[1:] + edges[:-1]) / 2)
    np.testing.assert_allclose(found[0], np.mean(curves, axis=0), rtol=1e-12, atol=1e-12)
    assert (found[1] <= found[2]).all()


def test_what_a_comparison_says_of_its_sets(results):
    assert results["sites"] == {"Li": 5, "Sc": 3}
    assert (results["cations"], results["anions"], results["regions"]) == (["Li", "Sc"], ["Cl", "O"], [0])
    assert list(results["sets"]) == ["reference", "structures", "other"]
    for entry in results["sets"].values():
        assert (entry["n_structures"], entry["n_analysed"], entry["n_not_analysed"]) == (5, 5, 0)
        assert (entry["n_isolated_sites"], entry["not_analysed"]) == (0, [])
    assert "distance" not in results["sets"]["reference"]
    same = results["sets"]["other"]
    for cation in ("Li", "Sc"):
        assert same["distance"][cation]["value"] == pytest.approx(0, abs=1e-12)
        assert same["similarity"][cation]["value"] == pytest.approx(1)
        assert 0 < results["sets"]["structures"]["distance"][cation]["floor"] < 1
    with np.load(results["folder"] / "comparison.npz", allow_pickle=False) as arrays:
        assert arrays["index.other"].tolist() == [0, 1, 2, 3, 4]


def test_with_all_atoms_in_the_region_it_is_the_metric_of_the_authors(tmp_path, train, generated):
    everything = Property(np.zeros(5 * 264, dtype=int), "atom", "")
    sets = {"reference": train, "structures": generated}
    context = context_of(
        tmp_path, **{name: each.with_properties({"region": everything}) for name, each in sets.items()}
    )
    found = run(context, CompareParameters(cations=["Co", "Sc"], rdf_bins=10, resamples=1000))
    with (DATA / "motif" / "gen" / "int_motif_metrics.csv").open() as handle:
        authors = {row[0]: [float(number or "nan") for number in row[1:]] for row in list(csv.reader(handle))[1:]}
    for cation in ("Co", "Sc"):
        value, below, above = authors[f"Euclidean distance {cation}"]
        assert numbers(found["sets"]["structures"]["distance"][cation]) == pytest.approx(
            (value, value - below, value + above), abs=1e-9
        )
        value, below, above = authors[f"Cosine distance {cation}"]
        assert numbers(found["sets"]["structures"]["similarity"][cation]) == pytest.approx(
            (1 - value, 1 - value - above, 1 - value + below), abs=1e-9
        )


# ---------------------------------------------------------------------- what is left out, and resuming
def test_structures_that_cannot_be_compared_are_counted_with_their_reasons(tmp_path, train, generated):
    regions = generated.values("region").reshape(5, 264).copy()
    regions[1, np.flatnonzero(generated[0].numbers == 3)[40]] = 0  # a sixth Li
    positions = generated.positions.reshape(5, 264, 3).copy()
    positions[2, 0] = positions[2, 1]
    changed = generated.with_positions(positions.reshape(-1, 3)).with_properties(
        {
            "region": Property(regions.ravel(), "atom", ""),
            "converged": Property(np.array([True, True, True, False, True]), "structure", ""),
        }
    )
    found = run(context_of(tmp_path, reference=train, structures=changed), CompareParameters(rdf_bins=5))
    entry = found["sets"]["structures"]
    assert (entry["n_structures"], entry["n_analysed"], entry["n_not_converged"], entry["n_not_analysed"]) == (
        5,
        2,
        1,
        2,
    )
    reasons = {item["index"]: item["reason"] for item in entry["not_analysed"]}
    assert reasons[1] == "6 Li in regions [0] where the reference has 5"
    assert "coincide" in reasons[2]
    with np.load(tmp_path / "comparison.npz") as arrays:
        assert arrays["index.structures"].tolist() == [0, 4]


def test_a_set_of_which_nothing_can_be_compared_has_no_numbers(tmp_path, train, generated):
    lost = generated[:2].with_properties({"converged": Property(np.array([False, False]), "structure", "")})
    found = run(context_of(tmp_path, reference=train, structures=lost), CompareParameters(rdf_bins=5))
    entry = found["sets"]["structures"]
    assert (entry["n_analysed"], entry["n_not_converged"]) == (0, 2)
    assert numbers(entry["distance"]["Sc"]) == numbers(entry["similarity"]["Sc"]) == (None, None, None)
    assert entry["bonds"]["Sc"]["O"] == MISSING


def test_a_task_that_ran_out_of_time_keeps_what_is_described(tmp_path, train, generated, monkeypatch):
    context = context_of(tmp_path, reference=train, structures=generated)
    described = []
    describe = Sites.describe
    monkeypatch.setattr(Sites, "describe", lambda self, structure: described.append(1) or describe(self, structure))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "out_of_time", lambda self: len(described) == 7)
        with pytest.raises(Unfinished, match="structures: 2 of 5 structures are described; run again to resume"):
            run(context, CompareParameters(rdf_bins=5))
    assert not (tmp_path / "comparison.npz").exists()
    found = run(context, CompareParameters(rdf_bins=5))
    assert len(described) == 10
    whole = tmp_path / "whole"
    whole.mkdir()
    expected = run(context_of(whole, reference=train, structures=generated), CompareParameters(rdf_bins=5))
    assert found["sets"] == expected["sets"]


# ---------------------------------------------------------------------- bad input
def test_a_set_without_regions_is_refused(tmp_path, train, generated):
    context = context_of(tmp_path, reference=train, structures=generated.without_properties("region"))
    with pytest.raises(BadInput, match=r"structures_in.npz: the structures have no regions \(property 'region'"):
        run(context, CompareParameters())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"regions": [1]}, r"structure 0 has no Li, Sc in regions \[1\], but no atoms at all"),
        ({"cations": ["Li", "Co"]}, r"structure 0 has no Co in regions \[0\], but 5 Li, 3 Sc"),
        ({"oxidation_states": {"Li": 1, "Sc": 3, "Cl": -1}, "anions": ["Cl"]}, "O, Co has no oxidation state"),
    ],
)
def test_a_reference_that_the_parameters_do_not_fit_is_refused(tmp_path, train, values, message):
    with pytest.raises(BadInput, match=message):
        run(context_of(tmp_path, reference=train, structures=train), CompareParameters(**values))


def test_a_reference_none_of_which_can_be_described_is_refused(tmp_path, train, monkeypatch):
    monkeypatch.setattr(Sites, "_record", lambda self, structure: (_ for _ in ()).throw(NotAnalysed("no wish to")))
    with pytest.raises(BadInput, match="none of its 5 structures could be analysed; structure 0: no wish to"):
        run(context_of(tmp_path, reference=train, structures=train), CompareParameters())


def test_structures_of_another_composition_are_no_part_of_it(tmp_path, train):
    other = StructureSet.from_uniform([3, 17], np.array([[[0, 0, 0], [2.5, 0, 0]]]), np.eye(3) * 5.0)
    other = other.with_properties({"region": Property(np.zeros(2, dtype=int), "atom", "")})
    found = run(context_of(tmp_path, reference=train, structures=other), CompareParameters(rdf_bins=5))
    (reason,) = found["sets"]["structures"]["not_analysed"]
    assert reason["reason"].startswith("LiCl where the reference has Li72")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"regions": [0, 0]}, "regions: a region is named twice"),
        ({"regions": []}, "regions: List should have at least 1 item"),
        ({"regions": [-1]}, r"regions\.0: Input should be greater than or equal to 0"),
        ({"cations": ["Cl"]}, "cations: Cl has the oxidation state -1"),
        ({"region": [0]}, "unknown parameter 'region'; did you mean 'regions'"),
    ],
)
def test_wrong_parameters_are_refused(values, message):
    with pytest.raises(BadInput, match=message):
        validate(CompareParameters, values, "compare")
