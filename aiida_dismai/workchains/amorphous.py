"""Make any number of amorphous structures, in chunks: one WorkChain for each of the three ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.orm import Dict, Int, to_aiida_type

from ..calculations.amorphous import validate_carving
from ..calculations.base import validate_not_empty
from ..data import StructureSetData
from .bounds import not_negative, positive
from .checked import CheckedSpec
from .chunks import ChunkedStructuresWorkChain
from .jobs import CarveChunkWorkChain, NetworkChunkWorkChain, QuenchChunkWorkChain

#: Parameters of a job that the division into chunks gives.
GIVEN = ("n_structures", "first")


def refuse_given(node: Dict | None, _: object = None) -> str | None:
    """Refuse parameters that have an input of their own."""
    found = [name for name in GIVEN if node is not None and name in node.get_dict()]
    return f"parameters: {' and '.join(found)} have inputs of their own; leave them out" if found else None


class MakeAmorphousWorkChain(ChunkedStructuresWorkChain):
    """Make structures ``first`` to ``first + n_structures``; structure i is the same however the work is cut."""

    _chunk_size = 10

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare how many, the seed, and the job."""
        super().define(spec)
        spec.input("n_structures", valid_type=Int, serializer=to_aiida_type, validator=positive, help="How many.")
        spec.input(
            "first",
            valid_type=Int,
            serializer=to_aiida_type,
            default=lambda: Int(0),
            validator=not_negative,
            help="Index of the first structure.",
        )
        spec.input("seed", valid_type=Int, serializer=to_aiida_type, help="Seed of all random numbers.")
        spec.expose_inputs(cls._chunk_class, namespace="job", exclude=("structures", "seed", "parent_folder"))
        spec.inputs.validator = lambda inputs, _: refuse_given(inputs.get("job", {}).get("parameters"))

    def count(self) -> int:
        """Return how many structures are wanted."""
        return int(self.inputs.n_structures.value)

    def chunk_inputs(self, start: int, stop: int) -> AttributeDict:
        """Return the inputs of a job that makes structures ``start`` to ``stop``, counted from ``first``."""
        inputs = AttributeDict(self.exposed_inputs(self._chunk_class, namespace="job"))
        inputs.seed = self.inputs.seed
        chunk = {"n_structures": stop - start, "first": self.inputs.first.value + start}
        inputs.parameters = Dict(inputs.parameters.get_dict() | chunk)
        return inputs


class NetworkWorkChain(MakeAmorphousWorkChain):
    """Make continuous random networks by bond switching."""

    _chunk_class = NetworkChunkWorkChain


class QuenchWorkChain(MakeAmorphousWorkChain):
    """Quench structures from the melt by molecular dynamics."""

    _chunk_class = QuenchChunkWorkChain


def _validate_carving(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Refuse what the jobs would refuse, too."""
    job = inputs.get("job", {})
    refused = refuse_given(job.get("parameters"))
    return refused or validate_carving({**inputs, **({"parameters": job["parameters"]} if "parameters" in job else {})})


class CarveWorkChain(MakeAmorphousWorkChain):
    """Carve cells out of a large amorphous one."""

    _chunk_class = CarveChunkWorkChain

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare the large cell."""
        super().define(spec)
        spec.input(
            "structures",
            valid_type=StructureSetData,
            validator=validate_not_empty,
            help="The large periodic cell (or several) to carve from.",
        )

        spec.inputs.validator = _validate_carving

    def chunk_inputs(self, start: int, stop: int) -> AttributeDict:
        """Return the inputs of a job that carves structures ``start`` to ``stop``."""
        inputs = super().chunk_inputs(start, stop)
        inputs.structures = self.inputs.structures
        return inputs
