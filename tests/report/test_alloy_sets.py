"""The report on the data sets of an alloy, of a workflow that makes several and of a benchmark that was given one."""

import json

import numpy as np
import pytest
from aiida import orm
from support import handmade
from support.handnodes import measure

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import Property
from aiida_dismai.report.collect import collect
from aiida_dismai.report.export import to_json
from aiida_dismai.report.html import page

PAIRS = ["Fe-Fe", "Fe-Ni", "Ni-Ni"]
#: In the order of a report: by temperature, then by name.
NAMES = ["T300_all", "T300_wide", "T1500_wide"]


def summary(index, name):
    return {
        "looked_at": 100,
        "passed": 40 + index,
        "passed_percent": 40.0 + index,
        "decorrelated": 30,
        "spacing_passes": 12.5,
        "kept": 12,
        "trapped_runs": [3] if index == 1 else [],
        "formation_energy": {"mean": -0.05, "std": 0.002},
        "pairs": PAIRS,
        "selection": {"width": None if name.endswith("all") else 0.1},
    }


def snapshots(seed):
    """Return twelve structures of an alloy with energies and order parameters (two shells, three pairs)."""
    random = np.random.default_rng(seed)
    frames = handmade.structures(12, seed, [26, 26, 28, 28])
    values = {"formation_energy": random.normal(-0.05, 0.002, 12), "sro": random.normal(0, 0.05, (12, 2, len(PAIRS)))}
    return frames.with_properties({name: Property(value, "structure") for name, value in values.items()})


@pytest.fixture(scope="module")
def made(aiida_profile):
    aiida_profile.reset_storage()
    kind = handmade.WORKFLOWS + "dataset.alloy"
    node = handmade.process(orm.WorkChainNode, kind, "AlloyDatasetWorkChain", {"seed": orm.Int(1)})
    outputs = {}
    for index, name in enumerate(NAMES):
        dataset = StructureSetData(snapshots(index)).store()
        parts = {
            "train": StructureSetData(dataset.structures[:9]),
            "validation": StructureSetData(dataset.structures[9:]),
            "split": orm.Dict({"seed": index}),
        }
        given = {"structures": dataset}
        handmade.process(orm.CalcFunctionNode, "", "split_structures", given, parts, node, f"split_{name}")
        parts |= {"dataset": dataset, "summary": orm.Dict(summary(index, name)).store()}
        outputs |= {f"datasets__{name}__{port}": part for port, part in parts.items()}
    handmade.finish(node, outputs)
    return node


def test_all_sets_are_in_one_table_and_in_the_headline(made):
    html = page(collect(made))
    assert "Data sets in numbers" in html
    for index, name in enumerate(NAMES):
        assert f"structures: {name}" in html
        assert f"of 100 snapshots · {40 + index} % pass the filter" in html
    assert html.index("structures: T300_wide") < html.index("structures: T1500_wide")
    for title in ("Formation energies of the data sets", "Short-range order, T300", "Short-range order, T1500"):
        assert f"<h3>{title}</h3>" in html


def test_the_sets_in_json(made):
    first, *others = json.loads(to_json(collect(made)))["alloys"]
    assert (first["name"], first["summary"]["kept"], len(first["formation_energies"])) == ("T300_all", 12, 12)
    assert set(first["nodes"]) == {"dataset", "train", "validation", "split", "summary"}
    assert [one["name"] for one in others] == NAMES[1:]


def test_an_evaluation_shows_the_set_that_it_was_given(made):
    given = {"reference": made.outputs.datasets.T300_wide.train}
    node = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", "EvaluateWorkChain", given)
    metrics = {"kind": "alloy", "n_generated": 4, "n_reference": 9, "d_cluster": measure(0.1, 0.02)}
    handmade.finish(node, {"metrics": orm.Dict(metrics).store()})
    report = collect(node)
    assert "12 structures in the data set (1500)" in report.notes[-1]
    assert [one["name"] for one in json.loads(to_json(report))["alloys"]] == ["T300_wide"]
