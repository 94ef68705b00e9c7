"""Tasks ``describe`` and ``metrics`` from files to the authors' numbers, and what stops or resumes them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from support.interface_reference import COMPOSITION

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, NotAnalysed, Unfinished
from aiida_dismai.engine.families.amorphous.metrics import AmorphousMetrics
from aiida_dismai.engine.families.interface.metrics import InterfaceMetrics
from aiida_dismai.engine.metrics.collect import describe_all, key_of
from aiida_dismai.engine.metrics.parameters import DescribeParameters, MetricsParameters
from aiida_dismai.engine.metrics.records import RecordFile, open_records
from aiida_dismai.engine.metrics.reference import is_reference, load_reference
from aiida_dismai.engine.metrics.run import describe, run
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import Property, StructureSet, StructureStream, load_structures, write_npz

DATA = Path(__file__).parents[2] / "data" / "reference"
SALT = {"interface": {"oxidation_states": {"Li": 1, "Cl": -1}, "cations": ["Li"], "anions": ["Cl"]}}
MISSING = {"value": None, "lower": None, "upper": None}


def write_inputs(folder: Path, generated: StructureSet, reference: StructureSet, **more: StructureSet) -> Context:
    inputs = {}
    for name, structures in {"structures": generated, "reference": reference, **more}.items():
        inputs[name] = folder / f"{name}_in.npz"
        write_npz(structures, inputs[name])
    return Context(folder, inputs=inputs)


def authors(path: Path) -> dict[str, tuple[float, float, float]]:
    """Return value, lower and upper bound of each metric of one of their files."""
    with path.open() as handle:
        rows = [row for row in csv.reader(handle) if row[0] != "metric"]
    found = {}
    for name, value, below, above in rows:
        number = float(value)
        found[name] = (number, number - float(below or "nan"), number + float(above or "nan"))
    return found


def assert_authors(found, expected, tolerance=1e-9):
    assert (found["value"], found["lower"], found["upper"]) == pytest.approx(expected, abs=tolerance)


# ---------------------------------------------------------------------- the authors' numbers
def test_interface_from_files_to_the_authors_numbers(tmp_path, gen_structures, train_structures):
    generated = gen_structures.with_properties(
        {
            "energy": Property(np.arange(5) * 264.0, "structure", "eV"),
            "steps": Property(np.array([10, 20, 30, 40, 55]), "structure"),
            "source_index": Property(np.array([0, 2, 3, 5, 6]), "structure"),
        }
    )
    write_inputs(tmp_path, generated, train_structures)
    content = {
        "task": "metrics",
        "parameters": {"generated_total": 7},
        "inputs": {"structures": "structures_in.npz", "reference": "reference_in.npz"},
    }
    (tmp_path / "task.json").write_text(json.dumps(content))
    assert run_task(tmp_path / "task.json") == 0
    results = json.loads((tmp_path / "results.json").read_text())
    expected = authors(DATA / "int" / "motif" / "gen" / "int_motif_metrics.csv")
    for name in ("Li", "Co", "Sc", "all"):
        assert_authors(results[f"d_{name}"], expected[f"Euclidean distance {name}"])
        assert_authors(results[f"cos_{name}"], expected[f"Cosine distance {name}"])
        assert 0 < results[f"d_{name}"]["floor"] < 1
    assert results["failed_percent"]["value"] == pytest.approx(expected["Failed structures (%)"][0])
    assert results["failed_percent"]["lower"] < 28.5 < results["failed_percent"]["upper"]
    assert results["failed_percent"]["floor"] == 0
    assert (results["n_generated"], results["n_given"], results["n_analysed"], results["n_reference"]) == (7, 5, 5, 5)
    assert results["n_isolated_sites"] == 0
    assert results["n_ambiguous_sites"] < 6  # of 600
    assert results["mean_relaxation_steps"] == 31
    assert results["timings"]["seconds_per_structure"] > 0
    assert results["energy_per_atom"]["generated"]["mean"] == 2
    assert results["energy_per_atom"]["training"] is None
    assert "interface_energy" not in results
    with np.load(tmp_path / "per_structure.npz", allow_pickle=False) as arrays:
        assert arrays["vector.all"].shape == (5, 109)
        assert arrays["index"].tolist() == [0, 1, 2, 3, 4]
        assert arrays["source_index"].tolist() == [0, 2, 3, 5, 6]
        assert arrays["energy_per_atom"].tolist() == [0, 1, 2, 3, 4]
        assert arrays["steps"].tolist() == [10, 20, 30, 40, 55]
        assert arrays["labels.features"][0] == "wt CN_1"
        assert arrays["motifs.Li"].shape == (5, 72, 3)
        # the distance of the average, from the single structures
        average = arrays["vector.Li"].mean(axis=0)
        assert np.linalg.norm(average - arrays["average.Li"]) == pytest.approx(results["d_Li"]["value"])
        assert np.allclose(arrays["d_Co"], np.linalg.norm(arrays["vector.Co"] - arrays["average.Co"], axis=-1))
    assert is_reference(tmp_path / "reference.npz")


def test_amorphous_from_files_to_the_authors_numbers(tmp_path):
    context = Context(
        tmp_path,
        inputs={
            "structures": DATA / "a_Si" / "inputs" / "gen_relaxed.extxyz.gz",
            "reference": DATA / "a_Si" / "inputs" / "train.extxyz.gz",
        },
    )
    results = run(context, MetricsParameters(kind="amorphous", generated_total=8))
    folder = DATA / "a_Si"
    motif = authors(folder / "motif" / "gen" / "a_Si_motif_metrics.csv")
    assert_authors(results["d_motif"], motif["Euclidean distance"])
    assert_authors(results["cos_motif"], motif["Cosine distance"])
    assert results["failed_percent"]["value"] == motif["Failed structures (%)"][0]
    rdf = authors(folder / "rdf" / "gen" / "a_Si_rdf_metric.csv")
    assert_authors(results["d_rdf"], rdf["Euclidean distance"])
    angle = authors(folder / "bond_angle" / "gen" / "a_Si_bond_angle_metric.csv")
    assert_authors(results["d_angle"], angle["Euclidean distance"])
    shares = {entry["label"]: entry for entry in results["motifs"]["Si"]}
    with (folder / "motif" / "gen" / "most_likely_Si_OP.csv").open() as handle:
        for row in csv.DictReader(handle):
            entry = shares.pop(row["most likely OP"])
            assert entry["training_percent"] == pytest.approx(float(row["Train set (%)"]), abs=1e-9)
            value = float(row["Gen set (%)"])
            expected = (
                value,
                value - float(row["Gen set lower error (%)"]),
                value + float(row["Gen set upper error (%)"]),
            )
            assert_authors(entry["generated_percent"], expected)
    assert not shares
    assert results["coordination_percent"]["training"]["4"] == pytest.approx(90.6, abs=1)
    assert sum(results["coordination_percent"]["generated"].values()) == pytest.approx(100)
    assert 105 < results["bond_angle_mean"]["training"] < 110
    with np.load(tmp_path / "per_structure.npz", allow_pickle=False) as arrays:
        curve = arrays["curve.rdf"]
        with (folder / "rdf" / "gen" / "avg_rdf_Si_Si.csv").open() as handle:
            theirs = np.array(list(csv.reader(handle))[1:], dtype=float)
        assert np.abs(curve[:2].T - theirs[:, 1:3]).max() < 1e-9
        assert np.abs(curve[2:].T - theirs[:, 3:5]).max() < 1e-9


@pytest.mark.parametrize("temperature", ["300K", "1500K"])
def test_alloys_from_files_to_the_authors_numbers(tmp_path, temperature):
    """With ``compat`` a hopeless structure is not rejected, as by their script for this alignment."""
    inputs = DATA / "alloy" / "inputs"
    context = Context(
        tmp_path,
        inputs={"structures": inputs / "gen_i.extxyz.gz", "reference": inputs / f"train_{temperature}.extxyz.gz"},
    )
    parameters = MetricsParameters(kind="alloy", compat=True, alloy={"align": "none"}, generated_total=8)
    results = run(context, parameters)
    expected = authors(DATA / "alloy" / "clusters" / "cryingan_i" / f"alloy_metrics_vs_{temperature}.csv")
    # their counts are rounded to five decimals per atom
    assert_authors(results["d_cluster"], expected["Cluster probability Euclidean distance"], 1e-4)
    assert_authors(results["vacancy_percent"], expected["Accepted structures with vacancies (%)"])
    assert results["failed_percent"]["value"] == expected["Rejected structures (%)"][0]
    assert results["vacancy_percent"]["floor"] == 0


def test_alloys_by_default_reject_what_is_hopeless(tmp_path):
    inputs = DATA / "alloy" / "inputs"
    context = Context(
        tmp_path,
        inputs={"structures": inputs / "gen_i.extxyz.gz", "reference": inputs / "train_300K.extxyz.gz"},
    )
    results = run(context, MetricsParameters(kind="alloy"))
    (failure,) = results["not_analysed"]
    assert failure["index"] == 5
    assert "60 atoms off the lattice" in failure["reason"]
    assert results["failed_percent"]["value"] == pytest.approx(100 / 6)
    assert results["vacancy_percent"]["value"] == 40
    assert (results["n_vacant_sites"], results["n_removed_atoms"]) == (7, 7)
    assert results["alignments"] == {"none": 5, "translate": 0, "rotate": 0}
    assert results["formation_energy"]["training"]["mean"] == pytest.approx(-0.0902, abs=2e-4)
    with (DATA / "alloy" / "clusters" / "train_300K" / "cluster_sro.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    for label in ("1NN_Cr-Fe", "1NN_Cr-Cr", "2NN_Fe-Ni"):
        theirs = np.mean([float(row[label]) for row in rows])
        assert results["sro"][label]["training"]["mean"] == pytest.approx(theirs, abs=1e-4)
    with np.load(tmp_path / "per_structure.npz", allow_pickle=False) as arrays:
        assert arrays["vacancies"].tolist() == [0, 4, 0, 0, 3]
        assert arrays["sro"].shape == (5, 7, 6)
        assert arrays["labels.sro"].shape == (42,)


def test_nothing_is_left_of_an_alloy_that_is_off_its_lattice(tmp_path):
    inputs = DATA / "alloy" / "inputs"
    context = Context(
        tmp_path,
        inputs={"structures": inputs / "gen_iii.extxyz.gz", "reference": inputs / "train_300K.extxyz.gz"},
    )
    results = run(context, MetricsParameters(kind="alloy", alloy={"align": "none"}))
    assert results["n_analysed"] == 0
    assert results["failed_percent"]["value"] == 100
    assert results["d_cluster"]["value"] is None
    assert results["formation_energy"]["generated"] == {"mean": None, "std": None}


# ---------------------------------------------------------------------- references
def test_a_reference_written_before_spares_the_training_set(tmp_path, gen_structures, train_structures, kind):
    first = run(write_inputs(tmp_path, gen_structures[:3], train_structures), MetricsParameters())
    (tmp_path / "second").mkdir()
    context = write_inputs(tmp_path / "second", gen_structures[:3], train_structures)
    context.inputs["reference"] = tmp_path / "reference.npz"
    second = run(context, MetricsParameters())
    assert {name: second[name] for name in second if name != "timings"} == {
        name: first[name] for name in first if name != "timings"
    }
    assert (tmp_path / "reference.npz").read_bytes() == (tmp_path / "second" / "reference.npz").read_bytes()
    assert len(open_records(tmp_path / "second" / "checkpoint", kind.about()).index) == 3


def test_published_files_are_a_reference(tmp_path, gen_structures):
    context = write_inputs(tmp_path, gen_structures[:2], gen_structures)
    context.inputs["reference"] = DATA / "int" / "motif" / "train"
    results = run(context, MetricsParameters())
    assert results["d_all"]["value"] > 0
    assert results["not_in_reference"] == []
    assert results["n_reference"] == 5
    # they name the cations only; a validation set of the same cations fits
    context.inputs["validation"] = context.inputs["structures"]
    assert run(context, MetricsParameters())["noise_floor"]["validation"]["structures"] == 2
    del context.inputs["validation"]
    context.inputs["reference"] = tmp_path / "reference.npz"
    again = run(context, MetricsParameters())
    assert again["d_all"] == results["d_all"]


@pytest.mark.parametrize(
    ("folder", "known"), [("motif", {"d_motif", "cos_motif"}), ("rdf", {"d_rdf"}), ("bond_angle", {"d_angle"})]
)
def test_what_published_files_lack_is_not_compared(tmp_path, folder, known):
    context = Context(
        tmp_path,
        inputs={
            "structures": DATA / "a_Si" / "inputs" / "gen_relaxed.extxyz.gz",
            "reference": DATA / "a_Si" / folder / "train",
        },
    )
    results = run(context, MetricsParameters(kind="amorphous"))
    distances = {"d_motif", "cos_motif", "d_rdf", "d_angle"}
    assert {name for name in distances if results[name]["value"] is not None} == known
    assert set(results["not_in_reference"]) == distances - known
    assert all(results[name] == MISSING | {"floor": None} for name in distances - known)


def test_published_clusters_are_a_reference(tmp_path):
    context = Context(
        tmp_path,
        inputs={
            "structures": DATA / "alloy" / "inputs" / "gen_i.extxyz.gz",
            "reference": DATA / "alloy" / "clusters" / "train_300K",
        },
    )
    results = run(context, MetricsParameters(kind="alloy", compat=True, alloy={"align": "none"}))
    expected = authors(DATA / "alloy" / "clusters" / "cryingan_i" / "alloy_metrics_vs_300K.csv")
    assert_authors(results["d_cluster"], expected["Cluster probability Euclidean distance"], 1e-4)
    assert results["vacancy_percent"]["value"] == 50
    assert results["vacancy_percent"]["floor"] is None
    assert results["formation_energy"]["training"]["mean"] is None


def test_folders_that_are_no_reference(tmp_path, gen_structures):
    context = write_inputs(tmp_path, gen_structures[:1], gen_structures)
    context.inputs["reference"] = DATA / "int" / "inputs"
    for name in ("interface", "amorphous", "alloy"):
        with pytest.raises(BadInput, match=r"inputs.*csv"):
            run(context, MetricsParameters(kind=name))


def test_references_that_cannot_be_used(tmp_path, reference, kind, rock_salt):
    path = tmp_path / "reference.npz"
    reference.save(path, kind)
    again = load_reference(path, kind)
    assert again.composition == COMPOSITION
    assert np.array_equal(again.records.column("means"), reference.records.column("means"))
    with pytest.raises(BadInput, match=r"made with anions .* give the training structures instead"):
        load_reference(path, InterfaceMetrics(MetricsParameters(**SALT)))
    with pytest.raises(BadInput, match="made with compat False"):
        load_reference(path, InterfaceMetrics(MetricsParameters(compat=True)))
    with pytest.raises(BadInput, match="a reference for the kind 'interface', not 'amorphous'"):
        load_reference(path, AmorphousMetrics(MetricsParameters(kind="amorphous")))
    path.write_bytes(path.read_bytes()[:5000])
    assert not is_reference(path)
    with pytest.raises(BadInput, match="truncated"):
        load_reference(path, kind)
    write_npz(rock_salt, path)
    assert not is_reference(path)


def test_validation_set_beside_the_floor(tmp_path, gen_structures, train_structures):
    context = write_inputs(tmp_path, gen_structures[:2], train_structures[:3], validation=train_structures[3:])
    floor = run(context, MetricsParameters())["noise_floor"]
    assert floor["structures"] == [1, 2]
    assert floor["compared"] == [2, 3]
    entry = floor["validation"]["metrics"]["d_all"]
    assert floor["validation"]["structures"] == 2
    assert entry["at_measured"] == pytest.approx(entry["value"])  # two were measured as well
    assert entry["lower"] < entry["value"] < entry["upper"] or entry["value"] > 0


# ---------------------------------------------------------------------- what is lost is counted
def test_unconverged_and_other_structures_are_counted(tmp_path, rock_salt):
    other = StructureSet.from_uniform([3, 17], np.array([[[0, 0, 0], [2.5, 0, 0]]]), np.eye(3) * 5)
    broken = rock_salt[0].with_positions(np.full((8, 3), np.nan))
    together = StructureSet.concatenate([rock_salt, rock_salt, other, broken])
    generated = together.with_property("converged", [True, False, True, True, True, True])
    context = write_inputs(tmp_path, generated, rock_salt)
    results = run(context, MetricsParameters(generated_total=10, **SALT))
    assert (results["n_analysed"], results["n_not_converged"], results["n_not_analysed"]) == (3, 1, 2)
    assert [item["index"] for item in results["not_analysed"]] == [4, 5]
    assert results["not_analysed"][0]["reason"] == "LiCl where the reference has Li4Cl4"
    assert "NaN" in results["not_analysed"][1]["reason"]
    assert results["failed_percent"]["value"] == 70
    with np.load(tmp_path / "per_structure.npz", allow_pickle=False) as arrays:
        assert arrays["index"].tolist() == arrays["source_index"].tolist() == [0, 2, 3]


def test_nothing_to_analyse_is_a_result(tmp_path, rock_salt):
    for generated in (rock_salt.with_property("converged", [False] * 2), StructureSet.empty()):
        context = write_inputs(tmp_path, generated, rock_salt)
        results = run(context, MetricsParameters(generated_total=8, **SALT))
        assert results["failed_percent"]["value"] == 100
        assert results["n_analysed"] == 0
        for name in ("d_all", "cos_Li"):
            assert results[name] | {"floor": None} == MISSING | {"floor": None}
            assert results[name]["floor"] >= 0


def test_energies_beside_those_of_the_training_set(tmp_path, rock_salt):
    four = StructureSet.concatenate([rock_salt, rock_salt])
    generated = rock_salt.with_property("energy", [-32.0, -24.0])
    context = write_inputs(tmp_path, generated, four.with_property("energy", [-32.0, -32.0, -16.0, np.nan]))
    results = run(context, MetricsParameters(**SALT))
    energies = results["energy_per_atom"]
    assert energies["generated"]["mean"] == -3.5
    assert energies["training"]["n"] == 3
    assert energies["training"]["min"] == -4
    # sorted: -4 -3 against -4 -4 -2
    assert energies["wasserstein"] == pytest.approx(0.5)
    with np.load(tmp_path / "per_structure.npz", allow_pickle=False) as arrays:
        each = arrays["property.interface_energy"]
    # both have the same atoms and area: what differs is the energy
    assert each[0] == pytest.approx(-0.4)
    normalised = results["interface_energy"]
    assert each.mean() == pytest.approx(normalised["generated"]["mean"])
    assert normalised["training"]["min"] == pytest.approx(-0.4)
    assert normalised["generated"]["min"] == pytest.approx(-0.4)
    assert normalised["e_cut"] == pytest.approx(-4 + 0.4 * 5.13**2 / (8 * 16.02176634))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda gen, train, salt: (gen[:0], train, {}), "set of generated structures is empty"),
        (lambda gen, train, salt: (gen, train, {"generated_total": 4}), "generated_total is 4, but 5"),
        (lambda gen, train, salt: (gen, train[:0], {}), "reference.*: the set of structures is empty"),
        (lambda gen, train, salt: (salt, train, {}), "composition Li4Cl4, the reference Li72"),
        (lambda gen, train, salt: (gen, salt, {}), r"reference\): its structures have no Co, Sc"),
        (
            lambda gen, train, salt: (gen, train, SALT | {"generated_total": 9}),
            "O, Sc, Co has no oxidation state; known are Cl, Li",
        ),
    ],
)
def test_bad_input(tmp_path, gen_structures, train_structures, rock_salt, change, message):
    generated, training, parameters = change(gen_structures, train_structures[:1], rock_salt)
    with pytest.raises(BadInput, match=message):
        run(write_inputs(tmp_path, generated, training), MetricsParameters(**parameters))


def test_training_structures_of_two_compositions(tmp_path, rock_salt):
    double = StructureSet.from_uniform(
        np.tile(rock_salt.numbers[:8], 2),
        np.concatenate([rock_salt[0].positions, rock_salt[0].positions + np.array([0, 0, 5.13])])[None],
        np.diag([5.13, 5.13, 10.26]),
    )
    context = write_inputs(tmp_path, rock_salt, StructureSet.concatenate([rock_salt, double]))
    with pytest.raises(BadInput, match=r"structure 2 \(Li8Cl8\) has another composition than structure 0 \(Li4Cl4\)"):
        run(context, MetricsParameters(**SALT))
    context = write_inputs(tmp_path, rock_salt, rock_salt, validation=double)
    with pytest.raises(BadInput, match="validation structures have the composition Li8Cl8"):
        run(context, MetricsParameters(**SALT))


def test_no_training_structure_can_be_analysed(tmp_path, rock_salt):
    together = rock_salt.with_positions(np.zeros_like(rock_salt.positions))
    with pytest.raises(BadInput, match=r"none of its 2 structures could be analysed; structure 0: .*coincide"):
        run(write_inputs(tmp_path, rock_salt, together), MetricsParameters(**SALT))


def test_parameters_of_another_kind_are_refused():
    with pytest.raises(BadInput, match="'alloy' holds parameters of the kind 'alloy', but kind is 'amorphous'"):
        validate(MetricsParameters, {"kind": "amorphous", "alloy": {"align": "none"}}, "metrics")
    with pytest.raises(BadInput, match=r"180° is not a multiple of 0\.7°"):
        validate(MetricsParameters, {"kind": "amorphous", "amorphous": {"angle_width": 0.7}}, "metrics")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cation": ["Li"]}, "'interface.cation'; did you mean 'cations'"),
        ({"cations": ["Li", "Li"]}, "named twice"),
        ({"cations": ["Na"]}, "Na has no entry in oxidation_states"),
        ({"cations": ["O"]}, "O has the oxidation state -2"),
        ({"anions": ["Li"]}, "Li has the oxidation state"),
        ({"oxidation_states": {"Xx": 1}}, "not a chemical element: Xx"),
    ],
)
def test_ions_that_do_not_fit(values, message):
    with pytest.raises(BadInput, match=message):
        validate(MetricsParameters, {"interface": values}, "metrics")


@pytest.mark.parametrize("values", [{"kind": "alloys"}, {"confidence": 1.0}, {"generated_total": 0}, {"workers": 0}])
def test_numbers_out_of_range(values):
    with pytest.raises(BadInput, match=next(iter(values))):
        validate(MetricsParameters, values, "metrics")


# ---------------------------------------------------------------------- stopping and going on
def test_stops_in_time_and_repeats_nothing(tmp_path, rock_salt, monkeypatch):
    computed = []
    original = InterfaceMetrics.describe
    monkeypatch.setattr(
        InterfaceMetrics,
        "describe",
        lambda self, structure: computed.append(structure.cells[0, 0, 0]) or original(self, structure),
    )
    context = write_inputs(tmp_path, rock_salt[[1, 0, 1]], rock_salt)
    context.max_seconds = 0.0
    parameters = MetricsParameters(**SALT)
    with pytest.raises(Unfinished, match="reference: out of time after 1 more of 2 structures"):
        run(context, parameters)
    file = open_records(context.checkpoint, InterfaceMetrics(parameters).about())
    with file.path.open("ab") as handle:
        handle.write(b"cut off by a ki")
    context.max_seconds = None
    results = run(context, parameters)
    assert computed == [5.13, 5.20]  # the generated ones are the same two
    assert results["n_analysed"] == 3
    assert len(RecordFile(file.path, InterfaceMetrics(parameters).about()).index) == 2
    last = json.loads((tmp_path / "progress.jsonl").read_text().splitlines()[-1])
    assert (last["stage"], last["done"], last["total"]) == ("generated", 3, 3)


def test_the_key_is_of_atoms_and_cell(rock_salt):
    assert key_of(rock_salt[0].with_property("energy", [1.0])) == key_of(rock_salt[0])
    assert key_of(rock_salt[1]) != key_of(rock_salt[0])


def test_several_processes_give_the_same(tmp_path, rock_salt, monkeypatch):
    monkeypatch.setattr("aiida_dismai.engine.metrics.collect.WORTH_A_PROCESS", 1)
    scaled = rock_salt.with_positions(rock_salt.positions * 1.01)
    structures = StructureSet.concatenate([rock_salt, scaled, rock_salt[0].with_positions(np.zeros((8, 3)))] * 3)
    write_npz(structures, tmp_path / "many.npz")
    found = []
    for workers in (1, 2):
        kind = InterfaceMetrics(DescribeParameters(workers=workers, **SALT))
        file = RecordFile(tmp_path / f"{workers}.bin", kind.about())
        stream = StructureStream(tmp_path / "many.npz")
        found.append(describe_all(Context(tmp_path), "test", stream, kind, file, {"Li": 4, "Cl": 4}))
    serial, parallel = found
    assert [place for place, _ in serial.failures] == [4, 9, 14]
    assert serial.failures == parallel.failures
    assert serial.index.tolist() == parallel.index.tolist()
    assert np.array_equal(serial.records.column("means"), parallel.records.column("means"))


def test_records_of_chunks_are_used(tmp_path, gen_structures, train_structures, monkeypatch):
    """Two chunks are described, their records merged; the comparison computes only what is not in them."""
    from aiida_dismai.engine.store import join

    chunks = []
    for name, structures in (("a", gen_structures[:2]), ("b", gen_structures[2:4])):
        (tmp_path / name).mkdir()
        write_npz(structures, tmp_path / name / "in.npz")
        summary = describe(
            Context(tmp_path / name, inputs={"structures": tmp_path / name / "in.npz"}), DescribeParameters()
        )
        assert (summary["n_structures"], summary["n_described"], summary["n_not_analysed"]) == (2, 2, 0)
        chunks.append(tmp_path / name / "records.bin")
    join(chunks, tmp_path / "merged.bin")
    computed = []
    original = InterfaceMetrics.describe
    monkeypatch.setattr(
        InterfaceMetrics, "describe", lambda self, structure: computed.append(1) or original(self, structure)
    )
    context = write_inputs(tmp_path, gen_structures, gen_structures)
    context.inputs["records"] = tmp_path / "merged.bin"
    context.inputs["reference"] = DATA / "int" / "motif" / "train"
    results = run(context, MetricsParameters())
    assert len(computed) == 1
    assert results["d_all"]["value"] == pytest.approx(0.050218147716582444, abs=1e-9)
    with pytest.raises(BadInput, match="records of other structures"):
        run(context, MetricsParameters(compat=True))


def test_describe_refuses_what_has_nothing_to_describe(tmp_path, rock_salt):
    write_npz(rock_salt.with_property("converged", [False, False]), tmp_path / "in.npz")
    with pytest.raises(BadInput, match="none of its 2 structures has converged"):
        describe(Context(tmp_path, inputs={"structures": tmp_path / "in.npz"}), DescribeParameters(**SALT))
    write_npz(StructureSet.empty(), tmp_path / "in.npz")
    with pytest.raises(BadInput, match="set of structures is empty"):
        describe(Context(tmp_path, inputs={"structures": tmp_path / "in.npz"}), DescribeParameters(**SALT))


def test_a_structure_without_the_cations_is_not_described(rock_salt):
    kind = InterfaceMetrics(DescribeParameters())
    with pytest.raises(NotAnalysed, match="there is no Co, Sc in it"):
        kind.describe(rock_salt[0])
    sodium = StructureSet.from_uniform([11, 17], np.array([[[0, 0, 0], [2.5, 0, 0]]]), np.eye(3) * 5)
    with pytest.raises(NotAnalysed, match="Na has no oxidation state"):
        kind.describe(sodium)


@pytest.mark.parametrize("kind", ["interface", "amorphous"])
def test_an_element_too_many_is_another_composition(tmp_path, rock_salt, kind):
    parameters = {"kind": kind}
    if kind == "interface":
        charges = SALT["interface"]["oxidation_states"] | {"F": -1}
        parameters["interface"] = SALT["interface"] | {"oxidation_states": charges}
    more = StructureSet.from_uniform(
        np.append(rock_salt.numbers[:8], 9),
        np.concatenate([rock_salt[0].positions, [[1.3, 1.3, 1.3]]])[None],
        rock_salt.cells[0],
    )
    context = write_inputs(tmp_path, StructureSet.concatenate([rock_salt[0], more]), rock_salt)
    results = run(context, MetricsParameters(**parameters))
    assert results["not_analysed"] == [{"index": 1, "reason": "Li4FCl4 where the reference has Li4Cl4"}]
    context = write_inputs(tmp_path, rock_salt, rock_salt, validation=more)
    with pytest.raises(BadInput, match="validation structures have the composition Li4FCl4"):
        run(context, MetricsParameters(**parameters))


def test_pairs_of_small_cells_are_those_of_the_supercell_unless_all_are_asked_for(tmp_path):
    """Diamond silicon in a cell of 5.43 Å: the authors' way loses pairs beyond half of the 2×2×2 supercell."""
    from ase.build import bulk

    from aiida_dismai.engine.descriptors.rdf import radial_distribution
    from aiida_dismai.engine.structures import from_ase

    silicon = bulk("Si", cubic=True)
    silicon.rattle(0.05, seed=0)
    structure = from_ase([silicon])
    found = {}
    for every in (False, True):
        kind = AmorphousMetrics(DescribeParameters(kind="amorphous", amorphous={"rdf_all_pairs": every}))
        found[every] = kind.describe(structure)["rdf"]
        expected = radial_distribution(silicon.positions, silicon.cell[:], silicon.pbc, supercell=not every)
        assert np.array_equal(found[every], expected)
    assert (found[True] >= found[False] - 1e-12).all()
    assert found[False].sum() < 0.7 * found[True].sum()


def test_reference_without_composition_takes_that_of_the_structures(tmp_path, rock_salt):
    """A published rdf does not say of how many atoms; structures of another number are still refused."""
    silicon = load_structures(DATA / "a_Si" / "inputs" / "gen_relaxed.extxyz.gz")[:2]
    small = StructureSet.from_uniform([14, 14], np.array([[[0, 0, 0], [1.36, 1.36, 1.36]]]), np.eye(3) * 4)
    context = write_inputs(tmp_path, StructureSet.concatenate([silicon.without_properties(), small]), rock_salt)
    context.inputs["reference"] = DATA / "a_Si" / "rdf" / "train"
    results = run(context, MetricsParameters(kind="amorphous"))
    assert results["not_analysed"] == [{"index": 2, "reason": "Si2 where the reference has Si256"}]
    assert isinstance(results["d_rdf"]["value"], float)
