"""Every exit code of the package: number, label, message, and what to do about it.

The one table: the processes declare their exit codes from it, ``docs/reference/exit_codes.md`` is made from it. Code
names an exit code by its label (``RelaxCalculation.exit_codes.ERROR_OUT_OF_MEMORY``), never by its number.

Ranges: 300–349 input rejected, 350–399 output missing or unreadable, or a crash, 400–449 can be resumed or tried again,
450–499 the science failed, 500–599 workflows. Lower numbers, and 301, 302, 401 and 402 of WorkChains, are AiiDA's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_STEP = "See the step named in the message; `aiida-dismai status PK` shows the failed processes. "


class Code(NamedTuple):
    """One exit code.

    Attributes:
        status: the number.
        label: the name in code.
        message: may have fields in braces.
        remedy: what a person does about it.
    """

    status: int
    label: str
    message: str
    remedy: str


#: Of every CalcJob; the kind of the error in ``results.json`` chooses one (``parsers/base.py``).
JOB = (
    Code(
        300,
        "ERROR_INPUT_REFUSED",
        "the engine rejected its input: {message}",
        "Correct the input or parameter that the message names. It also appears where a checkpoint belongs to another "
        "run.",
    ),
    Code(
        310,
        "ERROR_WEIGHTS_REFUSED",
        "the weights cannot be used: {message}",
        "Give the whole folder of a trained potential or model; a folder of a newer version needs a newer dismai on "
        "that computer.",
    ),
    Code(
        350,
        "ERROR_NO_RETRIEVED_TEMPORARY_FOLDER",
        "the folder of retrieved files is missing",
        "The parser was run by hand without the files of the job; run the job again.",
    ),
    Code(
        351,
        "ERROR_RESULTS_MISSING",
        "no results.json: the code did not start or is not a `dismai` ({message})",
        "Read `dismai.err` and the scheduler's output (`verdi calcjob outputcat PK dismai.err`, `verdi process report "
        "PK`); test the code with `verdi code test`.",
    ),
    Code(
        352,
        "ERROR_RESULTS_UNREADABLE",
        "results.json is not what a task writes: {message}",
        "The disk was full, or the code is not a `dismai`; run the job again.",
    ),
    Code(
        353,
        "ERROR_OUTPUT_MISSING",
        "the task finished without writing {name}",
        "The versions of aiida-dismai here and on that computer differ, or the file was deleted.",
    ),
    Code(
        354,
        "ERROR_OUTPUT_UNREADABLE",
        "{name} cannot be read: {message}",
        "The file is damaged or larger than allowed; run the job again.",
    ),
    Code(
        360,
        "ERROR_CRASHED",
        "the engine crashed: {message}",
        "A bug or a broken installation: the traceback is in the report of the process and in `results.json`.",
    ),
    Code(
        400,
        "ERROR_UNFINISHED",
        "stopped before the wall time with a checkpoint: {message}",
        "For a job submitted by itself: submit it again with `parent_folder`.",
    ),
    Code(
        410,
        "ERROR_OUT_OF_MEMORY",
        "out of memory: {message}",
        "For a job submitted by itself: a smaller batch, smaller chunks, or more memory.",
    ),
    Code(
        420,
        "ERROR_KILLED",
        "the job was killed while it ran: {message}",
        "A kill without a word of the scheduler is most often that of a node whose memory was full: ask for more, or "
        "for smaller batches. For a job submitted by itself: submit it again with `parent_folder`.",
    ),
    Code(
        421,
        "ERROR_CANCELLED",
        "the job was cancelled by somebody: {message}",
        "Ask who did it, the administrator or `scancel`, `qdel`, `bkill`. For a job submitted by itself: submit it "
        "again with `parent_folder`.",
    ),
    Code(
        422,
        "ERROR_PREEMPTED",
        "the job had to make room for others: {message}",
        "For a job submitted by itself: submit it again with `parent_folder`.",
    ),
    Code(
        430,
        "ERROR_DISK_FULL",
        "the disk of the job is full: {message}",
        "Free space, or raise the quota, where the work directory of the computer is. For a job submitted by itself: "
        "submit it again with `parent_folder`.",
    ),
    Code(
        450,
        "ERROR_DIVERGED",
        "the numbers diverged: {message}",
        "For a job submitted by itself: a lower learning rate, or look for wrong structures in the training set.",
    ),
    Code(
        460,
        "ERROR_NOTHING_LEFT",
        "the task ran but gave no result: {message}",
        "Every structure was rejected or not finite: train longer, or relax the limits that the message names.",
    ),
)

#: Of every WorkChain.
STEP = (
    Code(
        504,
        "ERROR_STEP_REFUSED",
        "the inputs of a step were rejected: {message}",
        "What can be checked is checked at submission, which then fails without a process: a family of "
        "potentials that is missing, an element without potential, a wrong setting. This code is for what changed or "
        "was made since: a family deleted while the workflow ran, a structure from a step before that the next one "
        "does not take.",
    ),
)

#: Of every WorkChain that runs one CalcJob from checkpoint to checkpoint.
RESTART = (
    Code(
        500,
        "ERROR_INPUT",
        "the job rejected its input: {message}",
        "Correct the input or parameter that the message names.",
    ),
    Code(
        501,
        "ERROR_MEMORY",
        "out of memory even with the smallest batch: {message}",
        "Ask for more memory in `options`, give smaller chunks, or use a smaller model.",
    ),
    Code(
        502,
        "ERROR_DIVERGED",
        "diverged again with half the learning rate: {message}",
        "Lower the learning rate further, or look for wrong structures or labels in the training set.",
    ),
    Code(
        503,
        "ERROR_NO_PROGRESS",
        "no progress within a whole wall time: {message}",
        "Raise `max_wallclock_seconds`: one step takes longer than a job may run.",
    ),
    Code(
        505,
        "ERROR_DISK_FULL",
        "the disk of the jobs is full, also for the job after: {message}",
        "Free space, or raise the quota, where the work directory of the computer is, then `aiida-dismai relaunch PK`.",
    ),
)

LABEL = (
    Code(
        510,
        "ERROR_NOTHING_LABELLED",
        "no usable ionic step from {total} structures",
        "The output `failed` has the reason for each structure; usually wrong settings of the DFT code.",
    ),
    Code(
        511,
        "ERROR_TOO_MANY_FAILED",
        "{failed} of {total} structures failed; see `failed`",
        "The labels of the others are there. Correct what `failed` lists, or raise `max_failed_fraction`.",
    ),
)

LABEL_STRUCTURE = (
    Code(
        515,
        "ERROR_STAGE_1_FAILED",
        "stage 1 failed: {reason}",
        "See the process of the DFT code that the message names; ionic steps that are labels are kept.",
    ),
    Code(
        516,
        "ERROR_STAGE_2_FAILED",
        "stage 2 failed: {reason}",
        "See the process of the DFT code that the message names; ionic steps that are labels are kept.",
    ),
    Code(
        517,
        "ERROR_NO_LABELS",
        "both stages ended, but no ionic step can be used as a label: {reason}",
        "The message counts why steps were dropped, for instance electrons that did not converge: raise the number "
        "of electronic steps.",
    ),
)

BULK = (
    Code(
        518,
        "ERROR_CRYSTAL",
        "the crystal was not relaxed: {reason}",
        "See the process that the message names; what it computed is in the outputs.",
    ),
)

CHUNKS = (
    Code(
        520,
        "ERROR_CHUNKS_FAILED",
        "{failed} of {total} chunks failed; {message}",
        "The structures of the other chunks are in the outputs. " + _STEP,
    ),
)

METRICS = (Code(530, "ERROR_METRICS", "the comparison failed: {message}", _STEP),)

EVALUATE = (
    Code(540, "ERROR_POSTPROCESS", "post-processing failed: {message}", _STEP),
    Code(541, "ERROR_RELAX", "relaxation failed: {message}", _STEP),
    Code(542, "ERROR_METRICS", "the metrics failed: {message}", _STEP),
)

POTENTIAL = (
    Code(550, "ERROR_TRAINING", "training failed: {message}", _STEP),
    Code(
        551,
        "ERROR_CHECK",
        "the potential was trained, but its check against DFT failed: {message}",
        "The potential is in the outputs, and workflows continue with it. " + _STEP,
    ),
)

DATASET_INTERFACE = (
    Code(560, "ERROR_BUILD", "the interfaces could not be built: {message}", _STEP),
    Code(561, "ERROR_LABEL", "the DFT relaxations failed: {message}", _STEP),
    Code(562, "ERROR_POTENTIAL", "the potential could not be trained: {message}", _STEP),
    Code(563, "ERROR_RELAX", "the candidates could not be relaxed: {message}", _STEP),
    Code(
        564,
        "ERROR_TOO_FEW",
        "{found} of {wanted} structures after {looked_at} candidates, of which {converged} converged: "
        "raise max_rounds, the number of candidates, the steps of the relaxation or the window",
        "What was found is in the outputs. Do what the message says.",
    ),
)

BENCHMARK = (
    Code(571, "ERROR_ALL_MODELS_FAILED", "all {total} models failed: {message}", _STEP),
    Code(
        572,
        "ERROR_SOME_MODELS_FAILED",
        "{failed} of {total} models failed, the outputs are those of the others: {message}",
        "The summary is of the models that are left. " + _STEP,
    ),
)

PIPELINE = (
    Code(580, "ERROR_DATASET", "the data set could not be made: {message}", _STEP),
    Code(
        581,
        "ERROR_BENCHMARK",
        "the benchmark failed: {message}",
        "The data set is in the outputs: submit the benchmark with it by itself. " + _STEP,
    ),
)

STUDY = (
    Code(585, "ERROR_ALL_BENCHMARKS_FAILED", "all {total} benchmarks failed: {message}", _STEP),
    Code(
        586,
        "ERROR_SOME_BENCHMARKS_FAILED",
        "{failed} of {total} benchmarks failed, the table is of the others: {message}",
        "The table has the reason of each. Submit the study again with those that are there as `finished`. " + _STEP,
    ),
)

COMPARE = (
    Code(587, "ERROR_RELAX", "the structures could not be relaxed: {message}", _STEP),
    Code(588, "ERROR_LABEL", "the DFT relaxations failed: {message}", _STEP),
    Code(
        589,
        "ERROR_NOTHING_SELECTED",
        "no structure is left of {names}: {message}",
        "None converged, or all are on the other side of the interface energy: relax longer, give more structures, or "
        "compare without `select_by_energy`.",
    ),
    Code(599, "ERROR_COMPARE", "the comparison failed: {message}", _STEP),
)

DATASET_ALLOY = (
    Code(590, "ERROR_SAMPLING", "{failed} of {total} samplings failed: {message}", _STEP),
    Code(
        591,
        "ERROR_TOO_FEW",
        "{failed} of {total} data sets have too few structures: {message}",
        "The data sets with enough structures are in the outputs. Sample more passes or runs, or widen the filter.",
    ),
)

DATASET_AMORPHOUS = (
    Code(595, "ERROR_MAKE", "making the structures failed: {message}", _STEP),
    Code(596, "ERROR_RELAX", "the relaxation failed: {message}", _STEP),
    Code(597, "ERROR_MEASURE", "the measures failed: {message}", _STEP),
    Code(
        598,
        "ERROR_TOO_FEW",
        "{found} of {wanted} structures after {looked_at} candidates ({why}); allow more rounds, or loosen the gate",
        "What was accepted is in the outputs. Do what the message says.",
    ),
)

#: All that our processes declare.
EXIT_CODES: tuple[Code, ...] = (
    *JOB, *STEP, *RESTART, *LABEL, *LABEL_STRUCTURE, *BULK, *CHUNKS, *METRICS, *EVALUATE, *POTENTIAL,
    *DATASET_INTERFACE, *BENCHMARK, *PIPELINE, *STUDY, *COMPARE, *DATASET_ALLOY, *DATASET_AMORPHOUS,
)  # fmt: skip

#: What to do about those that AiiDA gives CalcJobs and BaseRestartWorkChain, by label.
OF_AIIDA = {
    "ERROR_NO_RETRIEVED_FOLDER": "No file came back from the computer; test it with `verdi computer test`.",
    "ERROR_SCHEDULER_OUT_OF_MEMORY": "As `ERROR_OUT_OF_MEMORY`.",
    "ERROR_SCHEDULER_OUT_OF_WALLTIME": "As `ERROR_UNFINISHED`.",
    "ERROR_SCHEDULER_INVALID_ACCOUNT": "Correct `account` in the scheduler options.",
    "ERROR_SCHEDULER_NODE_FAILURE": "For a job submitted by itself: submit it again with `parent_folder`.",
    "STOPPED_BY_MONITOR": "A monitor stopped the job; the message says which and why (docs/howto/monitors.md).",
    "ERROR_STASHING_FAILED": "Correct the `stash` options of the job.",
    "ERROR_SUB_PROCESS_EXCEPTED": "A job raised in AiiDA itself: `verdi process report PK`.",
    "ERROR_SUB_PROCESS_KILLED": "Somebody killed the job with `verdi process kill`: `aiida-dismai relaunch PK`.",
    "ERROR_MAXIMUM_ITERATIONS_EXCEEDED": "The jobs fail or are killed again and again; see their reports, then raise "
    "`max_iterations`, and `aiida-dismai relaunch PK`.",
    "ERROR_UNHANDLED_FAILURE": "No handler knows what to do; the message has the job's exit code and reason.",
}


def declare(spec: Any, codes: tuple[Code, ...]) -> None:
    """Declare exit codes in the specification of a process."""
    for code in codes:
        # a result that another run may not repeat, or that was never right, must not be taken from the cache
        spec.exit_code(code.status, code.label, message=code.message, invalidates_cache=code.status < 450)
