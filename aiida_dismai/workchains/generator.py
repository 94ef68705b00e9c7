"""Train a generative model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict, Int

from ..calculations.generators import TrainGeneratorCalculation
from ..data import StructureSetData
from ..engine.errors import BadInput, nearest
from ..engine.metrics.parameters import Kind
from .jobs import fill_job
from .protocols import ProtocolMixin, merge
from .restart import RestartTaskWorkChain


class GeneratorWorkChain(ProtocolMixin, RestartTaskWorkChain):
    """Train a model, with restarts at the wall time and handlers for memory and divergence."""

    _process_class = TrainGeneratorCalculation
    _memory_parameter = "hyperparameters.batch_size"
    _rate_parameter = "hyperparameters.learning_rate"
    _protocol_file = "generator.yaml"

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        model: str,
        seed: int,
        validation: StructureSetData | None = None,
        kind: Kind | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            structures: training structures.
            model: name in the entry-point group ``dismai.generators``.
            seed: seed of initial weights, batches and noise.
            validation: validation structures, for models that use them.
            kind: ``interface``, ``amorphous`` or ``alloy``: the protocol has hyper-parameters of its own for some.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``models``, ``options``).
            options: scheduler options.

        Raises:
            BadInput: the protocol has nothing for this model.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides, kind)
        builder = cls.get_builder()
        fill_generator(builder, code, model, inputs, options)
        builder.structures = structures
        if validation is not None:
            builder.validation = validation
        builder.seed = Int(seed)
        return builder


def fill_generator(
    port: Any, code: AbstractCode, model: str, inputs: Mapping[str, Any], options: Mapping[str, Any] | None
) -> None:
    """Fill a builder's namespace of :class:`GeneratorWorkChain`; a model without an entry gets its own defaults."""
    from ..engine.generators.registry import registered

    if model not in inputs["models"] and model not in registered():
        raise BadInput(f"unknown model '{model}'{nearest(model, registered())}; `dismai generators` lists them")
    entry = merge(inputs, inputs["models"].get(model, {}))
    parameters = merge(entry["parameters"], {"model": model, "hyperparameters": entry.get("hyperparameters", {})})
    fill_job(port, code, {"options": entry["options"]}, options)
    port["parameters"] = Dict(parameters)
