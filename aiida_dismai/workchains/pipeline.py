"""The whole line in one process: bulk crystals → data set → benchmark.

Where it is asked for (the namespace ``bulk``), the crystals are relaxed with DFT first, so that the graph begins with
the files of the crystals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.orm import AbstractCode, StructureData

from ..data import PotentialData
from ..exit_codes import BULK, PIPELINE, declare
from .benchmark import BenchmarkWorkChain, evaluation_problems, fill_benchmark
from .bulk import BulkWorkChain, fill_bulk
from .checked import CheckedSpec, CheckedWorkChain, if_
from .checks import below, elements_of
from .dataset_interface import InterfaceDatasetWorkChain, fill_dataset
from .ions import Ions, note_small
from .label_inputs import OVERRIDE_NAMES, label_problems
from .problems import Problem, answer
from .protocols import ProtocolMixin
from .protocols.names import Like, Names, Of
from .reasons import reason_of
from .request import Request
from .seeds import derive_seed

#: The crystals, and the protocol of ``dismai.bulk`` that relaxes each where nothing else is said: the paper's two.
CRYSTALS = {"slab_a": "bulk_lco", "slab_b": "bulk_lsc"}
_OF_A_CRYSTAL = Names({**OVERRIDE_NAMES, "protocol": Like("a name")}, null=True)


def validate_inputs(inputs: Mapping[str, Any], _: Any) -> str | None:
    """Refuse what the benchmark would refuse after the data set has been made, and what a relaxation would."""
    dataset = inputs.get("dataset", {})
    elements = elements_of(dataset.get("slab_a"), dataset.get("slab_b"))
    # without a potential, that of the data set relaxes what is generated
    trained = "potential" not in dataset
    found = evaluation_problems(inputs.get("benchmark", {}), dataset.get("potential"), elements, trained)
    problems = below("benchmark", found)
    for name, of_crystal in (inputs.get("bulk") or {}).items():
        said = label_problems(of_crystal, elements_of(dataset.get(name)))
        problems += below(f"bulk.{name}", said)
    return answer(problems)


def fill_crystals(port: Any, dft_code: AbstractCode, overrides: Mapping[str, Any]) -> None:
    """Fill the namespace ``bulk``.

    Args:
        port: the namespace.
        dft_code: what relaxes the crystals.
        overrides: of each crystal, with its ``protocol``; None for one that is not to be relaxed.

    Raises:
        BadInput: no such protocol.
    """
    for name, protocol in CRYSTALS.items():
        wanted = overrides.get(name, {})
        if wanted is not None:
            of_crystal = {key: value for key, value in wanted.items() if key != "protocol"}
            fill_bulk(port[name], dft_code, wanted.get("protocol", protocol), of_crystal)


class PipelineWorkChain(ProtocolMixin, CheckedWorkChain):
    """Relax two crystals if asked for, make a data set of their interfaces and benchmark a model on it."""

    _protocol_file = "pipeline.yaml"
    _override_names = {
        "bulk": Names(dict.fromkeys(CRYSTALS, _OF_A_CRYSTAL), null=True),
        "dataset": Of(lambda: InterfaceDatasetWorkChain),
        "benchmark": Of(lambda: BenchmarkWorkChain),
    }

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        optional = {"required": False, "populate_defaults": False}
        spec.input_namespace(
            "bulk", **optional, help="Relaxation of the crystals with DFT; without it they are taken as given."
        )
        for name in CRYSTALS:
            text = f"Relaxation of {name}; without it this crystal is taken as given."
            spec.expose_inputs(
                BulkWorkChain,
                namespace=f"bulk.{name}",
                exclude=("crystal",),
                namespace_options={**optional, "help": text},
            )
        spec.expose_inputs(InterfaceDatasetWorkChain, namespace="dataset")
        spec.expose_inputs(BenchmarkWorkChain, namespace="benchmark", exclude=("train", "validation", "potential"))
        spec.inputs.validator = validate_inputs
        spec.outline(
            cls.setup,
            if_(cls.should_relax)(cls.run_bulk, cls.inspect_bulk),
            cls.run_dataset,
            cls.run_benchmark,
            cls.finish,
        )
        spec.output_namespace("bulk", required=False, help="The crystals that were relaxed.")
        for name in CRYSTALS:
            spec.expose_outputs(
                BulkWorkChain,
                namespace=f"bulk.{name}",
                namespace_options={"required": False, "help": f"Relaxation of {name}."},
            )
        spec.expose_outputs(InterfaceDatasetWorkChain, namespace="dataset")
        spec.expose_outputs(BenchmarkWorkChain, namespace="benchmark", namespace_options={"required": False})
        declare(spec, (*BULK, *PIPELINE))

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
            dft_code: a DFT code; needed where no potential is given, and for the relaxation of the crystals.
            potential: takes the place of DFT and training.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``bulk``, ``dataset``, ``benchmark``). ``bulk`` relaxes the crystals with
                DFT first: for ``slab_a`` and ``slab_b`` overrides of :class:`~.bulk.BulkWorkChain` with its
                ``protocol`` (``bulk_lco`` and ``bulk_lsc``), or null for a crystal that is not to be relaxed; ``{}``
                for both as in the paper.
            options: scheduler options of the ``dismai`` jobs.
            oxidation_states: as for :class:`~.evaluate.EvaluateWorkChain`, where they are guessed from the crystals.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        wanted = InterfaceDatasetWorkChain.get_protocol_inputs(protocol, inputs["dataset"])
        note_small(request, wanted["n_structures"], wanted["validation_share"])
        builder, options = request.draft, request.options
        if inputs["bulk"] is not None:
            if dft_code is None:
                request.problems.append(Problem("bulk", "relaxes crystals with DFT: give a DFT code, or leave it out"))
            else:
                fill_crystals(builder["bulk"], dft_code, inputs["bulk"])
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

    def setup(self) -> None:
        """Begin with the crystals as they are given."""
        self.ctx.crystals = {name: self.inputs.dataset[name] for name in CRYSTALS}

    def should_relax(self) -> bool:
        """Whether any of them is to be relaxed."""
        return bool(self.inputs.get("bulk"))

    def run_bulk(self) -> None:
        """Relax them, at the same time."""
        for name in self.inputs.bulk:
            inputs = AttributeDict(self.exposed_inputs(BulkWorkChain, namespace=f"bulk.{name}"))
            inputs.crystal = self.ctx.crystals[name]
            inputs.metadata.call_link_label = f"bulk_{name}"
            self.to_context(**{f"bulk_{name}": self.submit(BulkWorkChain, **inputs)})

    def inspect_bulk(self) -> ExitCode | None:
        """Take the relaxed crystals."""
        failed = None
        for name in self.inputs.bulk:
            node = self.ctx[f"bulk_{name}"]
            self.out_many(self.exposed_outputs(node, BulkWorkChain, namespace=f"bulk.{name}"))
            if node.is_finished_ok:
                self.ctx.crystals[name] = node.outputs.crystal
            else:
                failed = failed or self.exit_codes.ERROR_CRYSTAL.format(reason=f"{name}: {reason_of(node)}")
        return failed

    def run_dataset(self) -> ToContext:
        """Make the data set."""
        inputs = AttributeDict(self.exposed_inputs(InterfaceDatasetWorkChain, namespace="dataset"))
        inputs.update(self.ctx.crystals)
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
