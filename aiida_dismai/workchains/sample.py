"""Generate any number of structures with a trained model, in chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.orm import AbstractCode, Dict, Int, to_aiida_type

from ..data import GeneratorData
from .bounds import positive
from .checked import CheckedSpec
from .chunks import ChunkedStructuresWorkChain, fill_chunks
from .jobs import SampleChunkWorkChain


class SampleWorkChain(ChunkedStructuresWorkChain):
    """Sample ``n_structures`` from a model; structure i is the same however the work is cut."""

    _chunk_class = SampleChunkWorkChain

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare the model and what is wanted of it."""
        super().define(spec)
        spec.input("n_structures", valid_type=Int, serializer=to_aiida_type, validator=positive, help="How many.")
        spec.input("generator", valid_type=GeneratorData, help="The trained model.")
        spec.input("seed", valid_type=Int, serializer=to_aiida_type, help="Seed of the noise.")
        spec.expose_inputs(SampleChunkWorkChain, namespace="job", exclude=("generator", "seed", "parent_folder"))

    def count(self) -> int:
        """Return how many structures are wanted."""
        return int(self.inputs.n_structures.value)

    def chunk_inputs(self, start: int, stop: int) -> AttributeDict:
        """Return the inputs of a job that samples structures ``start`` to ``stop``."""
        inputs = AttributeDict(self.exposed_inputs(SampleChunkWorkChain, namespace="job"))
        inputs.generator, inputs.seed = self.inputs.generator, self.inputs.seed
        inputs.parameters = Dict(inputs.parameters.get_dict() | {"n_structures": stop - start, "first": start})
        return inputs


def fill_sample(port: Any, code: AbstractCode, inputs: Mapping[str, Any], options: Mapping[str, Any] | None) -> None:
    """Fill a builder's namespace of :class:`SampleWorkChain` from a protocol."""
    fill_chunks(port, code, inputs, options)
    port["n_structures"] = Int(inputs["n_structures"])
