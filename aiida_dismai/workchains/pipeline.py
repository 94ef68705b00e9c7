"""The whole line in one process: bulk crystals → data set → benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.orm import AbstractCode, StructureData

from ..data import PotentialData
from ..exit_codes import PIPELINE, declare
from .benchmark import BenchmarkWorkChain, evaluation_problems, fill_benchmark
from .checked import CheckedSpec, CheckedWorkChain
from .checks import below, elements_of
from .dataset_interface import InterfaceDatasetWorkChain, fill_dataset
from .ions import Ions, note_small
from .problems import answer
from .protocols import ProtocolMixin
from .protocols.names import Of
from .reasons import reason_of
from .request import Request
from .seeds import derive_seed


def validate_inputs(inputs: Mapping[str, Any], _: Any) -> str | None:
    """Refuse what the benchmark would refuse after the data set has been made."""
    dataset = inputs.get("dataset", {})
    elements = elements_of(dataset.get("slab_a"), dataset.get("slab_b"))
    # without a potential, that of the data set relaxes what is generated
    trained = "potential" not in dataset
    found = evaluation_problems(inputs.get("benchmark", {}), dataset.get("potential"), elements, trained)
    return answer(below("benchmark", found))


class PipelineWorkChain(ProtocolMixin, CheckedWorkChain):
    """Make a data set of interfaces and benchmark a model on it."""

    _protocol_file = "pipeline.yaml"
    _override_names = {"dataset": Of(lambda: InterfaceDatasetWorkChain), "benchmark": Of(lambda: BenchmarkWorkChain)}

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(InterfaceDatasetWorkChain, namespace="dataset")
        spec.expose_inputs(BenchmarkWorkChain, namespace="benchmark", exclude=("train", "validation", "potential"))
        spec.inputs.validator = validate_inputs
        spec.outline(cls.run_dataset, cls.run_benchmark, cls.finish)
        spec.expose_outputs(InterfaceDatasetWorkChain, namespace="dataset")
        spec.expose_outputs(BenchmarkWorkChain, namespace="benchmark", namespace_options={"required": False})
        declare(spec, PIPELINE)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        slab_a: StructureData,
        slab_b: StructureData,
        model: str,
        seed: int,
        dft_code: AbstractCode | None = None,
        potential: PotentialData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        oxidation_states: Mapping[str, float] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            slab_a: bulk crystal of the lower slab.
            slab_b: bulk crystal of the upper slab.
            model: name in the entry-point group ``dismai.generators``.
            seed: from which those of data set and benchmark come.
            dft_code: a DFT code; needed where no potential is given.
            potential: takes the place of DFT and training.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``dataset``, ``benchmark``).
            options: scheduler options of the ``dismai`` jobs.
            oxidation_states: as for :class:`~.evaluate.EvaluateWorkChain`, where they are guessed from the crystals.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        wanted = InterfaceDatasetWorkChain.get_protocol_inputs(protocol, inputs["dataset"])
        note_small(request, wanted["n_structures"], wanted["validation_share"])
        builder, options = request.draft, request.options
        dataset, benchmark = builder["dataset"], builder["benchmark"]
        dataset["slab_a"], dataset["slab_b"] = slab_a, slab_b
        dataset["seed"] = derive_seed(seed, "dataset")
        benchmark["seed"] = derive_seed(seed, "benchmark")
        fill_dataset(
            dataset,
            code,
            dft_code,
            potential,
            wanted,
            protocol,
            options,
        )
        fill_benchmark(
            benchmark,
            code,
            model,
            BenchmarkWorkChain.get_protocol_inputs(protocol, inputs["benchmark"]),
            None,
            potential,
            protocol,
            options,
            Ions(request, oxidation_states, (slab_a, slab_b)),
        )
        return request.finish()

    def run_dataset(self) -> ToContext:
        """Make the data set."""
        inputs = AttributeDict(self.exposed_inputs(InterfaceDatasetWorkChain, namespace="dataset"))
        inputs.metadata.call_link_label = "dataset"
        return ToContext(dataset=self.submit(InterfaceDatasetWorkChain, **inputs))

    def run_benchmark(self) -> ExitCode | ToContext:
        """Benchmark the model on it."""
        node = self.ctx.dataset
        self.out_many(self.exposed_outputs(node, InterfaceDatasetWorkChain, namespace="dataset"))
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_DATASET.format(message=reason_of(node))
        inputs = AttributeDict(self.exposed_inputs(BenchmarkWorkChain, namespace="benchmark"))
        inputs.train, inputs.validation = node.outputs.train, node.outputs.validation
        given = self.inputs.dataset.get("potential")
        inputs.potential = node.outputs.potential if given is None else given
        inputs.metadata.call_link_label = "benchmark"
        return ToContext(benchmark=self.submit(BenchmarkWorkChain, **inputs))

    def finish(self) -> ExitCode | None:
        """Give out the result."""
        node = self.ctx.benchmark
        self.out_many(self.exposed_outputs(node, BenchmarkWorkChain, namespace="benchmark"))
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_BENCHMARK.format(message=reason_of(node))
        return None
