"""What a failed job said reaches every level above it, once, with the place of a crash."""

import pytest
from aiida import orm
from support.children import ended, process

from aiida_dismai.data import StructureSetData
from aiida_dismai.workchains.jobs import RelaxChunkWorkChain
from aiida_dismai.workchains.reasons import failed_with, reason_of
from aiida_dismai.workchains.relax import RelaxWorkChain

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")
CRASH = "ZeroDivisionError: division by zero (their_model/model.py:41 in train)"
LJ = {"calculator": "chgnet"}
OPTIONS = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "max_wallclock_seconds": 600}


@pytest.fixture
def job(quick_computer):
    """Return a factory of failed jobs whose task has left this error."""

    def make(exit_status, exit_message=None, **error):
        outputs = {"results": orm.Dict({"status": "failed", "error": error})} if error else {}
        return ended(exit_status, exit_message, outputs, orm.CalcJobNode, quick_computer)

    return make


@pytest.fixture
def relaxing(dismai_code, copper):
    inputs = {"structures": StructureSetData(copper()), "parameters": orm.Dict(LJ), "options": orm.Dict(OPTIONS)}
    chain = process(RelaxChunkWorkChain, {"code": dismai_code, **inputs})
    chain.setup()
    return chain


def inspect(chain, node):
    chain.ctx.children, chain.ctx.iteration = [node], 1
    return chain.inspect_process()


def test_an_unhandled_failure_says_what_the_job_said(relaxing, job):
    trace = ["aiida_dismai/engine/generators/run.py:62 in train", "their_model/model.py:41 in train: return 1 / 0"]
    message = f"the engine crashed: {CRASH}"
    node = job(360, message, kind="crashed", message=CRASH, where="…", traceback=trace)
    result = inspect(relaxing, node)
    assert result.status == relaxing.exit_codes.ERROR_UNHANDLED_FAILURE.status
    assert result.message == f"Fake<{node.pk}> [360]: {CRASH}"
    logged = " ".join(entry.message for entry in orm.Log.collection.get_logs_for(relaxing.node))
    assert "their_model/model.py:41 in train: return 1 / 0" in logged


def test_what_the_kind_of_the_error_says_is_not_said_twice(relaxing, job):
    node = job(
        300, "the engine rejected its input: frame 3: no lattice", kind="bad_input", message="frame 3: no lattice"
    )
    assert inspect(relaxing, node).message == "the job rejected its input: frame 3: no lattice"
    node = job(410, "out of memory: 8 structures", kind="out_of_memory", message="8 structures do not fit")
    assert inspect(relaxing, node).message.count("out of memory") == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({}, "because"),
        ({"kind": "crashed", "message": ""}, "because"),
        ({"kind": "crashed", "message": "two\nlines \x1b[31m"}, "two lines \\x1b[31m"),
        ({"kind": "crashed", "message": ["a", "list"]}, "['a', 'list']"),
    ],
)
def test_reasons_of_jobs(job, error, expected):
    assert reason_of(job(360, "because", **error)) == expected


def test_reasons_without_a_message(quick_computer):
    assert reason_of(ended(11)) == "exit status 11"
    node = orm.WorkChainNode()
    node.set_process_state("excepted")
    node.set_exception("Traceback …\n  File …\nKeyError: 'width'\n")
    assert reason_of(node.store()) == "KeyError: 'width'"
    killed = orm.WorkChainNode()
    killed.set_process_state("killed")
    assert "killed" in failed_with(killed.store())


def test_chunks_say_why_one_of_them_failed(dismai_code, copper):
    builder = RelaxWorkChain.get_builder_from_protocol(
        dismai_code, StructureSetData(copper()), protocol="demo", overrides={"parameters": LJ}
    )
    relax = process(RelaxWorkChain, builder)
    relax.setup()
    relax.ctx.chunk_0000 = ended(402, f"Fake<3> [360]: {CRASH}")
    relax.ctx.chunks = [(0, 1)]
    _, failure = relax.gather("structures")
    assert failure.message == f"1 of 1 chunks failed; chunk_0000: Fake<3> [360]: {CRASH}"
