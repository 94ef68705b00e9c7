"""The cores that a job asks the scheduler for, and those that its workers use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Number of processes, and threads of each, in the parameters of tasks that have workers.
WORKERS, THREADS = "workers", "threads"


def cores_given(resources: Mapping[str, Any]) -> int | None:
    """Return the cores that ``resources`` ask for by name; None where they leave it to the scheduler.

    Slurm, PBS and the direct scheduler know ``num_cores_per_machine`` and ``num_cores_per_mpiproc`` besides the number
    of processes, SGE and LSF only slots, ``tot_num_mpiprocs``.
    """
    machines = resources.get("num_machines", 1)
    if machines != 1 and "num_machines" in resources:
        return None  # a task runs on one machine: what is said elsewhere
    if (per_machine := resources.get("num_cores_per_machine")) is not None:
        return int(per_machine)
    processes = resources.get("num_mpiprocs_per_machine") or resources.get("tot_num_mpiprocs") or 1
    if (per_process := resources.get("num_cores_per_mpiproc")) is not None:
        return int(per_process) * int(processes)
    if "parallel_env" in resources or int(processes) > 1:
        return int(processes)
    return None


def cores_needed(parameters: Mapping[str, Any]) -> int | None:
    """Return the cores that a task's workers use; None where it has none or they adapt themselves (``auto``)."""
    workers = parameters.get(WORKERS)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        return None
    threads = parameters.get(THREADS)
    return workers * (threads if isinstance(threads, int) and threads > 0 else 1)


def refuse_mismatch(parameters: Mapping[str, Any], resources: Mapping[str, Any]) -> str | None:
    """Refuse more workers than the cores that are asked for; returns what to do."""
    needed, given = cores_needed(parameters), cores_given(resources)
    if needed is None or given is None or needed <= given:
        return None
    mend = "tot_num_mpiprocs" if "parallel_env" in resources else "num_cores_per_mpiproc"
    return (
        f"workers: {parameters[WORKERS]} need {needed} cores, and the resources ask for {given}; give "
        f"resources.{mend} = {needed}, or the parameter workers = 'auto', which uses what the job is given"
    )


def with_cores(resources: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resources with the cores that the workers use, where nothing was said of cores."""
    needed = cores_needed(parameters)
    if needed is None or needed == 1 or cores_given(resources) is not None or "num_machines" not in resources:
        return dict(resources)
    return {**resources, "num_mpiprocs_per_machine": 1, "num_cores_per_mpiproc": needed}
