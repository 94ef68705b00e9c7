"""Evaluations of the three kinds: which steps they have, what is refused, and that each runs."""

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase.build import bulk
from support.children import ended, process
from support.weights import weights

from aiida_dismai.data import PotentialData, StructureSetData
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import from_ase
from aiida_dismai.workchains.benchmark import BenchmarkWorkChain
from aiida_dismai.workchains.evaluate import EvaluateWorkChain

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("aiida_profile_clean")]
LJ = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"sigma": 2.3, "epsilon": 0.2, "rc": 5.0}}
WITH_LJ = {"relax": {"parameters": LJ}}


@pytest.fixture
def builder(dismai_code, copper):
    """Return a factory of builders of evaluations of two structures."""

    def make(kind=None, overrides=WITH_LJ, frames=None, **more):
        structures = StructureSetData(copper(2) if frames is None else from_ase(frames))
        return EvaluateWorkChain.get_builder_from_protocol(
            dismai_code, structures, structures, kind=kind, protocol="demo", overrides=overrides, **more
        )

    return make


def built(builder):
    return process(EvaluateWorkChain, builder)


@pytest.fixture
def alloys():
    """Return a factory of 32-atom lattices of Fe, Ni and Cr, each atom 0.05 Å from its site."""

    def make(count, seed):
        random = np.random.default_rng(seed)
        frames = []
        for _ in range(count):
            atoms = bulk("Fe", "fcc", a=3.6, cubic=True) * (2, 2, 2)
            atoms.symbols[random.permutation(32)] = ["Fe"] * 20 + ["Ni"] * 6 + ["Cr"] * 6
            atoms.rattle(0.05, rng=random)
            frames.append(atoms)
        return StructureSetData(from_ase(frames))

    return make


@pytest.mark.parametrize("kind", [None, "interface", "amorphous"])
def test_interfaces_and_amorphous_structures_are_pushed_apart_and_relaxed(builder, kind):
    frames = [bulk("LiF", "rocksalt", a=4.03, cubic=True)] * 2
    chain = built(builder(kind, frames=frames))
    assert chain.is_relaxed()
    assert chain.inputs.metrics.job.parameters["kind"] == (kind or "interface")


def test_oxidation_states_are_guessed_shown_or_given(builder):
    frames = [bulk("MgO", "rocksalt", a=4.21, cubic=True)] * 3
    guessed = builder(frames=frames)
    table = guessed.metrics.job.parameters["interface"]
    assert table == {"oxidation_states": {"Mg": 2, "O": -2}, "cations": ["Mg"], "anions": ["O"]}
    assert guessed._notes == (
        "oxidation states guessed for the metrics: Mg=2,O=-2 (others: --oxidation-states, or the overrides)",
    )
    given = builder(frames=frames, oxidation_states={"Mg": 1, "O": -1, "F": -1})
    assert given.metrics.job.parameters["interface"]["oxidation_states"] == {"Mg": 1, "O": -1, "F": -1}
    assert given.metrics.job.parameters["interface"]["anions"] == ["O"]
    assert given._notes == ()
    explicit = {"metrics": {"parameters": {"interface": {"oxidation_states": {"Mg": 3, "O": -3}}}}}
    stated = builder(frames=frames, overrides=WITH_LJ | explicit, oxidation_states={"Mg": 1, "O": -1})
    assert stated.metrics.job.parameters["interface"]["oxidation_states"] == {"Mg": 3, "O": -3}
    assert stated.metrics.job.parameters["interface"]["cations"] == ["Mg"]


def test_states_that_cannot_be_guessed_are_asked_for(builder):
    with pytest.raises(ValueError, match=r"no oxidation state of Cu .* --oxidation-states Cu="):
        built(builder())
    with pytest.raises(BadInput, match="no cations or no anions"):
        builder(oxidation_states={"Cu": 2})
    with pytest.raises(BadInput, match="--oxidation-states are of the metrics of interfaces"):
        builder("amorphous", oxidation_states={"Cu": 2})


def test_a_training_set_of_one_structure_is_warned_of(builder):
    frames = [bulk("LiF", "rocksalt", a=4.03, cubic=True)]
    assert any("the training set has one structure" in note for note in builder(frames=frames)._notes)


def test_alloys_are_measured_as_they_are(builder, monkeypatch):
    made = builder("alloy", overrides=None)
    chain = built(made)
    assert not chain.is_relaxed()
    assert "postprocess" not in chain.inputs
    assert "relax" not in chain.inputs
    chain.setup()
    submitted = []
    monkeypatch.setattr(chain, "submit", lambda process, **inputs: submitted.append(inputs) or ended())
    chain.run_metrics()
    assert submitted[0]["structures"].uuid == made.structures.uuid
    assert submitted[0]["job"]["parameters"]["kind"] == "alloy"
    assert submitted[0]["job"]["parameters"]["generated_total"] == 2


def test_the_kind_of_the_overrides_holds_where_no_other_is_named(builder):
    overrides = WITH_LJ | {"metrics": {"parameters": {"kind": "amorphous"}}}
    assert builder(overrides=overrides).metrics.job.parameters["kind"] == "amorphous"
    assert builder("alloy", overrides=overrides).metrics.job.parameters["kind"] == "alloy"


def test_what_alloys_have_no_use_for_is_refused(builder):
    with pytest.raises(ValueError, match="neither pushed apart nor relaxed: leave out potential"):
        built(builder("alloy", potential=weights(PotentialData)))
    relaxed = builder()
    relaxed.metrics.job.parameters = orm.Dict({"kind": "alloy"})
    with pytest.raises(ValueError, match="leave out postprocess and relax"):
        built(relaxed)


def test_missing_steps_are_refused(builder):
    bare = builder("alloy", overrides=None)
    bare.metrics.job.parameters = orm.Dict({"kind": "amorphous"})
    with pytest.raises(ValueError, match="structures of the kind 'amorphous' need the inputs postprocess and relax"):
        built(bare)


def test_a_potential_that_is_missing_or_not_used_is_refused_before_anything_runs(builder, dismai_code, copper):
    with pytest.raises(ValueError, match="'m3gnet' needs a `potential`"):
        built(builder(overrides=None))
    with pytest.raises(ValueError, match="it would not be used"):
        built(builder(potential=weights(PotentialData)))
    sets = StructureSetData(copper(2)), StructureSetData(copper(2))
    bench = BenchmarkWorkChain.get_builder_from_protocol(dismai_code, *sets, "cryingan", 1, protocol="demo")
    with pytest.raises(ValueError, match="'m3gnet' needs a `potential`"):
        process(BenchmarkWorkChain, bench)


def test_a_benchmark_of_alloys_has_no_potential(dismai_code, copper):
    sets = StructureSetData(copper(2)), StructureSetData(copper(2))
    arguments = (dismai_code, *sets, "cryingan", 1)
    bench = BenchmarkWorkChain.get_builder_from_protocol(*arguments, kind="alloy", protocol="demo")
    chain = process(BenchmarkWorkChain, bench)
    assert set(chain.inputs.evaluate) & {"postprocess", "relax"} == set()
    bench.potential = weights(PotentialData)
    with pytest.raises(ValueError, match="leave out potential"):
        process(BenchmarkWorkChain, bench)


def test_an_evaluation_of_alloys(dismai_code, alloys):
    """One job: 4 of 4 structures on their lattice, compared with others of the same composition."""
    made = EvaluateWorkChain.get_builder_from_protocol(
        dismai_code, alloys(4, 1), alloys(6, 2), kind="alloy", validation=alloys(2, 3), protocol="demo"
    )
    outputs, node = run_get_node(made)
    assert node.is_finished_ok, node.exit_message
    assert {"postprocessed", "relaxed"} & set(outputs) == set()
    found = outputs["metrics"].get_dict()
    assert found["failed_percent"]["value"] == found["vacancy_percent"]["value"] == 0
    assert found["d_cluster"]["value"] > 0
    assert found["noise_floor"]["validation"]["structures"] == 2
    jobs = [child for child in node.called_descendants if isinstance(child, orm.CalcJobNode)]
    assert [job.process_label for job in jobs] == ["MetricsCalculation"]
    # concentrations are the same in every structure: what differs is the order of the atoms alone
    labels = [str(label) for label in outputs["per_structure"].get_array("labels_cluster")]
    np.testing.assert_allclose(
        outputs["per_structure"].get_array("vector_cluster")[:, labels.index("0NN_Fe")], 20 / 32, atol=1e-12
    )


def test_an_evaluation_of_amorphous_structures(dismai_code, copper):
    made = EvaluateWorkChain.get_builder_from_protocol(
        dismai_code,
        StructureSetData(copper(3, rattle=0.3)),
        StructureSetData(copper(4, seed=20, rattle=0.2)),
        kind="amorphous",
        protocol="demo",
        overrides={"relax": {"parameters": LJ | {"steps": 5, "optimizer": "BFGS"}}},
    )
    outputs, node = run_get_node(made)
    assert node.is_finished_ok, node.exit_message
    assert [child.process_label for child in node.called] == [
        "PostprocessWorkChain",
        "RelaxWorkChain",
        "MetricsWorkChain",
    ]
    found = outputs["metrics"].get_dict()
    assert {"d_motif", "d_rdf", "d_angle", "cos_motif"} <= set(found)
    assert outputs["per_structure"].get_array("curve_rdf").shape == (4, 500)
    assert found["n_generated"] == 3
