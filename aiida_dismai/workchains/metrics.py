"""Metrics of any number of structures: described chunk by chunk, compared in one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext
from aiida.orm import Dict, FolderData, Int, SinglefileData

from ..calculations.base import validate_not_empty
from ..calculations.functions.records import merge_records
from ..calculations.functions.sets import slice_structures
from ..data import StructureSetData
from ..engine.families.parameters import DescribeParameters
from ..exit_codes import METRICS, declare
from .checked import CheckedSpec, if_, while_
from .checks import below, composition_problems, elements_of, family_of, ion_problems
from .chunks import ChunkedWorkChain, chunk_bounds
from .jobs import DescribeChunkWorkChain, MetricsJobWorkChain
from .problems import answer
from .reasons import reason_of

#: Ports with structures.
SETS = ("structures", "reference", "validation")


def validate_inputs(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Refuse elements without oxidation states, and sets of several compositions."""
    parameters = inputs.get("job", {}).get("parameters")
    if parameters is None or "reference" not in port:
        return None  # refused as missing by its port; or exposed by a WorkChain that checks
    reference, structures = inputs.get("reference"), inputs.get("structures")
    elements = elements_of(reference if isinstance(reference, StructureSetData) else structures)
    found = below("job.parameters", ion_problems(parameters.get_dict(), elements))
    family = family_of(parameters.get_dict())
    if family is not None and family.same_composition:
        found += composition_problems(reference, structures)
    return answer(found)


class MetricsWorkChain(ChunkedWorkChain):
    """Compare generated structures with training structures.

    Sets larger than a chunk are described in jobs of their own. The chunks of all sets are one batch; their records are
    merged and given to the job that compares.
    """

    _chunk_class = DescribeChunkWorkChain
    _chunk_size = 250

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.input(
            "structures",
            valid_type=StructureSetData,
            help="Generated structures after post-processing and relaxation (an empty set means that all failed).",
        )
        spec.input(
            "reference",
            valid_type=(StructureSetData, SinglefileData, FolderData),
            validator=validate_not_empty,
            help="Training structures, the reference of an earlier run, or the authors' published csv files.",
        )
        spec.input(
            "validation",
            valid_type=StructureSetData,
            required=False,
            validator=validate_not_empty,
            help="Validation structures of the same data set, whose distance is shown next to the noise floor.",
        )
        spec.expose_inputs(MetricsJobWorkChain, namespace="job", exclude=(*SETS, "records", "parent_folder"))
        spec.inputs.validator = validate_inputs
        spec.outline(
            cls.setup,
            while_(cls.has_more)(cls.run_batch),
            if_(cls.has_chunks)(cls.merge),
            cls.run_metrics,
            cls.finish,
        )
        spec.expose_outputs(MetricsJobWorkChain, include=("results", "per_structure", "reference"))
        declare(spec, METRICS)

    def chunks(self) -> list[tuple[Any, ...]]:
        """Return port, first and one past the last structure of each chunk; none where no set is larger than one."""
        size = self.inputs.chunk_size.value
        found: list[tuple[Any, ...]] = []
        for name in SETS:
            node = self.inputs.get(name)
            if not isinstance(node, StructureSetData) or len(node) <= size:
                continue
            # what has not converged is not described, and a chunk without anything to describe is refused
            known = "converged" in node.property_names
            converged = node.read_property("converged").astype(bool) if known else np.ones(len(node), bool)
            found += [(name, a, b) for a, b in chunk_bounds(len(node), size) if converged[a:b].any()]
        return found

    def chunk_inputs(self, name: str, start: int, stop: int) -> AttributeDict:
        """Return the inputs of a job that describes structures ``start`` to ``stop`` of a set."""
        inputs = AttributeDict(self.exposed_inputs(MetricsJobWorkChain, namespace="job"))
        inputs.parameters = Dict(DescribeParameters.part_of(inputs.parameters.get_dict()))
        inputs.structures = slice_structures(self.inputs[name], Int(start), Int(stop))
        return inputs

    def has_chunks(self) -> bool:
        """Whether anything was described in chunks."""
        return bool(self.ctx.chunks)

    def merge(self) -> ExitCode | None:
        """Put the records of all chunks together."""
        good, failure = self.gather("records")
        if failure is None:
            self.ctx.records = next(iter(good.values())) if len(good) == 1 else merge_records(**good)
        return failure

    def run_metrics(self) -> ToContext:
        """Compare the sets; what was described already is not described again."""
        inputs = AttributeDict(self.exposed_inputs(MetricsJobWorkChain, namespace="job"))
        inputs.update({name: self.inputs[name] for name in SETS if name in self.inputs})
        if "records" in self.ctx:
            inputs.records = self.ctx.records
        inputs.metadata.call_link_label = "compare"
        return ToContext(metrics=self.submit(MetricsJobWorkChain, **inputs))

    def finish(self) -> ExitCode | None:
        """Give out the metrics."""
        node = self.ctx.metrics
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_METRICS.format(message=reason_of(node))
        self.out_many(self.exposed_outputs(node, MetricsJobWorkChain))
        return None
