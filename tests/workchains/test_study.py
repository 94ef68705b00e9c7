"""Studies: which benchmarks they consist of, what is refused, and that one runs."""

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase.build import bulk

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import StructureSet, from_ase
from aiida_dismai.workchains.study import StudyWorkChain
from aiida_dismai.workchains.study_plan import Cell, cells_of, of_equal_time

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("aiida_profile_clean")]
TINY = {
    "latent_dim": 4,
    "generator_channels": [8, 8, 8, 8],
    "critic_channels": [8, 8, 8],
    "critic_head": [8, 4, 4],
    "batch_size": 4,
    "epochs": 2,
    "translations": [2, 1, 1],
}
FEW = {"benchmark": {"n_models": 1, "sample": {"n_structures": 6}}}


def alloys(count, seed, elements=("Fe", "Ni")):
    """Return cells of 8 atoms on a lattice, each 0.05 Å from its site; the atoms in the same order in all."""
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        atoms = bulk("Fe", "fcc", a=3.6, cubic=True) * (2, 1, 1)
        atoms.symbols[random.permutation(8)] = [elements[0]] * 5 + [elements[1]] * 3
        atoms = atoms[np.argsort(atoms.numbers, kind="stable")]
        atoms.rattle(0.05, rng=random)
        frames.append(atoms)
    return StructureSetData(from_ase(frames))


@pytest.fixture
def dataset():
    return {"train": alloys(12, 1), "validation": alloys(4, 2), "kind": "alloy"}


@pytest.fixture
def study(dismai_code, dataset):
    """Return a factory of builders of small studies."""

    def make(datasets=None, models=None, seeds=(1,), overrides=FEW, **more):
        return StudyWorkChain.get_builder_from_protocol(
            dismai_code,
            {"cold": dataset} if datasets is None else datasets,
            {"cryingan": {}} if models is None else models,
            list(seeds),
            protocol="demo",
            overrides=overrides,
            **more,
        )

    return make


def keys(builder):
    return [cell.key for cell in cells_of(builder._inputs(prune=True))]


def test_models_data_sets_seeds_and_baselines(study, dataset):
    assert keys(study({"cold": dataset, "hot": dataset}, {"cdvae": {}, "small": {"model": "diffcsp"}}, (1, 7))) == [
        f"{data}_{model}_{seed}"
        for seed in (1, 7)
        for data in ("cold", "hot")
        for model in ("cdvae", "small", "random", "resample")
    ]
    assert keys(study(overrides=FEW | {"baselines": False})) == ["cold_cryingan_1"]


def test_values_of_a_hyper_parameter(study):
    builder = study(models={"cryingan": {}, "cdvae": {}}, axis={"name": "lambda_distance", "values": [0, 0.05]})
    cells = {cell.key: cell for cell in cells_of(builder._inputs(prune=True))}
    assert list(cells) == [
        "cold_cryingan_v0_1",
        "cold_cryingan_v1_1",
        "cold_cdvae_1",
        "cold_random_1",
        "cold_resample_1",
    ]
    cell = cells["cold_cryingan_v1_1"]
    assert cell.overrides["generator"]["models"]["cryingan"]["hyperparameters"] == {"lambda_distance": 0.05}
    assert (cell.value, cells["cold_cdvae_1"].value) == (0.05, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": {}}, "give at least one data set"),
        ({"models": {}}, "give at least one model"),
        ({"models": {"cryingann": {}}}, "did you mean 'cryingan'"),
        ({"models": {"a b": {"model": "cryingan"}}}, "'a b' cannot be a name in a study"),
        ({"models": {"cryingan": ["epochs"]}}, r"models.cryingan: must be a mapping"),
        ({"models": {"cryingan": {"generater": {}}}}, "unknown override 'generater'"),
        ({"seeds": ()}, "seeds: give at least one"),
        ({"seeds": (1, 1)}, "seeds: 1 is there twice"),
        ({"seeds": (-1,)}, "must be whole numbers from 0 on"),
        ({"axis": {"name": "lambda_distence", "values": [0]}}, "did you mean 'lambda_distance'"),
        ({"axis": {"name": "lambda_distance", "values": []}}, "no values of 'lambda_distance'"),
        ({"axis": {"name": "lambda_distance", "values": [0.1, 0.1]}}, "0.1 is there twice"),
        ({"axis": {"name": "lambda_distance", "values": [-0.1]}}, "lambda_distance"),
        ({"axis": {"names": ["epochs"]}}, "give name"),
        ({"equal_time": True}, "needs an axis"),
    ],
)
def test_what_is_refused(study, changes, message):
    with pytest.raises(BadInput, match=message):
        study(**changes)


def test_a_finished_benchmark_that_is_none_of_the_study(study):
    with pytest.raises(BadInput, match="no benchmark of this study has that name"):
        study(finished={"cold_cdvae_1": orm.Dict({})})


def test_a_cell_that_is_there_twice(study, dataset):
    models = {"b_c": {"model": "cdvae"}, "c": {"model": "cdvae"}}
    with pytest.raises(BadInput, match="there twice: a_b_c_1"):
        study({"a": dataset, "a_b": dataset}, models)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": None}, r"datasets.cold.train: missing"),
        ({"validation": orm.Str}, r"datasets.cold.validation: must be a StructureSetData"),
        ({"kind": "alloi"}, "did you mean 'alloy'"),
        ({"trian": StructureSetData}, r"datasets.cold.trian: no such input"),
    ],
)
def test_data_sets_that_are_refused(study, dataset, change, message):
    name, value = next(iter(change.items()))
    parts = {key: part for key, part in dataset.items() if key != name}
    if value is orm.Str:
        parts[name] = orm.Str("here")
    elif value is StructureSetData:
        parts[name] = dataset["train"]
    elif value is not None:
        parts[name] = value
    with pytest.raises(BadInput, match=message):
        study({"cold": parts})


@pytest.fixture
def shuffled(dataset):
    """Return the data set with the atoms of one structure in another order."""
    structures = dataset["train"].structures
    last = structures[len(structures) - 1]
    order = np.arange(len(last.numbers))[::-1]
    turned = StructureSet.from_uniform(last.numbers[order], last.positions[order][None], last.cells[0])
    return dataset | {"train": StructureSetData(StructureSet.concatenate([structures[:-1], turned]))}


def test_a_model_that_does_not_apply_to_one_data_set_is_left_out_with_a_note(study, dataset, shuffled):
    builder = study({"cold": dataset, "mixed": shuffled}, {"cryingan": {}, "diffcsp": {}})
    (note,) = [note for note in builder._notes if note.startswith("left out")]
    assert "mixed_cryingan_1" in note
    assert "same atoms" in note


def test_a_model_that_applies_to_no_data_set_is_refused(study, shuffled):
    with pytest.raises(BadInput, match=r"models.cryingan.*same atoms"):
        study({"mixed": shuffled}, {"cryingan": {}, "diffcsp": {}})


def hyper(model, **values):
    return {"generator": {"models": {model: {"hyperparameters": values}}}}


def test_a_study_runs_and_goes_on_without_what_fails(study, dataset, shuffled):
    small = {"hidden_dim": 8, "num_layers": 1, "num_frequencies": 2, "time_dim": 8, "timesteps": 5, "epochs": 1}
    # a third of the cell brings no atom to a site: the training refuses it
    shifted = {"model": "cryingan", **hyper("cryingan", **TINY | {"translations": [3, 1, 1]})}
    models = {"cryingan": hyper("cryingan", **TINY), "diffcsp": hyper("diffcsp", **small), "shifted": shifted}
    datasets = {"cold": dataset, "mixed": shuffled}
    builder = study(datasets, models, overrides=FEW | {"max_concurrent": 3, "baselines": False})
    outputs, node = run_get_node(builder)
    assert node.exit_status == 586, node.exit_message
    assert "shifted" in node.exit_message
    table = outputs["table"].get_dict()
    rows = {name: {row["name"]: row for row in table["datasets"][name]["rows"]} for name in ("cold", "mixed")}
    assert list(rows["cold"]) == ["cryingan", "diffcsp", "shifted"]
    assert rows["cold"]["cryingan"]["metrics"]["failed_percent"]["models"] == 1
    assert "same atoms" in rows["mixed"]["cryingan"]["reason"]
    assert rows["cold"]["shifted"]["reason"]
    assert set(table["datasets"]["cold"]["ranks"]["rank"]) == {"cryingan", "diffcsp"}
    assert table["overall"]["missing"] == {"cryingan": ["mixed"]}
    summaries = outputs["summaries"]
    assert set(summaries) == {"cold_cryingan_1", "cold_diffcsp_1", "mixed_diffcsp_1"}
    assert [call.process_label for call in node.called].count("StudyLaneWorkChain") == 3

    again = study({"cold": dataset}, {"cryingan": models["cryingan"]}, overrides=FEW | {"baselines": False},
                  finished={"cold_cryingan_1": summaries["cold_cryingan_1"]})  # fmt: skip
    outputs, node = run_get_node(again)
    assert node.is_finished_ok
    assert [call.process_label for call in node.called] == ["tabulate_study"]
    assert outputs["table"]["datasets"]["cold"]["rows"][0] == rows["cold"]["cryingan"]


def test_a_model_that_counts_steps_is_trained_for_other_steps():
    cell = Cell("a", "cold", "crystens", "crystens", 1, {"sample": {"n_structures": 2}})
    again = of_equal_time(cell, 7)
    assert again.overrides["generator"]["models"] == {"crystens": {"hyperparameters": {"steps": 7}}}
    graph = of_equal_time(Cell("b", "cold", "cdvae", "cdvae", 1, {}), 7)
    assert graph.overrides["generator"]["models"] == {"cdvae": {"hyperparameters": {"epochs": 7}}}


def test_values_are_trained_again_for_equal_time(study, dataset):
    axis = {"name": "generator_channels", "values": [[8, 8, 8, 8], [64, 64, 64, 64]]}
    models = {"cryingan": hyper("cryingan", **TINY | {"epochs": 4})}
    builder = study({"cold": dataset}, models, axis=axis, equal_time=True, overrides=FEW | {"baselines": False})
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    rows = {row["name"]: row for row in outputs["table"]["datasets"]["cold"]["rows"]}
    assert list(rows) == [
        "cryingan ([8, 8, 8, 8])",
        "cryingan ([64, 64, 64, 64])",
        "cryingan, equal time ([8, 8, 8, 8])",
        "cryingan, equal time ([64, 64, 64, 64])",
    ]
    benchmarks = {call.label: call for lane in node.called if "keys" in lane.inputs for call in lane.called}
    epochs = {key: call.inputs.generator.parameters["hyperparameters"]["epochs"] for key, call in benchmarks.items()}
    assert epochs["cold_cryingan_v0_1"] == epochs["cold_cryingan_v1_1"] == 4
    assert min(epochs["cold_cryingan_v0_1_time"], epochs["cold_cryingan_v1_1_time"]) == 4


def test_potentials_of_different_methods(dataset):
    from support.weights import weights

    from aiida_dismai.data import PotentialData
    from aiida_dismai.workchains.study import validate_inputs

    def with_potential(method):
        trained_on = {"content_hash": "0", "n_structures": 1, "methods": [method]}
        node = weights(PotentialData, method.split()[0], elements=["Ni", "Fe"], trained_on=trained_on)
        return {"train": dataset["train"], "validation": dataset["validation"], "potential": node.store()}

    def said(mixed, **datasets):
        return validate_inputs({"datasets": datasets, "mixed_labels": orm.Bool(mixed)}, None)

    one, two = with_potential("one PBE"), with_potential("two PBE")
    assert "differ in DFT engine (one, two); compare within one, or set mixed_labels" in said(False, cold=one, hot=two)
    assert said(True, cold=one, hot=two) is None
    assert said(False, cold=one, warm=one) is None
