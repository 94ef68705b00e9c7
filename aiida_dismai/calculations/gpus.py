"""GPUs of a job: asked for by a number, in the words of the scheduler, by the jobs that can use one.

AiiDA knows no GPUs. The scheduler options of our WorkChains have ``gpus`` besides AiiDA's own names; what becomes of it
is decided job by job: a task whose parameters have a ``device`` may use a GPU, the others would keep it from others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.errors import BadInput

#: The option, and the parameter of the tasks that may use a GPU.
GPUS, DEVICE = "gpus", "device"
#: Line of a job script that asks for GPUs, by AiiDA's name of the scheduler. PBS and Torque have it in the line of the
#: resources, which AiiDA writes itself.
LINES = {
    "core.slurm": "#SBATCH --gres=gpu:{n}",
    "core.lsf": '#BSUB -gpu "num={n}"',
    "core.sge": "#$ -l gpu={n}",
}
COMMANDS = "custom_scheduler_commands"


def gpu_line(number: int, code: Any) -> str:
    """Return the line of a job script that asks for GPUs on the computer of a code.

    Raises:
        BadInput: its scheduler has no such line; says what to set instead.
    """
    computer = getattr(code, "computer", None)
    if computer is None:
        raise BadInput("gpus: the code has no computer whose scheduler could be asked for GPUs")
    scheduler = computer.scheduler_type
    if scheduler in LINES:
        return LINES[scheduler].format(n=number)
    if scheduler == "core.direct":
        raise BadInput(
            f"gpus: '{computer.label}' has no scheduler (core.direct) that could be asked for GPUs; leave it out: "
            "jobs take the GPU that they find, and `prepend_text: export CUDA_VISIBLE_DEVICES=0` in the file of "
            "--options chooses one"
        )
    raise BadInput(
        f"gpus: not known how the scheduler of '{computer.label}' ({scheduler}) is asked for GPUs; give its line as "
        f"{COMMANDS} in the file of --options"
    )


def gpu_problem(options: Mapping[str, Any], code: Any = None) -> str | None:
    """Return what is wrong with the number of GPUs in scheduler options; None if nothing is.

    Args:
        options: of a WorkChain.
        code: on whose computer the jobs run, None where that is not known.
    """
    number = options.get(GPUS)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        return f"must be a whole number, 1 or more (given: {number!r})"
    try:
        if code is not None:
            gpu_line(number, code)
    except BadInput as error:
        return str(error).removeprefix(f"{GPUS}: ")
    return None


def with_gpus(options: Mapping[str, Any], parameters: Mapping[str, Any], code: Any) -> dict[str, Any]:
    """Return the options of a job as AiiDA knows them: its own lines for the scheduler, and that for the GPUs.

    Args:
        options: of the WorkChain.
        parameters: of the task, defaults included.
        code: of the job.
    """
    known = dict(options)
    number = known.pop(GPUS, None)
    if number is None or parameters.get(DEVICE, "cpu") == "cpu":
        return known
    lines = [str(known.get(COMMANDS) or ""), gpu_line(number, code)]
    return known | {COMMANDS: "\n".join(line for line in lines if line)}
