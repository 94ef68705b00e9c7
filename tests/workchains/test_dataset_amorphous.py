"""Data sets of amorphous silicon: the whole line of each way, every exit code, and what is refused before it runs."""

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from support.children import ended, process
from support.weights import weights

from aiida_dismai.calculations.functions.amorphous import select_accepted
from aiida_dismai.data import PotentialData, StructureSetData
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import StructureSet
from aiida_dismai.engine.tasks import find_task
from aiida_dismai.workchains.amorphous import NetworkWorkChain
from aiida_dismai.workchains.dataset_amorphous import ROUTES, AmorphousDatasetWorkChain

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
PROTOCOLS = ("paper", "moderate", "demo")
SMALL = {
    "network": {"chunk_size": 2},
    "measure": {"parameters": {"gate": {"min_fourfold_percent": 20, "max_angle_sigma": 40}}},
    "n_structures": 3,
    "n_candidates": 3,
}


@pytest.fixture
def large_cell():
    """Return a cell of 512 silicon atoms: diamond, much displaced."""
    from ase.build import bulk

    atoms = bulk("Si", cubic=True, a=5.482) * (4, 4, 4)
    atoms.rattle(0.15, seed=2)
    from aiida_dismai.engine.structures import from_ase

    return StructureSetData(from_ase([atoms]))


@pytest.fixture
def builder(dismai_code, large_cell):
    """Return a factory of builders of the demo, smaller."""

    def make(overrides=None, route="network", **more):
        cell = large_cell if route == "carve" else None
        return AmorphousDatasetWorkChain.get_builder_from_protocol(
            dismai_code, 3, route=route, large_cell=cell, protocol="demo", overrides=SMALL | (overrides or {}), **more
        )

    return make


def built(builder):
    return process(AmorphousDatasetWorkChain, builder)


def refused(make):
    """Return what is said against the inputs, by a port of the builder or by the process."""
    with pytest.raises((ValueError, BadInput)) as caught:
        built(make())
    return str(caught.value)


def silicon(count, converged=True):
    """Return structures of one atom, numbered by their energy, as a relaxation gives them."""
    structures = StructureSet.from_uniform([14], np.zeros((count, 1, 3)), 3 * np.eye(3))
    structures = structures.with_property("converged", np.broadcast_to(converged, count).astype(bool))
    return StructureSetData(structures.with_property("energy", np.arange(count, dtype=float)))


def judged(*reasons):
    """Return what the gate says: a reason for each structure, empty for one that is accepted."""
    node = orm.ArrayData()
    node.set_array("rejected", np.array(reasons, dtype=np.str_))
    return node


@pytest.mark.engine
def test_the_whole_line(builder):
    outputs, node = run_get_node(builder())
    assert node.is_finished_ok, f"{node.exit_status} {node.exit_message}"
    dataset, made = outputs["dataset"].structures, outputs["made"].structures
    assert len(dataset) == 3
    assert (dataset.n_atoms == 64).all()
    # both are stored: the perfect network, and what the potential has made of it
    index = dataset.values("index").tolist()
    np.testing.assert_array_equal(made.values("index")[: len(index)], index)
    assert not np.array_equal(dataset.positions, made.positions)
    assert (dataset.values("energy") < dataset.values("energy_initial")).all()
    assert dataset.values("fmax").max() <= 0.05
    measures, before = outputs["measures"].get_dict(), outputs["made_measures"].get_dict()
    assert measures["density"] == pytest.approx(before["density"])
    assert measures["energy_per_atom"] == pytest.approx((dataset.values("energy") / 64).mean())
    assert measures["energy_per_atom"] < before["energy_per_atom"]
    assert set(measures["coordination_percent"]) & {"3", "4", "5"}
    assert outputs["distributions"].get_array("accepted").all()
    split = outputs["split"].get_dict()
    assert outputs["train"].structures == dataset[split["train"]]
    assert (len(outputs["train"]), len(outputs["validation"])) == (2, 1)
    assert outputs["rounds"]["round_0"].get_dict()["kept"] == 3
    # chunks of two make the same structures as one job of three
    chunks = [child for child in node.called_descendants if child.process_label == "NetworkChunkWorkChain"]
    assert [chunk.inputs.parameters["first"] for chunk in chunks] == [0, 2]


@pytest.mark.engine
@pytest.mark.parametrize(
    ("route", "overrides"),
    [
        ("quench", {"quench": {"parameters": {"n_atoms": 64, "rate": 5e14, "gate": {}}}}),
        ("carve", {"carve": {"parameters": {"n_atoms": 64, "density": None, "anneal": {"picoseconds": 1}}}}),
    ],
)
def test_the_other_ways_end_in_data_sets_too(builder, route, overrides):
    no_gate = dict.fromkeys(("min_fourfold_percent", "max_angle_sigma", "max_crystalline_percent"))
    small = {"n_structures": 2, "n_candidates": 2, "measure": {"parameters": {"gate": no_gate}}}
    outputs, node = run_get_node(builder(overrides | small, route=route))
    assert node.is_finished_ok, f"{node.exit_status} {node.exit_message}"
    assert (outputs["dataset"].structures.n_atoms == 64).all()
    assert set(outputs["made"].structures.properties) > {"index", "attempts", "energy"}


def test_a_structure_that_fails_the_gate_is_made_up_for_in_another_round(builder):
    chain = built(builder({"max_rounds": 2}))
    chain.setup()
    chain.ctx.relaxed = [silicon(3, [True, False, True])]
    chain.ctx.judged = ended(outputs={"measures": judged("", "", "crystalline")})
    assert chain.select() is None
    assert (chain.ctx.found, chain.ctx.round, chain.needs_more()) == (1, 1, True)
    assert chain.outputs["rounds"]["round_0"]["rejected"] == {"not converged": 1, "crystalline": 1}
    submitted = []
    chain.submit = lambda process, **inputs: submitted.append((process, inputs)) or ended()
    chain.make()
    assert submitted[0][0] is NetworkWorkChain
    assert submitted[0][1]["first"].value == 3
    chain.ctx.relaxed.append(silicon(3))
    chain.ctx.judged = ended(outputs={"measures": judged("", "", "")})
    chain.select()
    # of the second round only as many as are missing
    assert (chain.ctx.found, chain.needs_more()) == (3, False)
    assert len(chain.ctx.measured[1]["structures"]) == 2


def test_the_selection_counts_what_it_leaves_out():
    found = select_accepted(
        silicon(5, [True, True, False, True, True]), judged("", "crystalline", "crystalline", "", ""), orm.Int(2)
    )
    assert found["structures"].structures.values("energy").tolist() == [0.0, 3.0]
    assert found["summary"].get_dict() == {
        "looked_at": 5,
        "converged": 4,
        "accepted": 3,
        "kept": 2,
        "wanted": 2,
        "rejected": {"crystalline": 1, "not converged": 1},
    }


@pytest.mark.parametrize(
    ("step", "context", "code"),
    [
        ("run_relax", "making", "ERROR_MAKE"),
        ("run_gate", "relaxing", "ERROR_RELAX"),
        ("select", "judged", "ERROR_MEASURE"),
        ("finish", "measures", "ERROR_MEASURE"),
    ],
)
def test_a_step_that_failed(builder, step, context, code):
    chain = built(builder())
    chain.setup()
    chain.ctx[context] = ended(999, "fell over")
    result = getattr(chain, step)()
    assert result.status == getattr(AmorphousDatasetWorkChain.exit_codes, code).status
    assert result.message.endswith("failed: fell over")


def test_chunks_that_failed_are_gone_on_without(builder):
    chain = built(builder())
    chain.setup()
    chain.ctx.making = ended(520, "1 of 2 chunks failed", {"structures": silicon(2)})
    submitted = []
    chain.submit = lambda process, **inputs: submitted.append(inputs) or ended()
    chain.run_relax()
    assert len(submitted[0]["structures"]) == 2


def test_too_few_structures_say_why(builder):
    chain = built(builder({"max_rounds": 1}))
    chain.setup()
    chain.ctx.made, chain.ctx.relaxed = [silicon(3)], [silicon(3, [True, False, True])]
    chain.ctx.judged = ended(outputs={"measures": judged("", "", "crystalline")})
    chain.select()
    chain.submit = lambda process, **inputs: ended()
    chain.run_measures()
    chain.ctx.made_measures = ended(outputs={"results": orm.Dict(), "measures": judged("")})
    chain.ctx.measures = ended(outputs={"results": orm.Dict(), "measures": judged("")})
    result = chain.finish()
    assert result.status == AmorphousDatasetWorkChain.exit_codes.ERROR_TOO_FEW.status
    assert result.message.startswith("1 of 3 structures after 3 candidates (1 crystalline, 1 not converged)")
    assert len(chain.outputs["dataset"]) == 1
    assert "train" not in chain.outputs


def test_not_one_structure_is_too_few(builder):
    chain = built(builder({"max_rounds": 1}))
    chain.setup()
    chain.ctx.made, chain.ctx.relaxed = [silicon(2)], [silicon(2, False)]
    chain.ctx.judged = ended(outputs={"measures": judged("", "")})
    chain.select()
    chain.submit = lambda process, **inputs: ended()
    chain.run_measures()
    chain.ctx.made_measures = ended(outputs={"results": orm.Dict(), "measures": judged("")})
    result = chain.finish()
    assert result.message.startswith("0 of 3 structures after 2 candidates (2 not converged)")
    assert "dataset" not in chain.outputs


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"network": {"parameters": {"n_atoms": 63}}}, "n_atoms"),
        ({"network": {"parameters": {"density": 9.0}}}, "density"),
        ({"network": {"parameters": {"n_structures": 5}}}, "n_structures have inputs of their own"),
        ({"network": {"parameters": {"angle_sgma": 10}}}, "did you mean 'angle_sigma'"),
        ({"relax": {"parameters": {"calculator": "m3gnet"}}}, "needs a `potential`"),
        ({"relax": {"parameters": {"calculator": "edipp"}}}, "did you mean 'edip'"),
        (
            {"measure": {"parameters": {"gate": {"max_sigma": 1}}}},
            "unknown override 'measure.parameters.gate.max_sigma'; did you mean 'max_angle_sigma'",
        ),
        ({"n_structures": 1}, "a single structure cannot be split"),
        ({"n_structures": 0}, "must be at least 1"),
        ({"validation_share": 1.0}, "must be at least 0 and below 1"),
        ({"route": "boil"}, "there is no 'boil'"),
        ({"rout": "quench"}, "did you mean 'route'"),
    ],
)
def test_what_would_fail_late_is_refused(builder, overrides, message):
    assert message in refused(lambda: builder(overrides, route=None))


def test_a_quench_of_days_says_its_estimate_first(builder):
    overrides = {"quench": {"parameters": {"n_atoms": 1000, "rate": 1e9}}}
    message = refused(lambda: builder(overrides, route="quench"))
    assert "hours" in message or "days" in message
    assert "max_hours" in message


def test_a_cell_too_small_to_carve(builder):
    message = refused(lambda: builder({"carve": {"parameters": {"n_atoms": 600}}}, route="carve"))
    assert "512 atoms" in message or "too small" in message


def test_a_route_and_a_large_cell_that_do_not_fit(dismai_code, large_cell):
    make = AmorphousDatasetWorkChain.get_builder_from_protocol
    with pytest.raises(BadInput, match="does not use it"):
        make(dismai_code, 1, route="network", large_cell=large_cell)
    with pytest.raises(BadInput, match="needs a large cell"):
        make(dismai_code, 1, route="carve")
    assert make(dismai_code, 1, large_cell=large_cell, protocol="demo").carve.structures.uuid == large_cell.uuid


def test_one_way_only(builder):
    made = builder()
    made.quench = builder(route="quench").quench
    assert "give exactly one of the namespaces network, quench, carve, not network and quench" in refused(lambda: made)


def test_a_trained_potential_takes_the_place_of_edip(builder):
    chain = built(builder(potential=weights(PotentialData, elements=["Si"])))
    assert chain.inputs.relax.job.parameters["calculator"] == "m3gnet"
    assert built(builder()).inputs.relax.job.parameters["calculator"] == "edip"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("route", ROUTES)
def test_protocols_are_valid(dismai_code, large_cell, protocol, route):
    cell = large_cell if route == "carve" else None
    chain = built(
        AmorphousDatasetWorkChain.get_builder_from_protocol(
            dismai_code, 1, route=route, large_cell=cell, protocol=protocol
        )
    )
    find_task(f"amorphous.{route}").validate(chain.inputs[route].job.parameters.get_dict())
    assert AmorphousDatasetWorkChain.get_available_protocols()[protocol]


def test_numbers_of_the_paper():
    inputs = AmorphousDatasetWorkChain.get_protocol_inputs("paper")
    assert (inputs["n_structures"], inputs["validation_share"]) == (1500, 0.2)
    for route in ROUTES:
        assert (inputs[route]["parameters"]["n_atoms"], inputs[route]["parameters"]["density"]) == (256, 2.28)
