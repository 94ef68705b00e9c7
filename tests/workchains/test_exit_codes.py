"""Every exit code of the WorkChains, from children that ended that way (those of `label` have their own tests)."""

import numpy as np
import pytest
from aiida import orm
from support.children import ended, process
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

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
LJ = {"calculator": "ase.calculators.lj:LennardJones"}
FAILED = {"exit_status": 999, "message": "fell over"}


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
def crystals():
    return {"slab_a": set_to_structure_data(licoo2())[0], "slab_b": set_to_structure_data(li3sccl6())[0]}


@pytest.fixture
def relax(dismai_code, copper):
    overrides = {"parameters": LJ, "chunk_size": 2}
    builder = RelaxWorkChain.get_builder_from_protocol(
        dismai_code, StructureSetData(copper(3)), protocol="demo", overrides=overrides
    )
    chain = process(RelaxWorkChain, builder)
    chain.setup()
    return chain


def status(chain, label):
    return getattr(chain.exit_codes, label).status


def test_a_failed_chunk_fails_the_relaxation_and_keeps_the_others(relax, copper):
    assert relax.ctx.chunks == [(0, 2), (2, 3)]
    relax.ctx.chunk_0000 = ended(outputs={"structures": StructureSetData(copper(2))})
    relax.ctx.chunk_0001 = ended(**FAILED)
    result = relax.finish()
    assert result.status == status(relax, "ERROR_CHUNKS_FAILED")
    assert "1 of 2 chunks failed" in result.message
    assert len(relax.outputs["structures"]) == 2


def test_chunks_are_joined_in_order(relax, copper):
    parts = copper(3)
    relax.ctx.chunk_0000 = ended(outputs={"structures": StructureSetData(parts[:2])})
    relax.ctx.chunk_0001 = ended(outputs={"structures": StructureSetData(parts[2:])})
    assert relax.finish() is None
    assert relax.outputs["structures"].structures == parts


def test_a_failed_chunk_fails_the_sampling(dismai_code, copper):
    builder = SampleWorkChain.get_builder()
    inputs = BenchmarkWorkChain.get_protocol_inputs("demo", {"sample": {"n_structures": 4, "chunk_size": 2}})
    fill_sample(builder, dismai_code, inputs["sample"], None)
    builder.generator, builder.seed = weights(GeneratorData), orm.Int(1)
    chain = process(SampleWorkChain, builder)
    chain.setup()
    chain.ctx.chunk_0000 = ended(outputs={"structures": StructureSetData(copper(2))})
    chain.ctx.chunk_0001 = ended(**FAILED)
    assert chain.finish().status == status(chain, "ERROR_CHUNKS_FAILED")


@pytest.fixture
def evaluate(dismai_code, copper):
    structures = StructureSetData(copper(2))
    builder = EvaluateWorkChain.get_builder_from_protocol(
        dismai_code, structures, structures, kind="amorphous", protocol="demo", overrides={"relax": {"parameters": LJ}}
    )
    return process(EvaluateWorkChain, builder)


def test_evaluate(evaluate, copper):
    evaluate.ctx.postprocess = ended(**FAILED)
    assert evaluate.inspect_postprocess().status == status(evaluate, "ERROR_POSTPROCESS")
    evaluate.ctx.relax = ended(**FAILED)
    assert evaluate.inspect_relax().status == status(evaluate, "ERROR_RELAX")
    evaluate.ctx.metrics = ended(**FAILED)
    assert evaluate.finish().status == status(evaluate, "ERROR_METRICS")
    evaluate.ctx.postprocess = ended(outputs={"structures": StructureSetData(StructureSet.empty())})
    assert evaluate.inspect_postprocess() is None
    assert evaluate.has_structures() is False


@pytest.fixture
def potential(dismai_code, labelled, vasp_code, potcar_family):
    label = {"potential_family": potcar_family, "potential_mapping": {"Cu": "Cu"}}
    builder = PotentialWorkChain.get_builder_from_protocol(
        dismai_code, labelled, 1, vasp_code(), labelled, protocol="demo", overrides={"check": {"label": label}}
    )
    return process(PotentialWorkChain, builder)


def test_potential(potential, labelled):
    potential.ctx.train = ended(**FAILED)
    assert potential.inspect_train().status == status(potential, "ERROR_TRAINING")
    assert potential.wants_check()
    check = status(potential, "ERROR_CHECK")
    potential.ctx.relax = ended(**FAILED)
    assert potential.run_label().status == check
    lost = StructureSetData(labelled.structures.with_property("energy", np.full(3, np.nan)))
    potential.ctx.relax = ended(outputs={"structures": lost})
    result = potential.run_label()
    assert result.status == check
    assert "could not relax one" in result.message
    potential.ctx.label = ended(**FAILED)
    assert potential.run_evaluate().status == check
    potential.ctx.evaluate = ended(**FAILED)
    assert potential.inspect_check().status == check


@pytest.fixture
def dataset(dismai_code, crystals):
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, seed=1, potential=weights(PotentialData), protocol="demo"
    )
    chain = process(InterfaceDatasetWorkChain, builder)
    chain.setup()
    return chain


def test_dataset(dataset, labelled):
    assert not dataset.needs_potential()
    dataset.ctx.built = ended(**FAILED)
    assert dataset.run_relax().status == status(dataset, "ERROR_BUILD")
    dataset.ctx.built_training = ended(**FAILED)
    assert dataset.run_label().status == status(dataset, "ERROR_BUILD")
    dataset.ctx.label = ended(**FAILED)
    assert dataset.run_potential().status == status(dataset, "ERROR_LABEL")
    dataset.ctx.trained = ended(**FAILED)
    assert dataset.inspect_potential().status == status(dataset, "ERROR_POTENTIAL")
    dataset.ctx.relax = ended(**FAILED)
    assert dataset.select().status == status(dataset, "ERROR_RELAX")


@pytest.mark.parametrize("named", [True, False])
def test_rounds_go_on_where_the_one_before_ended(dismai_code, crystals, monkeypatch, named):
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, seed=1, potential=weights(PotentialData), protocol="demo"
    )
    parameters = builder.candidates.get_dict()
    size = parameters["n_structures"]
    if not named:
        del parameters["n_structures"]
        size = 1  # the default of interfaces.build
    builder.candidates = orm.Dict(parameters)
    chain = process(InterfaceDatasetWorkChain, builder)
    chain.setup()
    submitted = []
    monkeypatch.setattr(chain, "submit", lambda process, **inputs: submitted.append(inputs) or ended())
    chain.ctx.round = 2
    chain.build_candidates()
    assert submitted[0]["parameters"]["first"] == 2 * size
    assert submitted[0]["parameters"]["n_structures"] == size


def test_too_few_structures_are_named_and_kept(dataset, labelled):
    dataset.ctx.relax = ended(outputs={"structures": labelled})
    assert dataset.select() is None
    result = dataset.finish()
    assert result.status == status(dataset, "ERROR_TOO_FEW")
    assert "3 of 12 structures after 3 candidates, of which 3 converged" in result.message
    assert dataset.outputs["energies"]["low"] == 3
    assert len(dataset.outputs["candidates"]) == 3


def test_a_failed_check_does_not_lose_the_potential(dataset):
    trained = {
        "potential": weights(PotentialData),
        "results": orm.Dict({"a": 1}),
        "curves": orm.ArrayData(np.zeros(2)),
        "parity": orm.ArrayData(np.zeros(2)),
    }
    dataset.ctx.trained = ended(PotentialWorkChain.exit_codes.ERROR_CHECK.status, "no DFT", trained)
    assert dataset.inspect_potential() is None
    assert dataset.outputs["potential"].pk == trained["potential"].pk


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
    chain = process(BenchmarkWorkChain, builder)
    chain.ctx.message = ""
    return chain


def metrics(value, failed, floor=0.1):
    measured = {"d_all": {"value": value, "lower": None, "upper": None, "floor": floor}}
    validation = {"structures": 3, "metrics": {"d_all": {"value": 0.2, "at_measured": floor / 2}}}
    return orm.Dict(measured | {"failed_percent": {"value": failed}, "noise_floor": {"validation": validation}})


def test_benchmark_keeps_what_was_trained_and_goes_on_with_it(benchmark, monkeypatch):
    trained = {"generator": weights(GeneratorData), "curves": orm.ArrayData(np.zeros(2)), "results": orm.Dict({"a": 1})}
    benchmark.ctx.train_model_0, benchmark.ctx.train_model_1 = ended(outputs=trained), ended(**FAILED)
    submitted = []
    monkeypatch.setattr(benchmark, "submit", lambda process, **inputs: submitted.append(inputs) or ended())
    benchmark.run_samples()
    assert benchmark.outputs["generators"]["model_0"].pk == trained["generator"].pk
    assert [inputs["generator"].pk for inputs in submitted] == [trained["generator"].pk]


def test_benchmark_measures_against_both_sets_of_the_data(benchmark, labelled, monkeypatch):
    benchmark.ctx.sample_model_0 = ended(outputs={"structures": StructureSetData(labelled.structures[:1])})
    submitted = []
    monkeypatch.setattr(benchmark, "submit", lambda process, **inputs: submitted.append(inputs) or ended())
    benchmark.run_evaluations()
    assert submitted[0]["reference"].uuid == benchmark.inputs.train.uuid
    assert submitted[0]["validation"].uuid == benchmark.inputs.validation.uuid


def test_benchmark_of_which_no_model_came_through(benchmark):
    benchmark.ctx.train_model_0 = benchmark.ctx.train_model_1 = ended(**FAILED)
    result = benchmark.run_samples()
    assert result.status == status(benchmark, "ERROR_ALL_MODELS_FAILED")
    assert "model_1: train: fell over" in result.message


def test_benchmark_of_which_one_model_failed(benchmark):
    evaluated = {"metrics": metrics(0.2, 50.0), "per_structure": orm.ArrayData(np.zeros(2))}
    benchmark.ctx.evaluate_model_0 = ended(outputs=evaluated)
    benchmark.ctx.evaluate_model_1 = ended(**FAILED)
    result = benchmark.finish()
    assert result.status == status(benchmark, "ERROR_SOME_MODELS_FAILED")
    assert benchmark.outputs["summary"]["metrics"]["d_all"]["mean"] == 0.2


def test_benchmark_gives_mean_min_and_max(benchmark):
    for name, value, floor in (("model_0", 0.2, 0.1), ("model_1", 0.4, 0.2)):
        evaluated = {"metrics": metrics(value, 50.0, floor), "per_structure": orm.ArrayData(np.zeros(2))}
        benchmark.ctx[f"evaluate_{name}"] = ended(outputs=evaluated)
    assert benchmark.finish() is None
    found = benchmark.outputs["summary"]["metrics"]["d_all"]
    assert (found["min"], found["max"], found["per_model"]) == (0.2, 0.4, [0.2, 0.4])
    assert found["mean"] == pytest.approx(0.3)
    # fewer structures analysed, a higher floor: both are means over the models
    assert (found["floor"], found["validation"]) == (pytest.approx(0.15), pytest.approx(0.075))
    failed = benchmark.outputs["summary"]["metrics"]["failed_percent"]
    assert (failed["floor"], failed["validation"]) == (None, None)


def test_a_model_without_any_structure_counts_as_failed_only(benchmark):
    for name, value in (("model_0", 0.2), ("model_1", None)):
        evaluated = {
            "metrics": metrics(value, 100.0 if value is None else 0.0),
            "per_structure": orm.ArrayData(np.zeros(2)),
        }
        benchmark.ctx[f"evaluate_{name}"] = ended(outputs=evaluated)
    assert benchmark.finish() is None
    summary = benchmark.outputs["summary"]["metrics"]
    assert summary["d_all"]["models"] == 1
    assert summary["failed_percent"]["mean"] == 50.0


def test_pipeline(dismai_code, crystals):
    builder = PipelineWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, model="cryingan", seed=1, potential=weights(PotentialData), protocol="demo"
    )
    chain = process(PipelineWorkChain, builder)
    chain.ctx.dataset = ended(**FAILED)
    assert chain.run_benchmark().status == status(chain, "ERROR_DATASET")
    chain.ctx.benchmark = ended(**FAILED)
    assert chain.finish().status == status(chain, "ERROR_BENCHMARK")


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
