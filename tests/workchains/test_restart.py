"""The decision table of restarting jobs, line by line, and a job that is really cut off by its wall time."""

import json
from itertools import count

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from support.children import ended, process

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import Property
from aiida_dismai.workchains.generator import GeneratorWorkChain
from aiida_dismai.workchains.jobs import RelaxChunkWorkChain, TrainPotentialWorkChain

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
LJ = {"calculator": "ase.calculators.lj:LennardJones", "calculator_kwargs": {"sigma": 2.3, "epsilon": 0.2, "rc": 5.0}}
OPTIONS = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "max_wallclock_seconds": 600}


@pytest.fixture
def relaxing(dismai_code, copper):
    """A relaxation that was set up."""
    chain = process(
        RelaxChunkWorkChain,
        {
            "code": dismai_code,
            "structures": StructureSetData(copper()),
            "parameters": orm.Dict(LJ),
            "options": orm.Dict(OPTIONS),
        },
    )
    chain.setup()
    return chain


@pytest.fixture
def training(dismai_code, copper):
    """A training of a generative model that was set up."""
    chain = process(
        GeneratorWorkChain,
        {
            "code": dismai_code,
            "structures": StructureSetData(copper()),
            "parameters": orm.Dict({"model": "cryingan"}),
            "seed": orm.Int(1),
            "options": orm.Dict(OPTIONS),
        },
    )
    chain.setup()
    return chain


@pytest.fixture
def job(quick_computer, tmp_path):
    """Return a factory of ended jobs with so many lines of progress, and with a checkpoint where there are any."""

    numbers = count()

    def make(exit_status, lines=0, before="", checkpoint=None):
        retrieved = orm.FolderData()
        text = before + "".join(json.dumps({"done": i}) + "\n" for i in range(lines)) + '{"half a li'
        retrieved.base.repository.put_object_from_bytes(text.encode(), "progress.jsonl")
        folder = tmp_path / f"job_{next(numbers)}"
        (folder / "checkpoint").mkdir(parents=True)
        if lines if checkpoint is None else checkpoint:
            (folder / "checkpoint" / "pieces.bin").touch()
        remote = orm.RemoteData(computer=quick_computer, remote_path=str(folder))
        return ended(
            exit_status,
            "because",
            {"retrieved": retrieved, "remote_folder": remote},
            orm.CalcJobNode,
            quick_computer,
        )

    return make


def handle(chain, node):
    chain.ctx.children = [node]
    chain.ctx.iteration = 1
    return chain.inspect_process()


def goes_on(result):
    return result is None or result.status == 0


@pytest.mark.parametrize("status", [300, 310])
def test_wrong_input_stops_at_once(relaxing, job, status):
    assert handle(relaxing, job(status)) == relaxing.exit_codes.ERROR_INPUT.format(message="because")


@pytest.mark.parametrize("status", [400, 120])
def test_the_wall_time_is_gone_on_from_and_not_counted(relaxing, job, status):
    node = job(status, lines=3)
    assert goes_on(handle(relaxing, node))
    assert relaxing.ctx.inputs.parent_folder.pk == node.outputs.remote_folder.pk
    assert relaxing.ctx.iteration == len(relaxing.ctx.children) == 0


def test_no_progress_in_a_whole_wall_time_stops(relaxing, job):
    assert goes_on(handle(relaxing, job(400, lines=3)))
    result = handle(relaxing, job(400, lines=3))
    assert result.status == relaxing.exit_codes.ERROR_NO_PROGRESS.status


def test_a_wall_time_without_a_checkpoint_stops_however_many_lines_there_are(relaxing, job):
    """The next job would come no further than this one."""
    result = handle(relaxing, job(120, lines=3, checkpoint=False))
    assert result.status == relaxing.exit_codes.ERROR_NO_PROGRESS.status


def said(chain):
    """Return what the handlers of a WorkChain reported last."""
    lines = [log.message for log in orm.Log.collection.get_logs_for(chain.node)]
    return next(line for line in reversed(lines) if "dealt with" not in line)


@pytest.mark.parametrize("status", [140, 420, 421, 422])
def test_an_interrupted_job_is_gone_on_from_and_counted(relaxing, job, status):
    node = job(status, lines=3)
    assert goes_on(handle(relaxing, node))
    assert relaxing.ctx.inputs.parent_folder.pk == node.outputs.remote_folder.pk
    # making room for others is no reason to give up, as long as there is progress
    assert relaxing.ctx.iteration == (0 if status == 422 else 1)
    assert said(relaxing).endswith("; resuming from its checkpoint")


@pytest.mark.parametrize("status", [140, 420, 421, 422, 430])
def test_without_a_checkpoint_it_begins_anew_and_says_so(relaxing, job, status):
    assert goes_on(handle(relaxing, job(status, lines=2, checkpoint=False)))
    assert "parent_folder" not in relaxing.ctx.inputs
    assert relaxing.ctx.iteration == 1
    assert said(relaxing).endswith("it left no checkpoint, starting from the beginning")


def test_a_job_cancelled_while_it_waited_leaves_the_checkpoint_before(relaxing, job):
    first = job(420, lines=3)
    assert goes_on(handle(relaxing, first))
    assert goes_on(handle(relaxing, job(421, checkpoint=False)))
    assert relaxing.ctx.inputs.parent_folder.pk == first.outputs.remote_folder.pk
    assert said(relaxing).endswith("it left no checkpoint, resuming from the one before")


def test_interruptions_are_bounded(relaxing, job):
    relaxing.ctx.children = []
    for number in range(1, 6):
        relaxing.ctx.children.append(job(140))
        relaxing.ctx.iteration = number
        result = relaxing.inspect_process()
        assert goes_on(result) == (number < 5)
    assert result.status == relaxing.exit_codes.ERROR_MAXIMUM_ITERATIONS_EXCEEDED.status


def test_a_computer_that_cannot_be_asked_is_no_reason_to_begin_anew(relaxing, job, monkeypatch):
    def refuse(self, user=None):
        raise OSError("no route to host")

    node = job(420, lines=3)
    monkeypatch.setattr(orm.AuthInfo, "get_transport", refuse)
    assert goes_on(handle(relaxing, node))
    assert relaxing.ctx.inputs.parent_folder.pk == node.outputs.remote_folder.pk
    assert said(relaxing).endswith("resuming from its checkpoint, if it wrote one")


def test_a_full_disk_is_tried_again_while_there_is_progress(relaxing, job):
    assert goes_on(handle(relaxing, job(430, lines=3)))
    assert goes_on(handle(relaxing, job(430, lines=4)))
    result = handle(relaxing, job(430, lines=4))
    assert result == relaxing.exit_codes.ERROR_DISK_FULL.format(message="because")


@pytest.mark.parametrize("status", [100, 352, 353, 354])
def test_files_that_were_lost_are_made_again_once(relaxing, job, status):
    assert goes_on(handle(relaxing, job(status, lines=3)))
    assert handle(relaxing, job(status, lines=4)).status == relaxing.exit_codes.ERROR_UNHANDLED_FAILURE.status


@pytest.mark.parametrize("lines", [0, 3])
def test_a_job_that_never_began_is_a_failure(relaxing, job, lines):
    assert handle(relaxing, job(351, lines)).status == relaxing.exit_codes.ERROR_UNHANDLED_FAILURE.status


def test_a_crash_is_a_failure(relaxing, job):
    assert handle(relaxing, job(360, lines=3)).status == relaxing.exit_codes.ERROR_UNHANDLED_FAILURE.status


def test_a_smaller_batch_begins_anew_and_may_use_up_its_wall_time(training, job):
    assert goes_on(handle(training, job(400, lines=9)))
    assert goes_on(handle(training, job(410)))
    assert goes_on(handle(training, job(400, lines=3)))


@pytest.mark.parametrize("status", [410, 110])
def test_out_of_memory_halves_the_batch_until_one(training, job, status):
    for expected in (16, 8, 4, 2, 1):
        assert goes_on(handle(training, job(status)))
        assert training.ctx.inputs.parameters["hyperparameters"]["batch_size"] == expected
    assert handle(training, job(status)).status == training.exit_codes.ERROR_MEMORY.status


def test_out_of_memory_halves_what_the_dry_run_had_found(dismai_code, copper, job):
    """`batch_size: auto` found 12, which filled the memory all the same; without a dry run's answer it stops."""
    chain = process(
        GeneratorWorkChain,
        {
            "code": dismai_code,
            "structures": StructureSetData(copper()),
            "parameters": orm.Dict({"model": "diffcsp", "hyperparameters": {"batch_size": "auto"}}),
            "seed": orm.Int(1),
            "options": orm.Dict(OPTIONS),
        },
    )
    chain.setup()
    assert handle(chain, job(410)).status == chain.exit_codes.ERROR_MEMORY.status
    found = json.dumps({"stage": "batch size", "batch_size": 12}) + "\n"
    assert goes_on(handle(chain, job(410, lines=2, before=found)))
    assert chain.ctx.inputs.parameters["hyperparameters"]["batch_size"] == 6


def test_out_of_memory_without_a_batch_stops(relaxing, job):
    assert handle(relaxing, job(410)).status == relaxing.exit_codes.ERROR_MEMORY.status


def test_divergence_halves_the_learning_rate_once(training, job):
    before = training.ctx.parameters["hyperparameters"]["learning_rate"]
    assert goes_on(handle(training, job(450)))
    assert training.ctx.inputs.parameters["hyperparameters"]["learning_rate"] == before / 2
    assert "parent_folder" not in training.ctx.inputs
    assert handle(training, job(450)).status == training.exit_codes.ERROR_DIVERGED.status


@pytest.fixture
def fitting(dismai_code, copper):
    """A training of a potential that was set up."""
    labelled = copper(6).with_properties(
        {
            "energy": Property(np.zeros(6), "structure", "eV"),
            "forces": Property(np.zeros_like(copper(6).positions), "atom", "eV/Å"),
            "stress": Property(np.zeros((6, 3, 3)), "structure", "GPa"),
            "trajectory": Property(np.arange(6), "structure"),
        }
    )
    chain = process(
        TrainPotentialWorkChain,
        {
            "code": dismai_code,
            "structures": StructureSetData(labelled),
            "parameters": orm.Dict({}),
            "seed": orm.Int(1),
            "options": orm.Dict(OPTIONS),
        },
    )
    chain.setup()
    return chain


@pytest.mark.parametrize(
    ("status", "parameter", "value"),
    [(410, "micro_batch_size", 2), (110, "micro_batch_size", 2), (450, "learning_rate", 5e-4)],
)
def test_a_checkpoint_is_kept_where_the_parameter_may_change(fitting, job, status, parameter, value):
    node = job(status, lines=4)
    assert goes_on(handle(fitting, node))
    assert fitting.ctx.inputs.parameters[parameter] == value
    assert fitting.ctx.inputs.parent_folder.pk == node.outputs.remote_folder.pk
    # no more lines than the job before had written: no progress
    assert handle(fitting, job(400, lines=4)).status == fitting.exit_codes.ERROR_NO_PROGRESS.status


def test_a_job_that_had_not_got_on_leaves_no_checkpoint(fitting, job):
    assert goes_on(handle(fitting, job(410)))
    assert "parent_folder" not in fitting.ctx.inputs


def test_progress_counts_on_when_a_remedy_keeps_the_checkpoint(training, job):
    assert goes_on(handle(training, job(400, lines=5)))
    assert goes_on(handle(training, job(450, lines=6)))
    assert not goes_on(handle(training, job(400, lines=6)))


@pytest.mark.engine
def test_a_relaxation_is_cut_off_and_finished_by_the_next_job(dismai_code, copper, tmp_path):
    """The soft stop of the wall time leaves a checkpoint; the next job starts from it."""
    wall = 40
    kwargs = {"marker": str(tmp_path / "paused"), "call": 25, "seconds": wall}
    paused = {"calculator": "support.standin_calculators:PausedOnce", "calculator_kwargs": kwargs}
    inputs = {
        "code": dismai_code,
        "structures": StructureSetData(copper(8)),
        "parameters": orm.Dict({**paused, "optimizer": "BFGS", "fmax": 0.02, "steps": 60}),
        "options": orm.Dict(OPTIONS | {"max_wallclock_seconds": wall}),
    }
    results, node = run_get_node(RelaxChunkWorkChain, **inputs)
    jobs = [child for child in node.called if isinstance(child, orm.CalcJobNode)]
    assert node.is_finished_ok, node.exit_message
    assert [job.exit_status for job in jobs] == [400, 0]
    assert 0 < results["results"]["n_resumed"] < 8
    relaxed = results["structures"].structures
    assert len(relaxed) == 8
    assert relaxed.values("converged").all()


@pytest.mark.engine
def test_a_killed_relaxation_is_finished_by_the_next_job(dismai_code, copper, tmp_path):
    """SIGKILL in the middle of the set: what was relaxed before is not done again."""
    kwargs = {"marker": str(tmp_path / "killed"), "call": 25}
    inputs = {
        "code": dismai_code,
        "structures": StructureSetData(copper(6)),
        "parameters": orm.Dict(
            {
                "calculator": "support.standin_calculators:KilledOnce",
                "calculator_kwargs": kwargs,
                "optimizer": "BFGS",
                "steps": 60,
            }
        ),
        "options": orm.Dict(OPTIONS),
    }
    results, node = run_get_node(RelaxChunkWorkChain, **inputs)
    jobs = [child for child in node.called if isinstance(child, orm.CalcJobNode)]
    assert node.is_finished_ok, node.exit_message
    assert [job.exit_status for job in jobs] == [420, 0]
    assert len(results["structures"]) == 6
    assert 0 < results["results"]["n_resumed"] < 6
