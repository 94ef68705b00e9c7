"""The report on a data set of amorphous silicon: measures before and after the relaxation, beside the paper's."""

import gzip
import json
from pathlib import Path

import pytest
from aiida import orm
from support import handmade
from support.printed import printed

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import load_structures, write_npz
from aiida_dismai.parsers.base import make_node
from aiida_dismai.report.collect import collect
from aiida_dismai.report.export import to_json
from aiida_dismai.report.html import page

pytestmark = pytest.mark.engine

REFERENCE = Path(__file__).parent.parent / "data" / "reference" / "a_Si" / "inputs"
ROUND = {"looked_at": 4, "converged": 4, "accepted": 3, "kept": 3, "wanted": 3, "rejected": {"crystalline": 1}}


@pytest.fixture(scope="module")
def report(aiida_profile, tmp_path_factory):
    """Return the report on a data set of three of the authors' structures, generated ones taken for those as made."""
    aiida_profile.reset_storage()
    outputs = {}
    for stage, name in (("made_", "gen_relaxed"), ("", "train")):
        folder = tmp_path_factory.mktemp(name)
        (folder / "some.extxyz").write_bytes(gzip.decompress((REFERENCE / f"{name}.extxyz.gz").read_bytes()))
        structures = load_structures(folder / "some.extxyz")[:3]
        write_npz(structures, folder / "in.npz")
        (folder / "task.json").write_text(json.dumps({"task": "amorphous.measure", "inputs": {"structures": "in.npz"}}))
        assert run_task(folder / "task.json") == 0
        outputs[f"{stage}measures"] = orm.Dict(json.loads((folder / "results.json").read_text()))
        outputs[f"{stage}distributions"] = make_node(folder / "measures.npz", orm.ArrayData)
        outputs["made" if stage else "dataset"] = StructureSetData(structures)
    outputs["rounds__round_0"] = orm.Dict(ROUND)
    outputs["split"] = orm.Dict({"seed": 1, "train": [0, 2], "validation": [1]})
    node = handmade.process(
        orm.WorkChainNode,
        handmade.WORKFLOWS + "dataset.amorphous",
        "AmorphousDatasetWorkChain",
        {"quench__chunk_size": orm.Int(2)},
    )
    made = outputs["dataset"]
    train = StructureSetData(made.structures[:2])
    split = handmade.process(
        orm.CalcFunctionNode, "split", "split_structures", {"structures": made}, {"train": train}, caller=node
    )
    outputs["train"] = split.outputs.train
    handmade.finish(node, {name: value if value.is_stored else value.store() for name, value in outputs.items()})
    return collect(node)


def test_the_set_and_how_it_was_made(report):
    (one,) = report.datasets
    assert (one.route, one.n_structures, one.looked_at, one.rejected) == ("quench", 3, 4, {"crystalline": 1})
    text = "made by a quench from the melt; 4 candidates, not taken: 1 crystalline; 2 for training, 1 for validation"
    assert one.text == text


def test_the_table_has_the_paper_beside(report):
    rows = {row[0]: row[1:] for row in report.datasets[0].rows()}
    made, relaxed = (report.datasets[0].measures[stage] for stage in ("made_", ""))
    for name, row in (("made_", 0), ("", 1)):
        four = report.datasets[0].measures[name]["coordination_percent"]["4"]
        assert float(rows["CN 4, % of the atoms"][row]) == pytest.approx(four, rel=1e-2)
    assert rows["CN 4, % of the atoms"][2:] == ("91.3", "89")
    assert rows["bond angle, standard deviation, degrees"][2:] == ("13.63", "12")
    assert float(rows["density, g/cm³"][1]) == pytest.approx(relaxed["density"], rel=1e-3)
    assert rows["energy, eV/atom"] == ("", "", "", "")
    # these are the paper's own structures: what was read off its figures must be found in them
    assert relaxed["coordination_percent"]["4"] == pytest.approx(89, abs=3)
    assert relaxed["rdf_peak"]["position"] == pytest.approx(2.36, abs=0.03)
    assert made["n_structures"] == 3


def test_it_is_shown_everywhere(report):
    text = printed(report)
    html = page(report)
    for words in ("paper, read off its figures", "quench from the melt", "rings of 6 per atom"):
        assert words in text
        assert words in html
    for title in ("Radial distribution of the data set", "Bond angles of single structures", "Rings"):
        assert title in html
    assert json.loads(to_json(report))["amorphous"]["rounds"] == [ROUND]


def test_a_benchmark_on_the_set_shows_it_too(report):
    node = orm.load_node(report.process["pk"])
    evaluation = handmade.process(
        orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", "EvaluateWorkChain", {"reference": node.outputs.train}
    )
    handmade.finish(evaluation, {"metrics": orm.Dict({"kind": "amorphous"}).store()})
    assert [one.n_structures for one in collect(evaluation).datasets] == [3]
