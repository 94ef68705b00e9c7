"""The whole line in one process: bulk crystals → data set → benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ProcessSpec, ToContext, WorkChain
from aiida.orm import AbstractCode, StructureData

from ..data import PotentialData
from .benchmark import BenchmarkWorkChain, fill_benchmark
from .dataset_interface import InterfaceDatasetWorkChain, fill_dataset
from .protocols import ProtocolMixin
from .seeds import derive_seed


class PipelineWorkChain(ProtocolMixin, WorkChain):
    """Make a data set of interfaces and benchmark a model on it."""

    _protocol_file = "pipeline.yaml"

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(InterfaceDatasetWorkChain, namespace="dataset")
        spec.expose_inputs(BenchmarkWorkChain, namespace="benchmark", exclude=("train", "validation", "potential"))
        spec.outline(cls.run_dataset, cls.run_benchmark, cls.finish)
        spec.expose_outputs(InterfaceDatasetWorkChain, namespace="dataset")
        spec.expose_outputs(BenchmarkWorkChain, namespace="benchmark", namespace_options={"required": False})
        spec.exit_code(580, "ERROR_DATASET", message="the data set could not be made: {message}")
        spec.exit_code(581, "ERROR_BENCHMARK", message="the benchmark failed: {message}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        slab_a: StructureData,
        slab_b: StructureData,
        model: str,
        seed: int,
        vasp_code: AbstractCode | None = None,
        potential: PotentialData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            slab_a: bulk crystal of the lower slab.
            slab_b: bulk crystal of the upper slab.
            model: name in the entry-point group ``dismai.generators``.
            seed: from which those of data set and benchmark come.
            vasp_code: VASP; needed where no potential is given.
            potential: takes the place of DFT and training.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``dataset``, ``benchmark``).
            options: scheduler options of the ``dismai`` jobs.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()
        dataset, benchmark = builder["dataset"], builder["benchmark"]
        dataset["slab_a"], dataset["slab_b"] = slab_a, slab_b
        dataset["seed"] = derive_seed(seed, "dataset")
        benchmark["seed"] = derive_seed(seed, "benchmark")
        fill_dataset(
            dataset,
            code,
            vasp_code,
            potential,
            InterfaceDatasetWorkChain.get_protocol_inputs(protocol, inputs["dataset"]),
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
        )
        return builder

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
            return self.exit_codes.ERROR_DATASET.format(message=node.exit_message)
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
            return self.exit_codes.ERROR_BENCHMARK.format(message=node.exit_message)
        return None
