"""A fourth family in reports: by its spec alone, with a part of its own, and with one that cannot be used."""

import csv
import io
import json
import re
import sys

import numpy as np
import pytest
from aiida import orm
from support import handmade
from support.handnodes import finish, process
from support.printed import printed

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.metrics.run import run
from aiida_dismai.engine.structures import write_extxyz
from aiida_dismai.engine.tasks import find_task
from aiida_dismai.parsers.base import make_node
from aiida_dismai.report.collect import collect
from aiida_dismai.report.export import to_csv, to_json
from aiida_dismai.report.family import find_report
from aiida_dismai.report.html import page
from aiida_dismai.report.model import Model

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")

#: Of the two models: structures of six that have an antisite.
SWAPPED = (3, 1)
GROWN = {"300": [4, 3], "900": [6, 5]}


@pytest.fixture
def measure(crystals, tmp_path):
    """Return a function that runs the task for structures of which some are swapped, and gives its two nodes."""

    def measure(kind: str, swapped: int):
        folder = tmp_path / f"{kind}_{swapped}"
        folder.mkdir()
        files = {"structures": folder / "generated.extxyz", "reference": folder / "training.extxyz"}
        write_extxyz(crystals(6, swapped=swapped), files["structures"])
        write_extxyz(crystals(4), files["reference"])
        results = run(Context(folder, inputs=files), find_task("metrics").validate({"kind": kind}))
        arrays = make_node(folder / "per_structure.npz", orm.ArrayData)
        return orm.Dict(json.loads(json.dumps(results, default=float))).store(), arrays.store()

    return measure


@pytest.fixture
def grown(crystals):
    """Return a finished workflow that has made a data set of the family."""
    node = process(orm.WorkChainNode, "aiida.workflows:rocksalt.grow", "GrowWorkChain", {"seed": orm.Int(1)})
    everything = StructureSetData(crystals(5)).store()
    sets = {"train": StructureSetData(crystals(4)), "validation": StructureSetData(crystals(1))}
    process(orm.CalcFunctionNode, "", "split_structures", {"structures": everything}, sets, node)
    finish(node, {"dataset": everything, "grown": orm.Dict(GROWN).store(), **sets})
    return node


def benchmark(measure, kind, train=None):
    """Return a finished benchmark of two models."""
    given = {} if train is None else {"train": train}
    node = process(orm.WorkChainNode, handmade.WORKFLOWS + "benchmark", "BenchmarkWorkChain", given)
    outputs = {}
    for index, swapped in enumerate(SWAPPED):
        metrics, arrays = measure(kind, swapped)
        outputs |= {f"metrics__model_{index}": metrics, f"per_structure__model_{index}": arrays}
    finish(node, outputs)
    return node


def shown(report):
    """Return the page without scripts."""
    return re.sub(r"<script.*?</script>", "", page(report), flags=re.DOTALL)


@pytest.fixture
def install_plain(install_family, rocksalt, tmp_path, monkeypatch):
    """Return a function that installs ``plain``, a family that is like rocksalt but for some fields of its spec."""

    def install_plain(**changes: str) -> None:
        folder = tmp_path / "plain"
        folder.mkdir()
        given = ", ".join(f"{name}={value}" for name, value in {"report": "''", "dataset": "''", **changes}.items())
        text = f"import dataclasses, rocksalt\nSPEC = dataclasses.replace(rocksalt.SPEC, name='plain', {given})\n"
        (folder / "plain.py").write_text(text)
        (folder / "raises.py").write_text("raise RuntimeError('no display')\n")
        install_family("plain", "plain:SPEC", folder)
        monkeypatch.delitem(sys.modules, "plain", raising=False)

    return install_plain


def test_everything_that_the_spec_says_is_shown(rocksalt, measure):
    report = collect(benchmark(measure, "rocksalt"))
    assert report.measures() == ["d_unlike", "antisite_percent", "failed_percent"]
    text, html = printed(report), shown(report)
    for words in (
        "metrics (rocksalt): mean over 2 models",
        "d_unlike (distance of the numbers of unlike neighbours)",
        "antisite_percent (with an antisite, %)",
        "share of unlike neighbours, %",
    ):
        assert words in text
    assert "antisite_percent  (with an antisite, %)" in html
    # the main measure and the share, each with its label and unit, are at the top
    assert "<b>33.3 %</b><span>with an antisite</span>" in html
    assert "<span>distance of the numbers of unlike neighbours: d_unlike</span>" in html
    for title in ("Unlike neighbours", "Distance of single structures from the training average"):
        assert f"<h3>{title}</h3>" in html


def test_values_of_the_property_stand_beside_the_training_set(rocksalt, measure):
    text = printed(collect(benchmark(measure, "rocksalt")))
    assert "properties: mean ± standard deviation training set model 0 model 1" in text
    # 12 of the 192 bonds of a swapped crystal are between like atoms
    shares = [np.where(np.arange(6) < swapped, 100 * (1 - 12 / 192), 100.0) for swapped in SWAPPED]
    values = " ".join(f"{share.mean():.1f} ± {share.std():.1f}" for share in shares)
    assert f"share of unlike neighbours, % 100 ± 0 {values}" in text


def test_its_own_part_is_shown(rocksalt, measure, grown):
    report = collect(benchmark(measure, "rocksalt", grown.outputs.train))
    text, html = printed(report), shown(report)
    assert "crystals without an antisite – 3 5" in text
    assert "<td>crystals without an antisite</td>" in html
    assert "<b>66.7 %</b><span>perfect crystals</span><small>generated structures</small>" in html
    assert "<h2>Order of the crystals</h2>" in html
    assert "<h3>Order of single crystals</h3>" in html
    content = json.loads(to_json(report))
    labels = content["family"].pop("measures")
    assert labels["antisite_percent"] == {"label": "with an antisite", "unit": "%"}
    assert content["family"] == {
        "name": "rocksalt",
        "label": "ordered crystals",
        "perfect": {"model_0": 3, "model_1": 5},
    }
    models = list(csv.DictReader(io.StringIO(to_csv(report, "model"))))
    assert [row["n_perfect"] for row in models] == ["3", "5"]
    assert [float(row["antisite_percent"]) for row in models] == pytest.approx([50, 100 / 6])
    structures = list(csv.DictReader(io.StringIO(to_csv(report, "structure"))))
    assert [float(row["order"]) < 100 for row in structures] == [True] * 3 + [False] * 3 + [True] + [False] * 5


@pytest.mark.parametrize("of", ["itself", "a benchmark"])
def test_its_data_set_is_shown(rocksalt, measure, grown, of):
    report = collect(grown if of == "itself" else benchmark(measure, "rocksalt", grown.outputs.train))
    text, html = printed(report), shown(report)
    assert "grown crystals temperature, K structures training 300 4 3 900 6 5 grown at 2 temperatures" in text
    assert "<b>10</b><span>crystals</span><small>grown at 300, 900 K</small>" in html
    assert "<h2>Data sets in numbers</h2>" in html
    assert '<th>temperature, K</th><th class="n">structures</th><th class="n">training</th>' in html
    assert "<h3>Crystals by temperature</h3>" in html
    assert json.loads(to_json(report))["crystals"] == {
        "300": {"grown": 4, "training": 3},
        "900": {"grown": 6, "training": 5},
    }
    assert "10 structures in the data set (1500)" in " ".join(report.notes)


def test_a_key_that_reports_have_is_refused(rocksalt, grown):
    report = collect(grown)
    report.datasets[0].key = "models"
    with pytest.raises(BadInput, match="the key 'models' of a data set is that of another part of every report"):
        to_json(report)


def test_a_family_without_a_part_of_its_own(install_plain, measure, grown):
    install_plain()
    report = collect(benchmark(measure, "plain", grown.outputs.train))
    text, html = printed(report), shown(report)
    assert "antisite_percent (with an antisite, %)" in text
    assert "share of unlike neighbours, %" in text
    assert "<h3>Unlike neighbours</h3>" in html
    for words in ("perfect crystals", "Order of the crystals"):
        assert words not in text
        assert words not in html
    # the data set is of the other family, which has one
    assert "grown at 2 temperatures" in text
    assert set(json.loads(to_json(report))["family"]) == {"name", "label", "measures"}
    assert report.problems == []


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("rocksalt:OrderParameters", "rocksalt:OrderParameters is not a subclass of FamilyReport"),
        ("rocksalt:NoSuchReport", "rocksalt:NoSuchReport cannot be loaded"),
        ("raises:Report", "RuntimeError: no display"),
    ],
)
def test_a_part_that_cannot_be_used_is_said_and_the_numbers_are_shown(install_plain, measure, reference, reason):
    install_plain(report=repr(reference))
    report = collect(benchmark(measure, "plain"))
    (note,) = [note for note in report.notes if "shown" in note]
    assert note.startswith(f"Only what every family has is shown of ordered crystals: {reason}")
    assert "antisite_percent (with an antisite, %)" in printed(report)


def test_a_family_that_is_not_installed_here(rocksalt, measure):
    metrics, arrays = measure("rocksalt", 3)
    node = process(orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", "EvaluateWorkChain")
    finish(node, {"metrics": orm.Dict(metrics.get_dict() | {"kind": "rocksald"}).store(), "per_structure": arrays})
    report = collect(node)
    assert (
        "Metrics have no labels here: no family of structures 'rocksald' is registered; did you mean 'rocksalt'?; "
        "install its plug-in." in report.notes
    )
    text, html = printed(report), shown(report)
    assert "metrics (rocksald): one model" in text
    assert "d_unlike" in text
    assert "(distance of the numbers" not in text
    assert "<span>failed</span>" in html
    assert "<td>antisite_percent</td>" in html
    assert json.loads(to_json(report))["family"]["measures"]["d_unlike"] == {"label": "", "unit": ""}


def test_a_family_may_have_any_name(measure, rocksalt):
    metrics, _ = measure("rocksalt", 3)
    evil = "<b>\x1b[2J\x9b1m\u202e" + 50_000 * "y"
    node = process(orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", "EvaluateWorkChain")
    finish(node, {"metrics": orm.Dict(metrics.get_dict() | {"kind": evil}).store()})
    report = collect(node)
    text = printed(report)
    assert text.isprintable()
    assert len(text) < 20_000
    assert "<b>\x1b" not in page(report)
    assert to_json(report).replace("\n", "").isprintable()


def test_names_with_a_star_are_in_their_place(install_plain):
    install_plain(metrics="(rocksalt.MetricSpec('d_*', 'distance of {}'), rocksalt.MetricSpec('d_all', 'all'))")
    family = find_report("plain")
    names = ["mean_z", "cos_b", "d_b", "failed_percent", "d_all", "d_a"]
    assert family.ordered(names) == ["d_a", "d_b", "d_all", "failed_percent", "cos_b", "mean_z"]
    assert family.metric("d_a").title == "distance of a"
    assert family.columns(Model("x", {})) == {}
