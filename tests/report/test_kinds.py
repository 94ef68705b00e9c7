"""Reports on what the engine really gives for the three kinds: names, numbers, tables, charts."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from support import handmade
from support.printed import printed

from aiida_dismai.engine.families.registry import find
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import load_structures, write_npz
from aiida_dismai.parsers.base import make_node
from aiida_dismai.report import plots
from aiida_dismai.report.collect import collect
from aiida_dismai.report.details import detail_tables
from aiida_dismai.report.export import to_csv, to_json
from aiida_dismai.report.families.alloy import figures
from aiida_dismai.report.html import page
from aiida_dismai.report.table import MARK, metric_rows

pytestmark = pytest.mark.engine

REFERENCE = Path(__file__).parent.parent / "data" / "reference"
#: Generated and training structures of each kind, and what was left of them.
SETS = {
    "interface": ("int/inputs/gen_relaxed", "int/inputs/train"),
    "amorphous": ("a_Si/inputs/gen_relaxed", "a_Si/inputs/train"),
    "alloy": ("alloy/inputs/gen_i", "alloy/inputs/train_300K"),
}


def load(name, folder):
    """Return some structures of a reference file."""
    path = folder / "some.extxyz"
    path.write_bytes(gzip.decompress((REFERENCE / f"{name}.extxyz.gz").read_bytes()))
    return load_structures(path)


@pytest.fixture(scope="module")
def measure(aiida_profile, tmp_path_factory):
    """Return a function that measures structures with the engine, as an evaluation; keeps what it has measured."""
    aiida_profile.reset_storage()
    found = {}

    def run(kind):
        if kind not in found:
            folder = tmp_path_factory.mktemp(kind)
            generated, training = (load(name, folder) for name in SETS[kind])
            energy = -4.0 * generated.n_atoms + np.arange(len(generated))
            write_npz(generated.with_property("energy", energy)[:4], folder / "generated.npz")
            write_npz(training.with_property("energy", -4.1 * training.n_atoms)[1:], folder / "train.npz")
            write_npz(training[:1], folder / "validation.npz")
            inputs = {"structures": "generated.npz", "reference": "train.npz", "validation": "validation.npz"}
            task = {"task": "metrics", "inputs": inputs, "parameters": {"kind": kind, "resamples": 50}}
            (folder / "task.json").write_text(json.dumps(task))
            assert run_task(folder / "task.json") == 0
            outputs = {
                "metrics": orm.Dict(json.loads((folder / "results.json").read_text())),
                "per_structure": make_node(folder / "per_structure.npz", orm.ArrayData),
            }
            node = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", "EvaluateWorkChain")
            handmade.finish(node, {name: value.store() for name, value in outputs.items()})
            found[kind] = collect(node)
        return found[kind]

    return run


@pytest.mark.parametrize("kind", SETS)
def test_every_distance_has_its_floor_and_its_validation_set_beside_it(measure, kind):
    report = measure(kind)
    metrics = report.models[0].metrics
    rows = {row.name.split()[0]: row for row in metric_rows(report)}
    distances = [name for name in metrics if name.startswith(("d_", "cos_"))]
    assert len(distances) == {"interface": 8, "amorphous": 4, "alloy": 1}[kind]
    for name in distances:
        floor, validation = (
            metrics["noise_floor"]["metrics"][name],
            metrics["noise_floor"]["validation"]["metrics"][name],
        )
        assert rows[name].floor == f"{floor['value']:.3g} ({floor['lower']:.3g}, {floor['upper']:.3g})"
        assert rows[name].validation == f"{validation['at_measured']:.3g}"
        assert rows[name].within == (metrics[name]["value"] <= floor["upper"])
        assert rows[name].spread == f"({metrics[name]['lower']:.4g}, {metrics[name]['upper']:.4g})"
    text = printed(report)
    assert "bootstrap interval" in text
    assert (MARK in text) == any(row.within for row in rows.values())


@pytest.mark.parametrize(
    ("kind", "there", "not_there"),
    [
        ("interface", ("Li3ScCl6(100) | LiCoO2(110)", "UniMat 0.151"), ("Fe60", "amorphous Si", "vacancy")),
        ("amorphous", ("amorphous Si", "d_rdf CDVAE 0.392"), ("UniMat", "Fe60", "Li3ScCl6")),
        ("alloy", ("300 K, narrow SRO", "vacancy_percent CDVAE 35.8"), ("UniMat", "amorphous Si")),
    ],
)
def test_only_the_papers_numbers_of_the_same_kind_are_quoted(measure, kind, there, not_there):
    for text in (printed(measure(kind)), page(measure(kind)).rpartition("</script>")[0].partition("<body>")[2]):
        for words in there:
            assert words in text
        for words in not_there:
            assert words not in text


def test_amorphous_structures_have_coordination_and_curves(measure):
    report = measure("amorphous")
    (table,) = [item for item in detail_tables(report) if item.title.startswith("coordination")]
    rows = {row[0]: row[1:] for row in table.rows}
    shares = report.models[0].metrics["coordination_percent"]
    assert rows["CN 4, % of the atoms"] == [f"{shares[name]['4']:.3g}" for name in ("training", "generated")]
    mean = float(rows["bond angle, mean, degrees"][0])
    assert 105 < mean < 112
    curves = {spec.name: spec for spec in report.family.spec.curves}
    for name, length in (("rdf", 500), ("angle", 360)):
        training, _, own = plots.curve(report, curves[name]).data
        assert len(training.x) == len(own.x) == length
        band = report.models[0].per_structure[f"curve_{name}"]
        assert (band[2] <= band[1] + 1e-12).any()
    # the first peak of the radial distribution of silicon
    training = plots.curve(report, curves["rdf"]).data[0]
    assert 2.2 < training.x[np.argmax(training.y)] < 2.6
    assert plots.motifs(report, "Si") is not None
    assert figures.draw_order(report.models) is figures.draw_vacancies(report.models) is None


def test_alloys_have_order_clusters_and_vacancies(measure):
    report = measure("alloy")
    tables = {item.title.split(":")[0]: item for item in detail_tables(report)}
    order = next(item for title, item in tables.items() if title.startswith("short-range order"))
    assert [row[0] for row in order.rows][:6] == [
        f"1NN {pair}" for pair in ("Cr-Cr", "Cr-Fe", "Cr-Ni", "Fe-Fe", "Fe-Ni", "Ni-Ni")
    ]
    assert len(order.rows) == 12
    cleaned = {row[0]: row[2] for row in tables["clean-up on the lattice"].rows}
    assert cleaned["empty sites in all"] == str(report.models[0].per_structure["vacancies"].sum())
    difference = figures.draw_clusters(report.models).data[0]
    distance = report.models[0].metrics["d_cluster"]["value"]
    assert np.linalg.norm(difference.y) == pytest.approx(distance, abs=1e-12)
    assert sum(figures.draw_vacancies(report.models).data[0].y) == pytest.approx(100)
    training, own = figures.draw_order(report.models).data
    assert len(training.y) == len(own.y) == 12
    assert figures.draw_formation_energies(report.models) is not None
    assert plots.curve(report, find("amorphous").curves[0]) is None


@pytest.mark.parametrize("kind", SETS)
def test_energies_are_compared(measure, kind):
    (table,) = [item for item in detail_tables(measure(kind)) if item.title.startswith("energies")]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["energy, eV/atom"][0] == "-4.1 ± 0" or rows["energy, eV/atom"][0].startswith("-4.1 ± ")
    assert float(rows["energy, eV/atom: distance of the distributions"][1]) == pytest.approx(0.1, abs=0.02)
    assert ("interface energy, J/m²" in rows) == (kind == "interface")
    assert ("formation energy, eV/atom" in rows) == (kind == "alloy")


@pytest.mark.parametrize("kind", SETS)
def test_exports_hold_one_row_a_structure(measure, kind):
    report = measure(kind)
    n = report.models[0].metrics["n_analysed"]
    columns = json.loads(to_json(report))["models"][0]["per_structure"]
    main = {"interface": "d_all", "amorphous": "d_motif", "alloy": "d_cluster"}[kind]
    assert {"index", "energy_per_atom", main} <= set(columns)
    assert {len(values) for values in columns.values()} == {n}
    assert not any(name.startswith(("average", "curve", "labels", "vector")) for name in columns)
    assert len(to_csv(report, "structure").splitlines()) == n + 1
