"""A workflow that failed is launched again: finished jobs from the cache, the others from their checkpoints."""

from itertools import pairwise

import pytest
from aiida import orm
from aiida.engine import run_get_node
from click.testing import CliRunner
from plumpy import ProcessState
from support import handmade
from support.children import ended

from aiida_dismai.cli import main
from aiida_dismai.data import StructureSetData
from aiida_dismai.workchains.earlier import RELAUNCH, earlier_runs, key_of
from aiida_dismai.workchains.jobs import RelaxChunkWorkChain
from aiida_dismai.workchains.relax import RelaxWorkChain

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
OPTIONS = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "max_wallclock_seconds": 600}


def relaunch(*arguments):
    return CliRunner().invoke(main, ["relaunch", *map(str, arguments)])


def jobs_of(node):
    return [job for job in node.called_descendants if isinstance(job, orm.CalcJobNode)]


@pytest.fixture
def killed(dismai_code, copper, tmp_path):
    """A relaxation in two chunks: the job of the first was killed and not tried again, the second finished."""
    builder = RelaxWorkChain.get_builder()
    builder.structures = StructureSetData(copper(12))
    builder.chunk_size, builder.max_concurrent = orm.Int(6), orm.Int(1)
    builder.job.code = dismai_code
    builder.job.options = orm.Dict(OPTIONS)
    builder.job.max_iterations = orm.Int(1)
    builder.job.parameters = orm.Dict(
        {
            "calculator": "support.standin_calculators:KilledOnce",
            "calculator_kwargs": {"marker": str(tmp_path / "killed"), "call": 25},
            "optimizer": "BFGS",
            "fmax": 0.02,
            "steps": 60,
        }
    )
    _, node = run_get_node(builder)
    return node


@pytest.mark.engine
def test_checkpoint_cache_and_all(killed):
    first, second = jobs_of(killed)
    assert (first.exit_status, second.exit_status) == (420, 0), killed.exit_message
    result = relaunch(killed.pk, "--run", "--label", "again")
    assert result.exit_code == 0, result.output
    (again,) = [node for node in orm.QueryBuilder().append(orm.WorkChainNode).all(flat=True) if node.label == "again"]
    assert again.base.extras.get(RELAUNCH) == killed.uuid
    assert again.is_finished_ok
    resumed, cached = jobs_of(again)
    assert cached.base.caching.get_cache_source() == second.uuid
    assert resumed.inputs.parent_folder.pk == first.outputs.remote_folder.pk
    assert 0 < resumed.outputs.results["n_resumed"] < 6
    assert len(again.outputs.structures) == 12


def test_what_cannot_be_relaunched():
    running = orm.WorkChainNode()
    running.set_process_label("RelaxWorkChain")
    running.set_process_state(ProcessState.WAITING)
    running.store()
    finished = ended()
    function = handmade.process(orm.CalcFunctionNode, handmade.CALCULATIONS + "functions.slice", "slice_structures")
    for node, text in (
        (running, f"verdi process kill {running.pk}"),
        (finished, "has finished; there is nothing to resume"),
        (function, "relaunch the workflow that called it"),
    ):
        result = relaunch(node.pk)
        assert result.exit_code == 1
        assert text in " ".join(result.output.split())


def test_a_job_shares_a_checkpoint_only_with_its_like(copper):
    process = RelaxChunkWorkChain._process_class
    structures, others = StructureSetData(copper()).store(), StructureSetData(copper(seed=9)).store()
    base = {"structures": structures, "parameters": orm.Dict({"calculator": "edip"})}

    def key(**more):
        return key_of(process, base | more)

    parameters = orm.Dict({"calculator": "sw"})
    assert key() == key(structures=StructureSetData(copper()).store())
    assert key() == key(parameters=orm.Dict({"calculator": "edip", "device": "cpu"}))
    assert key() != key(structures=others)
    assert key() != key(parameters=parameters)
    assert key(parameters=orm.Dict({"no such": 1})) is None


def test_relaunches_of_relaunches_are_followed():
    nodes = [handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "relax", "RelaxWorkChain") for _ in range(3)]
    for old, new in pairwise(nodes):
        new.base.extras.set(RELAUNCH, old.uuid)
    assert [node.pk for node in earlier_runs(nodes[2])] == [nodes[1].pk, nodes[0].pk]
    assert earlier_runs(nodes[0]) == []
