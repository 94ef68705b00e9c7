"""The result file of a benchmark, made from the nodes of its models."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

from aiida.engine import ExitCode, calcfunction
from aiida.orm import Data, Dict, SinglefileData

from ...data import StructureSetData
from ...data.structures import FILE_NAME
from ...engine.errors import BadInput
from ...engine.results.make import Measured, make_result
from ...engine.results.result import RESULT
from ...engine.text import visible

#: Inputs of each model, the last two where they are known; their link labels are ``NAME_metrics`` and so on.
ROLES = ("metrics", "structures", "parameters", "training")
#: Exit status where what a benchmark found does not fit into the format.
REFUSED = 355


def file_of(structures: StructureSetData) -> bytes:
    """Return the file of a set, byte by byte as its node has it."""
    return bytes(structures.base.repository.get_object_content(FILE_NAME, mode="rb"))


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of the content of a file."""
    return hashlib.sha256(content).hexdigest()


def job_of(metrics: Any) -> Any:
    """Return the job that computed metrics.

    Raises:
        BadInput: another process, or none.
    """
    job = metrics.creator
    if job is None or not str(job.process_type).endswith(":dismai.metrics"):
        raise BadInput(
            f"{type(metrics).__name__}<{metrics.pk}> was not made by a job `dismai.metrics`; only such results can be "
            "verified"
        )
    return job


def reference_of(job: Any) -> SinglefileData:
    """Return the reference that a job of the metrics has written.

    Raises:
        BadInput: it has kept none.
    """
    if "reference" not in job.outputs:
        raise BadInput(f"{job.process_label}<{job.pk}> has kept no reference; run the metrics again")
    reference: SinglefileData = job.outputs.reference
    return reference


def nodes_of(metrics: Any, training: Any = None) -> dict[str, Any]:
    """Return the nodes of a model that its result is made from, by their roles.

    Args:
        metrics: results of a job ``dismai.metrics``.
        training: results of the training, None where they are not known.

    Raises:
        BadInput: metrics that no such job has made.
    """
    given = job_of(metrics).inputs
    found = {"metrics": metrics, "structures": given.structures}
    if "parameters" in given:
        found["parameters"] = given.parameters
    return found if training is None else found | {"training": training}


def measured_of(name: str, nodes: Mapping[str, Any]) -> Measured:
    """Return what a result says of a model, from its nodes by their roles."""
    plain = {role: nodes[role].get_dict() for role in ROLES if role != "structures" and role in nodes}
    return Measured(
        name=name,
        metrics=plain["metrics"],
        parameters=plain.get("parameters", {}),
        sha256=digest_of(file_of(nodes["structures"])),
        content_hash=nodes["structures"].content_hash,
        training=plain.get("training", {}),
    )


@calcfunction
def write_result(about: Dict, reference: SinglefileData, train: StructureSetData, **parts: Data) -> Any:
    """Return ``result.json`` of a benchmark, in the format of :class:`~aiida_dismai.engine.results.result.Result`.

    Args:
        about: what the nodes do not say: ``date``, ``authors``, ``origin``, ``notes``.
        reference: records of the training set, as the metrics of the first model have written them.
        train: the training set.
        parts: of each model ``NAME_metrics``, ``NAME_structures``, ``NAME_parameters`` and ``NAME_training``, see
            :func:`nodes_of`.

    Returns:
        The file, or an exit code where what was found does not fit into the format.
    """
    names = sorted(label.removesuffix("_metrics") for label in parts if label.endswith("_metrics"))
    try:
        models = [
            measured_of(name, {role: parts[f"{name}_{role}"] for role in ROLES if f"{name}_{role}" in parts})
            for name in names
        ]
        content = reference.get_content(mode="rb")
        result = make_result(models, digest_of(content), train.content_hash, about.get_dict(), "the benchmark")
    except BadInput as error:
        return ExitCode(REFUSED, visible(error, 1000))
    return SinglefileData(io.BytesIO(result.text().encode()), filename=RESULT)
