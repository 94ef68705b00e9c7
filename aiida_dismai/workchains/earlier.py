"""What an earlier run has left: a relaunched workflow takes its results from the cache, and its checkpoints.

``aiida-dismai relaunch`` marks the process that it submits. Every restarting WorkChain below it looks for the jobs of
the earlier run that had the same task, inputs, seed and parameters. From one that did not finish, it resumes; one that
did is found by AiiDA's caching, for which the next job needs the same ``parent_folder``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common.exceptions import NotExistent
from aiida.common.links import LinkType
from aiida.orm import CalcJobNode, Computer, Data, Int, ProcessNode, QueryBuilder, RemoteData, load_node

from ..calculations.base import TaskCalculation
from ..calculations.checkpoints import has_checkpoint
from ..engine.errors import BadInput

#: Extra of a relaunched process: UUID of the process that it does again.
RELAUNCH = "dismai_relaunch_of"
#: Where AiiDA keeps the hash of a node.
HASH = "extras._aiida_hash"
#: Earlier runs of earlier runs that are looked at.
RUNS = 10


def earlier_runs(node: ProcessNode) -> list[ProcessNode]:
    """Return the processes that the workflow of this process does again, latest first; none if it is not relaunched."""
    found: list[ProcessNode] = []
    current: Any = callers_of(node)[-1]
    while len(found) < RUNS and (uuid := current.base.extras.get(RELAUNCH, None)) is not None:
        try:
            current = load_node(uuid)
        except NotExistent:  # deleted since
            break
        found.append(current)
    return found


def callers_of(node: Any) -> list[Any]:
    """Return a process and those that called it, up to the top."""
    found = [node]
    while found[-1].caller is not None:
        found.append(found[-1].caller)
    return found


def key_of(process: type[TaskCalculation], inputs: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return what two jobs must have in common to share a checkpoint; None for inputs that are no longer valid.

    Args:
        process: class of the job.
        inputs: its nodes, by name; others than those of the task are not looked at.
    """
    task = process.task()
    try:
        read = task.validate(inputs["parameters"].get_dict() if "parameters" in inputs else {})
    except BadInput:
        return None
    decisive = read.model_dump(mode="json", exclude=set(type(read).FREE))
    seed = inputs.get("seed")
    return task.name, decisive, seed.value if isinstance(seed, Int) else None, _hashes(process, inputs)


def _hashes(process: type[TaskCalculation], inputs: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: inputs[name].base.caching.get_hash() for name in process.INPUT_PORTS if name in inputs}


def earlier_folder(
    runs: list[ProcessNode], process: type[TaskCalculation], inputs: Mapping[str, Any]
) -> RemoteData | None:
    """Return the folder from which a job resumes what an earlier run did of the same; None without any.

    Args:
        runs: from :func:`earlier_runs`.
        process: class of the job.
        inputs: of the job that is to be submitted; its code says on which computer.
    """
    wanted = key_of(process, inputs) if runs else None
    if wanted is None or inputs["code"].computer is None:
        return None
    tops = {run.pk for run in runs}
    for node in _alike(process, inputs, min(run.ctime for run in runs)).all(flat=True):
        if not node.is_terminated or tops.isdisjoint(one.pk for one in callers_of(node)):
            continue
        given = {link.link_label: link.node for link in node.base.links.get_incoming(link_type=LinkType.INPUT_CALC)}
        if key_of(process, given) != wanted:
            continue
        if node.is_finished_ok:
            return given.get("parent_folder")  # with it, the cache has the results
        if has_checkpoint(node):
            folder: RemoteData = node.outputs.remote_folder
            return folder
    return None


def _alike(process: type[TaskCalculation], inputs: Mapping[str, Any], since: Any) -> QueryBuilder:
    """Return the query of the jobs with the same files and seed on the same computer, latest first."""
    query = QueryBuilder()
    filters = {"process_type": process.build_process_type(), "ctime": {">=": since}}
    query.append(CalcJobNode, filters=filters, project="*", tag="job")
    query.append(Computer, with_node="job", filters={"id": inputs["code"].computer.pk})
    for name, value in _hashes(process, inputs).items():
        query.append(Data, with_outgoing="job", edge_filters={"label": name}, filters={HASH: value})
    if isinstance(inputs.get("seed"), Int):
        query.append(
            Int, with_outgoing="job", edge_filters={"label": "seed"}, filters={"attributes.value": inputs["seed"].value}
        )
    query.order_by({"job": {"id": "desc"}})
    return query
