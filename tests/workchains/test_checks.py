"""What a submission refuses before anything runs: the whole tree, everything at once, each with its path."""

import pytest
from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import run
from aiida_vasp.data.potcar import PotcarData
from ase.build import bulk
from support.children import ended, process
from support.weights import weights

from aiida_dismai.data import PotentialData, StructureSetData
from aiida_dismai.data.structures import set_to_structure_data
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import from_ase
from aiida_dismai.workchains.checks import calculator_problems, option_problems
from aiida_dismai.workchains.dataset_interface import InterfaceDatasetWorkChain
from aiida_dismai.workchains.metrics import MetricsWorkChain
from aiida_dismai.workchains.pipeline import PipelineWorkChain
from aiida_dismai.workchains.potential import PotentialWorkChain
from aiida_dismai.workchains.problems import Problem, text_of
from aiida_dismai.workchains.relax import RelaxWorkChain
from aiida_dismai.workchains.request import problems_of

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
PLAIN = {
    "lateral_cell": None,
    "element_order": None,
    "c": None,
    "slab_a": {"miller": [1, 0, 0], "layers": 4, "offset": None, "vectors": [[0, 2, 0], [0, 0, 2]]},
    "slab_b": {"miller": [1, 0, 0], "layers": 4, "offset": None, "vectors": [[0, 2, 0], [0, 0, 2]]},
    "region": {"composition": {"Li": 6, "F": 6}, "distances": {}},
}


@pytest.fixture
def crystals():
    frames = [bulk("MgO", "rocksalt", a=4.212, cubic=True), bulk("LiF", "rocksalt", a=4.026, cubic=True)]
    lower, upper = set_to_structure_data(from_ase(frames))
    return {"slab_a": lower, "slab_b": upper}


def known():
    """Return a potential that knows the crystals."""
    return weights(PotentialData, elements=["Mg", "O", "Li", "F"])


def said(chain, builder):
    """Return what a submission says, by path."""
    found = {}
    for problem in problems_of(chain, builder._inputs(prune=True)):
        found.setdefault(problem.path, []).append(problem.said)
    return found


def test_a_family_that_is_not_there_is_missed_before_interfaces_are_built(dismai_code, vasp_code, crystals):
    builder = PipelineWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, model="cryingan", seed=1, dft_code=vasp_code(), protocol="demo",
        overrides={"dataset": {"interface": PLAIN, "training": {"exchanges": []}}},
    )  # fmt: skip
    found = said(PipelineWorkChain, builder)
    assert set(found) == {"dataset.label.dft", "dataset.train.check.label.dft"}
    elements, family = found["dataset.label.dft"]
    assert "no POTCAR is named for Mg, F" in elements
    assert "POTCAR family 'dismai-standin' is not in this profile" in family
    with pytest.raises(ValueError, match=r"dataset\.label\.dft, dataset\.train\.check.label.dft: no POTCAR is named"):
        process(PipelineWorkChain, builder)


@pytest.fixture
def dataset(dismai_code, vasp_code, crystals, potcar_family):
    """Return the builder of a data set that makes its own potential, with which nothing is wrong."""
    family = {"potential_family": potcar_family, "potential_mapping": {"Mg": "Cu", "O": "Cu", "Li": "Cu", "F": "Cu"}}
    change = {"interface": PLAIN, "training": {"exchanges": []}, "n_check": 0, "label": family}
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
        dismai_code, **crystals, seed=1, dft_code=vasp_code(), protocol="demo", overrides=change
    )
    assert said(InterfaceDatasetWorkChain, builder) == {}
    return builder


def test_a_data_set_with_a_missing_family_is_not_submitted(dataset):
    dataset.label.dft.potential_family = "elsewhere"
    with pytest.raises(ValueError, match=r"label\.dft: POTCAR family 'elsewhere' is not in this profile.*upload it"):
        run(dataset)
    assert orm.QueryBuilder().append(orm.ProcessNode).count() == 0


def test_a_family_that_is_deleted_while_the_interfaces_are_built_is_an_exit_code(
    dataset, slabs, potcar_family, monkeypatch
):
    chain = process(InterfaceDatasetWorkChain, dataset)
    chain.setup()
    chain.ctx.built_training = ended(outputs={"structures": slabs(1)})
    orm.Group.collection.delete(PotcarData.get_potcar_group(potcar_family).pk)
    monkeypatch.setattr(chain, "_stepper", type("Stepper", (), {"step": lambda self: chain.run_label()})())
    result = chain._do_step()
    assert result.status == 504
    assert f"POTCAR family '{potcar_family}' is not in this profile" in result.message


def test_the_papers_region_is_refused_for_other_crystals(dismai_code, crystals):
    builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
        dismai_code,
        **crystals,
        seed=1,
        potential=known(),
        protocol="demo",
    )
    found = said(InterfaceDatasetWorkChain, builder)
    assert set(found) == {
        "candidates",
        "candidates.region.composition",
        "candidates.region.distances",
        "candidates.element_order",
    }
    assert found["candidates.region.composition"] == [
        "Sc, Cl are in neither crystal (Mg, O, Li, F): give what the random region is made of, for instance "
        "{Li: 6, F: 6} (override: interface.region.composition)"
    ]
    assert "slab_a.vectors, slab_b.vectors, lateral_cell are those of the paper" in found["candidates"][0]
    builder.candidates = orm.Dict(PLAIN)
    assert said(InterfaceDatasetWorkChain, builder) == {}


def test_everything_that_is_wrong_is_said_at_once(dismai_code, vasp_code, crystals):
    overrides = {
        "datset": {},
        "dataset": {"max_rounds": 0, "window": -1, "interface": PLAIN, "relax": {"parameters": {"calculator": "edip"}}},
        "benchmark": {"n_models": 0, "generator": {"models": {"cryingan": {"hyperparameters": {"epochs": -1}}}}},
    }
    with pytest.raises(BadInput) as refused:
        PipelineWorkChain.get_builder_from_protocol(
            vasp_code(), **crystals, model="cryingan", seed=1, potential=weights(PotentialData, elements=["Cu"]),
            protocol="demo", overrides=overrides, options={"queue": "x"},
        )  # fmt: skip
    lines = str(refused.value).splitlines()
    assert lines[0] == f"{len(lines) - 1} things are wrong:"
    for part in (
        "unknown override 'datset'; did you mean 'dataset'?",
        "unknown scheduler option 'options.queue'",
        "dataset.max_rounds, benchmark.n_models: must be at least 1 (given: 0)",
        "dataset.window: must not be negative (given: -1)",
        "benchmark.generator.parameters: model 'cryingan': epochs: ",
        "dataset: the potential does not know F, Li, Mg, O; it was trained for Cu",
        "dataset.relax: a `potential` is given but the calculator is 'edip': it would not be used",
        "not 'dismai'",
    ):
        assert sum(part in line for line in lines) == 1, part


def test_a_check_that_could_not_run_is_refused_before_the_training(dismai_code, vasp_code, copper, potcar_family):
    labelled = StructureSetData(copper(2))
    with pytest.raises(BadInput, match="label them with"):
        PotentialWorkChain.get_builder_from_protocol(dismai_code, labelled, 1, vasp_code(), labelled, protocol="demo")


def test_metrics_of_other_ions_and_of_several_compositions(dismai_code, copper):
    frames = [bulk("MgO", "rocksalt", a=4.2, cubic=True), bulk("MgO", "rocksalt", a=4.2, cubic=True) * (1, 1, 2)]
    builder = MetricsWorkChain.get_builder()
    builder.structures = builder.reference = StructureSetData(from_ase(frames))
    builder.job.code, builder.job.parameters = dismai_code, orm.Dict({})
    builder.job.options = orm.Dict({"resources": {"num_machines": 1}})
    found = said(MetricsWorkChain, builder)
    assert "no oxidation state of Mg" in found["job.parameters.interface.oxidation_states"][0]
    assert found["reference"] == ["the metrics need one composition; its structures have Mg4O4, Mg8O8"]


@pytest.mark.parametrize(
    ("parameters", "elements", "said"),
    [
        ({"calculator": "edip"}, ["Si"], []),
        ({"calculator": "edip"}, ["Si", "O"], ["'edip' does not know O; it knows Si"]),
        ({"calculator": "chgnet"}, ["Si", "O"], []),
        ({"calculator": "lammps", "calculator_kwargs": {"elements": ["Cu"]}}, ["Ni"], ["'lammps' does not know Ni"]),
    ],
)
def test_calculators_that_do_not_know_the_elements(parameters, elements, said):
    found = calculator_problems(parameters, elements)
    assert len(found) == len(said)
    assert all(text in problem.message for text, problem in zip(said, found, strict=True))


def test_options_of_jobs(dismai_code, copper):
    good = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 2}, "max_wallclock_seconds": 60}
    assert option_problems(good, dismai_code) == []
    text = text_of(option_problems({"queue": "x", "withmpi": "no", "max_wallclock_seconds": 0}, dismai_code))
    for part in ("'queue'; did you mean 'queue_name'?", "withmpi: must be bool (given: 'no')", "must be at least 1"):
        assert part in text
    (problem,) = option_problems({"resources": {"num_machines": 0}}, dismai_code)
    assert problem.path == "resources"
    assert "core.direct" in problem.message
    overrides = {"parameters": {"calculator": "chgnet"}, "options": {"resources": {"num_machines": 0}}}
    builder = RelaxWorkChain.get_builder_from_protocol(
        dismai_code, StructureSetData(copper(1)), protocol="demo", overrides=overrides
    )
    assert set(said(RelaxWorkChain, builder)) == {"job.options.resources"}


def test_a_step_that_is_refused_its_inputs_ends_with_an_exit_code(dismai_code, copper, monkeypatch):
    overrides = {"parameters": {"calculator": "chgnet"}}
    builder = RelaxWorkChain.get_builder_from_protocol(
        dismai_code, StructureSetData(copper(1)), protocol="demo", overrides=overrides
    )
    chain = process(RelaxWorkChain, builder)
    right, misspelt = chain.chunk_inputs, orm.Dict({"fmx": 1})
    monkeypatch.setattr(chain, "chunk_inputs", lambda *chunk: AttributeDict({**right(*chunk), "parameters": misspelt}))
    monkeypatch.setattr(
        chain, "_stepper", type("Stepper", (), {"step": lambda self: (chain.setup(), chain.run_batch())})()
    )
    result = chain._do_step()
    assert result.status == 504
    assert "RelaxChunkWorkChain cannot be started" in result.message
    assert "unknown parameter 'fmx'; did you mean 'fmax'" in result.message


def test_what_is_wrong_in_several_places_is_said_once():
    twice = [Problem("a.n", "n: must be at least 1"), Problem("b.n", "must be at least 1"), Problem("", "no")]
    assert text_of(twice) == "2 things are wrong:\n- a.n, b.n: must be at least 1\n- no"
    assert text_of(twice[:1]) == "a.n: must be at least 1"


def test_a_data_set_that_will_be_too_small_is_warned_of(dismai_code, crystals):
    def notes(n):
        return InterfaceDatasetWorkChain.get_builder_from_protocol(
            dismai_code, **crystals, seed=1, potential=known(), protocol="demo",
            overrides={"interface": PLAIN, "n_structures": n},
        )._notes  # fmt: skip

    assert any("will have two structures" in note for note in notes(2))
    assert notes(8) == ()
