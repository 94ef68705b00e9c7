"""Train a generative model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict, Int

from ..calculations.generators import TrainGeneratorCalculation
from ..data import StructureSetData
from ..engine.generators.registry import find, parameter_model, registered
from .ions import note_few
from .jobs import fill_job
from .protocols import ProtocolMixin, merge
from .protocols.names import Each, Model, Names, Part, job
from .request import Request
from .restart import RestartTaskWorkChain


def _of_model(name: str) -> Part:
    """Return what overrides may say of a model."""
    return Names(job("generator.train") | {"hyperparameters": Model(lambda: parameter_model(find(name)))})


class GeneratorWorkChain(ProtocolMixin, RestartTaskWorkChain):
    """Train a model, with restarts at the wall time and handlers for memory and divergence."""

    _process_class = TrainGeneratorCalculation
    _memory_parameter = "hyperparameters.batch_size"
    _rate_parameter = "hyperparameters.learning_rate"
    _protocol_file = "generator.yaml"
    _override_names = job("generator.train") | {"models": Each(_of_model, registered)}

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        model: str,
        seed: int,
        validation: StructureSetData | None = None,
        kind: str | None = None,
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
            kind: family of the structures; the protocol has hyper-parameters for some.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``models``, ``options``).
            options: scheduler options.

        Raises:
            BadInput: no such model, and whatever else is wrong.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides, kind)
        builder = request.draft
        fill_generator(builder, code, model, inputs, request.options)
        note_few(request, structures)
        builder.structures = structures
        if validation is not None:
            builder.validation = validation
        builder.seed = Int(seed)
        return request.finish()


def fill_generator(
    port: Any, code: AbstractCode, model: str, inputs: Mapping[str, Any], options: Mapping[str, Any] | None
) -> None:
    """Fill a builder's namespace of :class:`GeneratorWorkChain`; a model without an entry gets its own defaults."""
    entry = merge(inputs, inputs["models"].get(model, {}))
    parameters = merge(entry["parameters"], {"model": model, "hyperparameters": entry.get("hyperparameters", {})})
    fill_job(port, code, {"options": entry["options"]}, options)
    port["parameters"] = Dict(parameters)
