"""Every exit code of the WorkChains, from children that ended that way (those of `label` have their own tests)."""

import numpy as np
import pytest
from aiida import orm
from support.children import ended, process, run_outline
from support.weights import weights

from aiida_dismai.data import GeneratorData, PotentialData, StructureSetData
from aiida_dismai.data.structures import set_to_structure_data
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.structures import StructureSet
from aiida_dismai.workchains.benchmark import BenchmarkWorkChain
from aiida_dismai.workchains.dataset_interface import InterfaceDatasetWorkChain
from aiida_dismai.workchains.evaluate import EvaluateWorkChain
from aiida_dismai.workchains.label import LabelWorkChain
from aiida_dismai.workchains.metrics import MetricsWorkChain
from aiida_dismai.workchains.pipeline import PipelineWorkChain
from aiida_dismai.workchains.potential import PotentialWorkChain
from aiida_dismai.workchains.relax import RelaxWorkChain
from aiida_dismai.workchains.sample import SampleWorkChain, fill_sample

# slow: one to three seconds each, and the inputs of all children are validated
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aiida_profile_clean")]
LJ = {"calculator": "ase.calculators.lj:LennardJones"}
ELEMENTS = ("Li", "Sc", "Co", "Cl", "O")


@pytest.fixture
def labelled(copper):
    structures = copper(3)
    return StructureSetData(
        structures.with_property("energy", np.zeros(3))
        .with_property("stress", np.zeros((3, 3, 3)))
        .with_property("forces", np.zeros((12, 3)))
        .with_property("trajectory", np.arange(3))
        .with_property("converged", np.ones(3, bool))
    )


@pytest.fixture
def interfaces():
    """Three labelled, relaxed structures of the elements of the crystals."""
    positions = np.random.default_rng(1).uniform(0, 9, (3, 5, 3))
    structures = StructureSet.from_uniform([3, 21, 27, 17, 8], positions, 9 * np.eye(3))
    return StructureSetData(
        structures.with_property("energy", np.zeros(3))
        .with_property("stress", np.zeros((3, 3, 3)))
        .with_property("forces", np.zeros((15, 3)))
        .with_property("trajectory", np.arange(3))
        .with_property("converged", np.ones(3, bool))
        .with_property("region", np.tile([0, 0, 2, 3, 3], 3))
    )


@pytest.fixture
def crystals():
    return {"slab_a": set_to_structure_data(licoo2())[0], "slab_b": set_to_structure_data(li3sccl6())[0]}


@pytest.fixture
def relax(dismai_code, copper):
    overrides = {"parameters": LJ, "chunk_size": 2}
    builder = RelaxWorkChain.get_builder_from_protocol(
        dismai_code, StructureSetData(copper(3)), protocol="demo", overrides=overrides
    )
    return process(RelaxWorkChain, builder)


def status(chain, label):
    return getattr(chain.exit_codes, label).status


def failed(label="failed"):
    return ended(999, f"{label} fell over")


def test_a_failed_chunk_fails_the_relaxation_and_keeps_the_others(relax, copper):
    chunks = {"chunk_0000": ended(outputs={"structures": StructureSetData(copper(2))}), "chunk_0001": failed()}
    result, submitted = run_outline(relax, chunks)
    assert result.status == status(relax, "ERROR_CHUNKS_FAILED")
    assert "1 of 2 chunks failed" in result.message
    assert len(relax.outputs["structures"]) == 2
    assert [len(inputs["structures"]) for _, inputs in submitted] == [2, 1]


def test_chunks_are_joined_in_order(relax, copper):
    parts = copper(3)
    chunks = {
        "chunk_0000": ended(outputs={"structures": StructureSetData(parts[:2])}),
        "chunk_0001": ended(outputs={"structures": StructureSetData(parts[2:])}),
    }
    assert run_outline(relax, chunks)[0] is None
    assert relax.outputs["structures"].structures == parts


def test_a_failed_chunk_fails_the_sampling(dismai_code, copper):
    builder = SampleWorkChain.get_builder()
    inputs = BenchmarkWorkChain.get_protocol_inputs("demo", {"sample": {"n_structures": 4, "chunk_size": 2}})
    fill_sample(builder, dismai_code, inputs["sample"], None)
    builder.generator, builder.seed = weights(GeneratorData), orm.Int(1)
    chain = process(SampleWorkChain, builder)
    chunks = {"chunk_0000": ended(outputs={"structures": StructureSetData(copper(2))}), "chunk_0001": failed()}
    assert run_outline(chain, chunks)[0].status == status(chain, "ERROR_CHUNKS_FAILED")


@pytest.fixture
def evaluate(dismai_code, copper):
    structures = StructureSetData(copper(2))
    builder = EvaluateWorkChain.get_builder_from_protocol(
        dismai_code, structures, structures, kind="amorphous", protocol="demo", overrides={"relax": {"parameters": LJ}}
    )
    return process(EvaluateWorkChain, builder)


@pytest.mark.parametrize(
    ("stage", "label"), [("postprocess", "ERROR_POSTPROCESS"), ("relax", "ERROR_RELAX"), ("metrics", "ERROR_METRICS")]
)
def test_a_failed_stage_fails_the_evaluation(evaluate, copper, stage, label):
    structures = StructureSetData(copper(2))
    stages = {
        "postprocess": ended(outputs={"structures": structures}),
        "relax": ended(outputs={"structures": structures}),
    }
    result, submitted = run_outline(evaluate, stages | {stage: failed(stage)})
    assert result.status == status(evaluate, label)
    assert f"{stage} fell over" in result.message
    assert submitted[-1][0] == stage


def test_an_evaluation_of_which_nothing_is_left_relaxes_nothing(evaluate):
    nothing = StructureSetData(StructureSet.empty())
    measured = {
        "results": orm.Dict({"a": 1}),
        "per_structure": orm.ArrayData(np.zeros(2)),
        "reference": orm.SinglefileData.from_string("records"),
    }
    result, submitted = run_outline(
        evaluate, {"postprocess": ended(outputs={"structures": nothing}), "metrics": ended(outputs=measured)}
    )
    assert result is None
    assert [label for label, _ in submitted] == ["postprocess", "metrics"]
    assert len(submitted[-1][1]["structures"]) == 0


@pytest.fixture
def potential(dismai_code, labelled, vasp_code, potcar_family):
    label = {"potential_family": potcar_family, "potential_mapping": {"Cu": "Cu"}}
    builder = PotentialWorkChain.get_builder_from_protocol(
        dismai_code, labelled, 1, vasp_code(), labelled, protocol="demo", overrides={"check": {"label": label}}
    )
    return process(PotentialWorkChain, builder)


def trained(elements=("Cu",)):
    """Return the outputs of a training of a potential."""
    return {
        "potential": weights(PotentialData, elements=list(elements)),
        "results": orm.Dict({"a": 1}),
        "curves": orm.ArrayData(np.zeros(2)),
        "parity": orm.ArrayData(np.zeros(2)),
    }


@pytest.mark.parametrize(
    ("stage", "label"),
    [
        ("train", "ERROR_TRAINING"),
        ("check_relax", "ERROR_CHECK"),
        ("check_label", "ERROR_CHECK"),
        ("check_evaluate", "ERROR_CHECK"),
    ],
)
def test_a_failed_stage_fails_the_potential(potential, labelled, stage, label):
    stages = {
        "train": ended(outputs=trained()),
        "check_relax": ended(outputs={"structures": labelled}),
        "check_label": ended(outputs={"labelled": labelled}),
    }
    result, submitted = run_outline(potential, stages | {stage: failed(stage)})
    assert result.status == status(potential, label)
    assert f"{stage} fell over" in result.message
    assert submitted[-1][0] == stage
    assert ("potential" in potential.outputs) == (stage != "train")


def test_a_check_without_a_relaxed_structure(potential, labelled):
    lost = StructureSetData(labelled.structures.with_property("energy", np.full(3, np.nan)))
    stages = {"train": ended(outputs=trained()), "check_relax": ended(outputs={"structures": lost})}
    result, _ = run_outline(potential, stages)
    assert result.status == status(potential, "ERROR_CHECK")
    assert "could not relax one" in result.message


@pytest.fixture
def dataset(dismai_code, crystals):
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, seed=1, potential=weights(PotentialData), protocol="demo"
    )
    return process(InterfaceDatasetWorkChain, builder)


@pytest.mark.parametrize(("stage", "label"), [("build_candidates", "ERROR_BUILD"), ("relax_0", "ERROR_RELAX")])
def test_a_failed_stage_fails_the_data_set(dataset, labelled, stage, label):
    stages = {"build_candidates": ended(outputs={"structures": labelled})}
    result, submitted = run_outline(dataset, stages | {stage: failed(stage)})
    assert result.status == status(dataset, label)
    assert f"{stage} fell over" in result.message
    assert submitted[-1][0] == stage


@pytest.fixture
def dataset_with_dft(dismai_code, vasp_code, potcar_family, crystals):
    label = {"potential_family": potcar_family, "potential_mapping": dict.fromkeys(ELEMENTS, "Cu")}
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, seed=1, dft_code=vasp_code(), protocol="demo",
        overrides={"label": label, "n_check": 0, "max_rounds": 1},
    )  # fmt: skip
    return process(InterfaceDatasetWorkChain, builder)


@pytest.mark.parametrize(
    ("stage", "label"),
    [("build_training", "ERROR_BUILD"), ("label", "ERROR_LABEL"), ("potential", "ERROR_POTENTIAL")],
)
def test_a_failed_way_to_the_potential_fails_the_data_set(dataset_with_dft, interfaces, stage, label):
    stages = {
        "build_training": ended(outputs={"structures": interfaces}),
        "label": ended(outputs={"labelled": interfaces}),
    }
    result, submitted = run_outline(dataset_with_dft, stages | {stage: failed(stage)})
    assert result.status == status(dataset_with_dft, label)
    assert f"{stage} fell over" in result.message
    assert submitted[-1][0] == stage


def test_a_failed_check_does_not_lose_the_potential(dataset_with_dft, interfaces):
    made = trained(ELEMENTS)
    stages = {
        "build_training": ended(outputs={"structures": interfaces}),
        "label": ended(outputs={"labelled": interfaces}),
        "potential": ended(PotentialWorkChain.exit_codes.ERROR_CHECK.status, "no DFT", made),
        "build_candidates": ended(outputs={"structures": interfaces}),
        "relax_0": failed(),
    }
    _, submitted = run_outline(dataset_with_dft, stages)
    assert dataset_with_dft.outputs["potential"].pk == made["potential"].pk
    assert dict(submitted)["relax_0"]["potential"].pk == made["potential"].pk


@pytest.mark.parametrize("named", [True, False])
def test_each_round_starts_where_the_one_before_ended(dismai_code, crystals, interfaces, named):
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, seed=1, potential=weights(PotentialData), protocol="demo"
    )
    parameters = builder.candidates.get_dict()
    size = parameters["n_structures"]
    if not named:
        del parameters["n_structures"]
        size = 1  # the default of interfaces.build
    builder.candidates, builder.max_rounds = orm.Dict(parameters), orm.Int(3)
    chain = process(InterfaceDatasetWorkChain, builder)
    relaxed = {f"relax_{index}": ended(outputs={"structures": interfaces}) for index in range(3)}
    _, submitted = run_outline(chain, relaxed | {"build_candidates": ended(outputs={"structures": interfaces})})
    built = [inputs["parameters"] for label, inputs in submitted if label == "build_candidates"]
    assert [parameters["first"] for parameters in built] == [0, size, 2 * size]
    assert {parameters["n_structures"] for parameters in built} == {size}


def test_too_few_structures_are_named_and_kept(dataset, interfaces):
    dataset.inputs.max_rounds = orm.Int(1)
    stages = {name: ended(outputs={"structures": interfaces}) for name in ("build_candidates", "relax_0")}
    result, _ = run_outline(dataset, stages)
    assert result.status == status(dataset, "ERROR_TOO_FEW")
    assert "3 of 12 structures after 3 candidates, of which 3 converged" in result.message
    assert dataset.outputs["energies"]["low"] == 3
    assert len(dataset.outputs["candidates"]) == 3


@pytest.fixture
def benchmark(dismai_code, labelled):
    builder = BenchmarkWorkChain.get_builder_from_protocol(
        dismai_code,
        labelled,
        labelled,
        "cryingan",
        1,
        protocol="demo",
        kind="amorphous",
        overrides={"evaluate": {"relax": {"parameters": LJ}}},
    )
    return process(BenchmarkWorkChain, builder)


def metrics(value, failed, floor=0.1):
    measured = {"d_all": {"value": value, "lower": None, "upper": None, "floor": floor}}
    validation = {"structures": 3, "metrics": {"d_all": {"value": 0.2, "at_measured": floor / 2}}}
    return orm.Dict(measured | {"failed_percent": {"value": failed}, "noise_floor": {"validation": validation}})


def good_models(labelled, *evaluated):
    """Return the children of a benchmark whose models all came through, with these metrics."""
    children = {}
    for index, found in enumerate(evaluated):
        made = {
            "generator": weights(GeneratorData),
            "curves": orm.ArrayData(np.zeros(2)),
            "results": orm.Dict({"a": 1}),
        }
        measured = {"metrics": found, "per_structure": orm.ArrayData(np.zeros(2))}
        children |= {
            f"train_model_{index}": ended(outputs=made),
            f"sample_model_{index}": ended(outputs={"structures": StructureSetData(labelled.structures[:1])}),
            f"evaluate_model_{index}": ended(outputs=measured),
        }
    return children


@pytest.fixture
def models(labelled):
    return good_models(labelled, metrics(0.2, 50.0), metrics(0.4, 50.0, floor=0.2))


@pytest.mark.parametrize("stage", ["train", "sample", "evaluate"])
def test_benchmark_of_which_one_model_failed(benchmark, models, stage):
    """What was trained is kept, and the other model goes through."""
    result, submitted = run_outline(benchmark, models | {f"{stage}_model_1": failed(stage)})
    assert result.status == status(benchmark, "ERROR_SOME_MODELS_FAILED")
    assert f"model_1: {stage}: {stage} fell over" in result.message
    generator = models["train_model_0"].outputs.generator
    assert benchmark.outputs["generators"]["model_0"].pk == generator.pk
    assert dict(submitted)["sample_model_0"]["generator"].pk == generator.pk
    assert ("sample_model_1" in dict(submitted)) == (stage != "train")
    assert benchmark.outputs["summary"]["metrics"]["d_all"]["mean"] == 0.2


def test_benchmark_measures_against_both_sets_of_the_data(benchmark, models):
    _, submitted = run_outline(benchmark, models)
    inputs = dict(submitted)["evaluate_model_0"]
    assert inputs["reference"].uuid == benchmark.inputs.train.uuid
    assert inputs["validation"].uuid == benchmark.inputs.validation.uuid


@pytest.mark.parametrize("stage", ["train", "sample", "evaluate"])
def test_benchmark_of_which_no_model_came_through(benchmark, models, stage):
    children = models | {f"{stage}_model_{index}": failed(stage) for index in range(2)}
    result, _ = run_outline(benchmark, children)
    assert result.status == status(benchmark, "ERROR_ALL_MODELS_FAILED")
    assert f"model_1: {stage}: {stage} fell over" in result.message


def test_benchmark_gives_mean_min_and_max(benchmark, models):
    assert run_outline(benchmark, models)[0] is None
    found = benchmark.outputs["summary"]["metrics"]["d_all"]
    assert (found["min"], found["max"], found["per_model"]) == (0.2, 0.4, [0.2, 0.4])
    assert found["mean"] == pytest.approx(0.3)
    # fewer structures analysed, a higher floor: both are means over the models
    assert (found["floor"], found["validation"]) == (pytest.approx(0.15), pytest.approx(0.075))
    failures = benchmark.outputs["summary"]["metrics"]["failed_percent"]
    assert (failures["floor"], failures["validation"]) == (None, None)


def test_a_model_without_any_structure_counts_as_failed_only(benchmark, labelled):
    children = good_models(labelled, metrics(0.2, 0.0), metrics(None, 100.0))
    assert run_outline(benchmark, children)[0] is None
    summary = benchmark.outputs["summary"]["metrics"]
    assert summary["d_all"]["models"] == 1
    assert summary["failed_percent"]["mean"] == 50.0


@pytest.mark.parametrize(("stage", "label"), [("dataset", "ERROR_DATASET"), ("benchmark", "ERROR_BENCHMARK")])
def test_a_failed_stage_fails_the_pipeline(dismai_code, crystals, interfaces, stage, label):
    builder = PipelineWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, model="cryingan", seed=1, potential=weights(PotentialData), protocol="demo"
    )
    chain = process(PipelineWorkChain, builder)
    made = {"train": interfaces, "validation": interfaces}
    result, submitted = run_outline(chain, {"dataset": ended(outputs=made)} | {stage: failed(stage)})
    assert result.status == status(chain, label)
    assert f"{stage} fell over" in result.message
    assert submitted[-1][0] == stage


def test_no_potential_and_no_way_to_one_is_refused(dismai_code, crystals):
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(dismai_code, **crystals, seed=1, protocol="demo")
    with pytest.raises(ValueError, match="give a `potential`, or `training`, `label` and `train`"):
        process(InterfaceDatasetWorkChain, builder)


def test_crystals_that_the_potential_does_not_know_are_refused(dismai_code, crystals):
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, seed=1, potential=weights(PotentialData, elements=["Cu"]), protocol="demo"
    )
    with pytest.raises(ValueError, match="the potential does not know Cl, Co, Li, O, Sc; it was trained for Cu"):
        process(InterfaceDatasetWorkChain, builder)


@pytest.mark.parametrize(
    "chain",
    [
        BenchmarkWorkChain,
        EvaluateWorkChain,
        InterfaceDatasetWorkChain,
        LabelWorkChain,
        MetricsWorkChain,
        PipelineWorkChain,
        PotentialWorkChain,
        RelaxWorkChain,
        SampleWorkChain,
    ],
)
def test_ports_have_help_and_exit_codes_are_distinct(chain):
    spec = chain.spec()

    def ports(namespace):
        for name, port in namespace.items():
            if name in ("metadata", "handler_overrides"):
                continue
            yield name, port
            if hasattr(port, "items"):
                yield from ports(port)

    bare = [name for name, port in [*ports(spec.inputs), *ports(spec.outputs)] if not port.help]
    namespaces = {"build", "job", "relax", "label", "train", "evaluate", "check", "dft", "postprocess", "sample"}
    namespaces |= {"metrics", "generator", "dataset", "benchmark", "stage_1", "stage_2", "monitors", "remote_folder"}
    assert set(bare) <= namespaces | {"remote_stash", "retrieved"}, bare
    statuses = [code.status for code in spec.exit_codes.values()]
    assert len(statuses) == len(set(statuses))
