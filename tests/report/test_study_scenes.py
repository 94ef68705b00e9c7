"""The viewer of a study's page: of each model on each data set three structures, of the trained model in the middle."""

import pytest
from aiida import orm
from support.browser import chromium, visit
from support.handmade import CALCULATIONS
from support.handnodes import finish, process
from support.studies import GENERATED, MODELS, SETS, study

from aiida_dismai.provenance import outputs_of
from aiida_dismai.report import scenes
from aiida_dismai.report.collect import collect
from aiida_dismai.report.html import write_page
from aiida_dismai.report.scenes import drawn, viewer_data
from aiida_dismai.report.study_scenes import CHOSEN


@pytest.fixture(scope="module")
def node(aiida_profile):
    aiida_profile.reset_storage()
    return study()


@pytest.fixture(scope="module")
def report(node):
    return collect(node)


def benchmark_of(node, run):
    return outputs_of(node)["summaries"][run].creator.caller


def test_every_model_on_every_data_set_has_three_structures_by_the_main_measure(report):
    found = {(scene.dataset, scene.model, scene.measure, scene.place) for scene in report.scenes}
    assert found == {
        (dataset, model, main, place)
        for dataset, (_, main) in SETS.items()
        for model in MODELS
        for place in ("best", "median", "worst")
    }
    assert report.n_analysed == len(SETS) * len(MODELS) * 3 * GENERATED


def test_structures_are_those_of_the_trained_model_in_the_middle(node, report):
    scene = next(s for s in report.scenes if (s.dataset, s.model, s.place) == ("silicon", "cdvae", "worst"))
    assert scene.title.endswith(" · silicon_cdvae_1, model_1")
    assert scene.label == "fingerprint distance"
    outputs = outputs_of(benchmark_of(node, "silicon_cdvae_1"))
    distances = outputs["per_structure"]["model_1"].get_array("d_motif")
    worst = int(distances.argmax())
    assert scene.title.startswith(f"structure {worst} · d_motif {distances[worst]:.3g}")
    generated, relaxed, nearest = scene.panes
    job = outputs["metrics"]["model_1"].creator
    assert generated["structure"] == drawn(outputs["generated"]["model_1"].structures[worst])
    assert relaxed["structure"] == drawn(job.inputs.structures.structures[worst])
    assert nearest["structure"] == drawn(job.inputs.reference.structures[7])


def test_the_page_says_how_many_of_how_many(report, monkeypatch):
    found = viewer_data(report.scenes, report.n_analysed, CHOSEN)
    assert found["datasets"] == list(SETS)
    assert found["note"].startswith(f"12 of 60 analysed structures are shown: {CHOSEN}. Coordination")
    monkeypatch.setattr(scenes, "MAX_SCENES", 5)
    few = viewer_data(report.scenes, report.n_analysed, CHOSEN)
    # something of each model comes first
    kept = [(scene["dataset"], scene["model"], scene["place"]) for scene in few["scenes"]]
    assert kept[:4] == [(dataset, model, "median") for dataset in SETS for model in MODELS]
    assert "7 more choices are left out" in few["note"]


def test_summaries_without_their_benchmarks_show_nothing(aiida_profile_clean):
    node = process(orm.WorkChainNode, "aiida.workflows:dismai.study", "StudyWorkChain")
    row = {"name": "cdvae", "runs": ["a", "b"], "metrics": {}, "n_models": 0, "baseline": False, "reason": "x"}
    table = orm.Dict({"datasets": {"cold": {"family": "alloy", "rows": [row], "ranks": None}}, "overall": None})
    made = orm.Dict({})
    process(orm.CalcFunctionNode, CALCULATIONS + "functions.aggregate", "aggregate_metrics", {}, {"result": made})
    finish(node, {"table": table.store(), "summaries__a": made, "summaries__b": orm.Dict({}).store()})
    report = collect(node)
    assert (report.scenes, report.n_analysed) == ([], 0)


CHOICES = """
    document.getElementById("viewer").scrollIntoView();
    await until(() => window.dismaiViews, "the viewer");
    const at = (name) => document.getElementById("viewer-" + name);
    const entries = (name) => [...at(name).options].map((option) => option.value);
    const choose = (name, value) => { at(name).value = value; at(name).dispatchEvent(new Event("change")); };
    const seen = () => ({ models: entries("model"), measures: entries("measure"), title: at("title").textContent,
                          note: dismaiViews.map((pane) => pane.name.textContent) });
    const first = seen();
    choose("model", "cdvae"); choose("dataset", "silicon"); choose("place", "worst");
    return { sets: entries("dataset"), first, then: seen(), chosen: at("model").value,
             wide: document.documentElement.scrollWidth - document.documentElement.clientWidth };
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 380])
def test_a_reader_chooses_data_set_model_and_structure(report, tmp_path, width):
    chromium()
    write_page(report, tmp_path / "report.html")
    told = visit(tmp_path / "report.html", CHOICES, width=width)
    assert (told["errors"], told["blocked"], told["resources"]) == ([], [], [])
    assert told["sets"] == ["faces", "silicon"]
    assert told["first"]["models"] == ["cryingan", "cdvae"]
    assert (told["first"]["measures"], told["then"]["measures"]) == (["d_all"], ["d_motif"])
    assert told["first"]["title"].endswith("faces_cryingan_1, model_1")
    assert told["chosen"] == "cdvae"  # kept, as the other data set has it, too
    assert told["then"]["title"].endswith("silicon_cdvae_1, model_1")
    assert told["then"]["note"] == ["generated", "relaxed", "nearest training structure (7)"]
    assert told["wide"] <= 0
