"""Labels of several methods that were mixed on purpose are marked in whatever comes from them."""

import csv
import io
import json

import pytest
from aiida import orm
from support import handmade
from support.printed import printed
from support.weights import weights

from aiida_dismai.calculations.functions.study import tabulate_study
from aiida_dismai.data import PotentialData, StructureSetData
from aiida_dismai.report.collect import collect
from aiida_dismai.report.export import to_csv, to_json
from aiida_dismai.report.html import page

SAID = "the labels are of several methods, which differ in DFT engine (one, two)"


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def potential(*methods):
    trained_on = {"content_hash": "0", "n_structures": 2, "methods": list(methods)}
    return weights(PotentialData, " ".join(methods), trained_on=trained_on).store()


def evaluation(node):
    """Return an evaluation that relaxed with a potential."""
    given = {"structures": StructureSetData(handmade.structures(2, 91)), "potential": node}
    process = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", "EvaluateWorkChain", given)
    handmade.finish(process, {"metrics": handmade.metrics(0.1, 0.0, 2).store()})
    return process


def test_a_report_on_what_such_a_potential_relaxed(graph):
    mixed = potential("one PBE", "two PBE")
    report = collect(evaluation(mixed))
    note = f"Mixed labels: PotentialData<{mixed.pk}>: {SAID}."
    assert note in report.notes
    assert SAID in printed(report)
    assert SAID in page(report)
    assert json.loads(to_json(report))["mixed_labels"] == [f"PotentialData<{mixed.pk}>: {SAID}"]
    report = collect(evaluation(potential("one PBE U(Co-d)=3.32", "one PBE")))
    assert report.mixed_labels == []
    assert "Mixed labels" not in " ".join(report.notes)


def study_of(said):
    """Return a study of one model on two data sets whose potentials differ as ``said``."""
    summary = handmade.metrics(0.1, 0.0, 2).get_dict()
    from aiida_dismai.engine.metrics.aggregate import summarise

    cells = [
        {"dataset": name, "model": "cdvae", "value": None, "baseline": False, "reason": "", "run": f"{name}_cdvae_1"}
        for name in ("cold", "hot")
    ]
    summaries = {cell["run"]: orm.Dict(summarise([summary])).store() for cell in cells}
    families = {"cold": "interface", "hot": "interface"}
    plan = {"cells": cells, "families": families, "ranked": {"interface": ["d_all"]}, "mixed_labels": said}
    table = tabulate_study(plan=orm.Dict(plan), **summaries)
    process = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "study", "StudyWorkChain")
    outputs = {f"summaries__{name}": node for name, node in summaries.items()}
    handmade.finish(process, {"table": table, **outputs})
    return process


def test_a_study_over_potentials_of_several_methods(graph):
    report = collect(study_of(SAID))
    assert report.study["mixed_labels"] == SAID
    assert f"Mixed labels: potentials of the data sets: {SAID}." in report.notes
    assert printed(report).count(SAID) > 1  # above all, and below the tables
    assert SAID in page(report)
    rows = list(csv.DictReader(io.StringIO(to_csv(report, "model"))))
    assert [row["mixed_labels"] for row in rows] == [SAID, SAID]
    report = collect(study_of(""))
    assert "mixed_labels" not in report.study
    assert "mixed_labels" not in to_csv(report, "model")
