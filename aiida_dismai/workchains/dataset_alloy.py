"""From a cluster expansion to the data sets of a lattice alloy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.orm import AbstractCode, Dict, Float, Int, List, to_aiida_type

from ..calculations.functions.alloys import select_snapshots
from ..calculations.functions.sets import split_structures
from ..data import ClusterExpansionData
from ..engine.alloys.monte_carlo.parameters import SampleParameters
from ..engine.alloys.monte_carlo.system import System, build_system, find_file
from ..engine.alloys.selection import SelectionParameters
from ..engine.errors import BadInput
from ..engine.parameters import validate
from ..exit_codes import DATASET_ALLOY, declare
from .bounds import positive, share_below_one
from .checked import CheckedSpec, CheckedWorkChain
from .checks import validate_job
from .ions import note_small
from .jobs import SampleAlloyWorkChain, fill_job
from .protocols import ProtocolMixin
from .protocols.names import Each, Model, Options, Task
from .reasons import reason_of
from .request import Request
from .seeds import derive_seed

#: Of the sampling, given by other ports.
GIVEN = ("temperature", "expansion")


def temperature_label(temperature: float) -> str:
    """Return the name of a temperature in names of outputs.

    Example:
        >>> temperature_label(300.0), temperature_label(77.5)
        ('T300', 'T77_5')
    """
    return f"T{temperature:.10g}".replace(".", "_").replace("+", "").replace("-", "m")


def sample_parameters(parameters: Mapping[str, Any], temperature: float) -> dict[str, Any]:
    """Return the parameters of the sampling at a temperature.

    No structures are written by the job itself, unless asked for: those of the data sets come from its snapshots.
    """
    return {"max_structures": 0} | dict(parameters) | {"temperature": temperature}


def _read_selections(selections: Mapping[str, Any]) -> dict[str, SelectionParameters]:
    """Return the checked selections.

    Raises:
        BadInput: none, a name that cannot be one of an output, or a selection that is not valid.
    """
    if not selections:
        raise BadInput("selections: name at least one, for instance {'wide': {}, 'narrow': {'width': 0.1}}")
    found = {}
    for name, values in selections.items():
        if not (name.isidentifier() and name.isascii()) or "__" in name or name[0] == "_" or name[-1] == "_":
            raise BadInput(f"selections: '{name}' becomes part of the name of an output: letters, digits and single _")
        found[name] = validate(SelectionParameters, values, f"selections: {name}")
    return found


def _check_temperatures(temperatures: list[Any]) -> None:
    if not temperatures:
        raise BadInput("temperatures: give at least one, K")
    for value in temperatures:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadInput(f"temperatures: {value!r} is not a number")
    labels = [temperature_label(value) for value in temperatures]
    if len(set(labels)) < len(labels):
        raise BadInput(f"temperatures: {', '.join(map(str, temperatures))}: each only once")


def _check(inputs: Mapping[str, Any]) -> None:
    """Refuse what would fail after the sampling, or in the middle of it.

    Raises:
        BadInput: says what.
    """
    given = inputs["parameters"].get_dict()
    for name in GIVEN:
        if name in given:
            raise BadInput(f"parameters: '{name}' has an input of its own")
    selections = _read_selections(inputs["selections"].get_dict())
    temperatures = inputs["temperatures"].get_list()
    _check_temperatures(temperatures)
    for temperature in temperatures:
        parameters = validate(SampleParameters, sample_parameters(given, temperature), "alloys.sample")
    file = inputs["expansion"].file if "expansion" in inputs else find_file(parameters)
    system: System = build_system(parameters, file)
    for name, selection in selections.items():
        try:
            selection.check(len(system.expansion.vectors), system.expansion.pair_labels())
        except BadInput as error:
            raise BadInput(f"selections: {name}: {error}") from error
    made = parameters.runs * ((parameters.passes - parameters.burn_in) // parameters.snapshot_interval)
    wanted = inputs["n_structures"].value
    if wanted > made:
        raise BadInput(
            f"n_structures: {wanted} of only {made} snapshots ({parameters.runs} runs, every "
            f"{parameters.snapshot_interval} passes from {parameters.burn_in} to {parameters.passes}): take more runs "
            "or passes"
        )
    if wanted == 1 and inputs["validation_share"].value > 0:
        raise BadInput("n_structures: a single structure cannot be split; take more, or the validation_share 0")


def validate_inputs(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Return what is wrong with the inputs, None if nothing is."""
    needed = ("parameters", "selections", "temperatures", "n_structures", "validation_share")
    if any(name not in inputs for name in needed):
        return None  # refused as missing by their ports
    try:
        _check(inputs)
    except BadInput as error:
        return str(error)
    return None


class AlloyDatasetWorkChain(ProtocolMixin, CheckedWorkChain):
    """Sample an alloy at some temperatures and choose data sets among the snapshots.

    Each temperature has one sampling, and of each sampling each selection makes one data set, split into training and
    validation sets. A data set is called by both, ``T300_narrow``.
    """

    _protocol_file = "dataset_alloy.yaml"
    _override_names = {
        "sample": Task("alloys.sample"),
        "selections": Each(lambda _: Model(lambda: SelectionParameters, null=True)),
        "options": Options(),
    }

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.expose_inputs(
            SampleAlloyWorkChain, namespace="sample", exclude=("expansion", "parameters", "seed", "parent_folder")
        )
        # that of the job looks at what is not given here
        spec.inputs["sample"].validator = validate_job
        spec.input(
            "expansion",
            valid_type=ClusterExpansionData,
            required=False,
            help="The cluster expansion; Fe–Ni–Cr as in the paper if none is given.",
        )
        spec.input("seed", valid_type=Int, serializer=to_aiida_type, help="Seed of all random numbers.")
        spec.input(
            "temperatures",
            valid_type=List,
            serializer=to_aiida_type,
            default=lambda: List([300, 1500]),
            help="Temperatures, K (300 and 1500 in the paper).",
        )
        spec.input(
            "parameters",
            valid_type=Dict,
            serializer=to_aiida_type,
            default=lambda: Dict({}),
            help="Parameters of `alloys.sample`, except `temperature` and `expansion`; the same at all temperatures.",
        )
        spec.input(
            "selections",
            valid_type=Dict,
            serializer=to_aiida_type,
            default=lambda: Dict({"wide": {}, "narrow": {"width": 0.1}}),
            help="Data sets to make at each temperature, by name: `width` of the filter (none without), `shells` [1, "
            "2], `pairs` (all), `spacing` in passes (twice the autocorrelation time), `run_deviation` 1.",
        )
        spec.input(
            "n_structures",
            valid_type=Int,
            serializer=to_aiida_type,
            validator=positive,
            default=lambda: Int(1500),
            help="Structures of each data set.",
        )
        spec.input(
            "validation_share",
            valid_type=Float,
            serializer=to_aiida_type,
            default=lambda: Float(0.2),
            validator=share_below_one,
            help="Share of the validation sets.",
        )
        spec.inputs.validator = validate_inputs
        spec.outline(cls.run_samplings, cls.inspect_samplings, cls.select, cls.finish)
        spec.output_namespace(
            "samplings",
            valid_type=Dict,
            dynamic=True,
            required=False,
            help="By temperature (`T300`): averages with errors, acceptance, autocorrelation, agreement of the runs.",
        )
        spec.output_namespace(
            "datasets",
            dynamic=True,
            required=False,
            help="By name (`T300_wide`): `dataset`, `train`, `validation` (StructureSetData), `split` and `summary` "
            "(Dict); of one that has too few structures only `summary`, and `dataset` unless it is empty.",
        )
        declare(spec, DATASET_ALLOY)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        seed: int,
        expansion: ClusterExpansionData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            seed: of all data sets.
            expansion: the coefficients; Fe–Ni–Cr as in the paper without.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol.
            options: scheduler options.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        builder, options = request.draft, request.options
        fill_job(builder.sample, code, {"options": inputs["options"]}, options)
        builder.seed = Int(seed)
        builder.temperatures = List(list(inputs["temperatures"]))
        builder.parameters = Dict(dict(inputs["sample"]))
        builder.selections = Dict({name: chosen for name, chosen in inputs["selections"].items() if chosen is not None})
        builder.n_structures = Int(inputs["n_structures"])
        builder.validation_share = Float(inputs["validation_share"])
        if expansion is not None:
            builder.expansion = expansion
        note_small(request, inputs["n_structures"], inputs["validation_share"])
        return request.finish()

    def _labels(self) -> list[str]:
        return [temperature_label(value) for value in self.inputs.temperatures.get_list()]

    def run_samplings(self) -> ToContext:
        """Sample at all temperatures."""
        jobs = {}
        for label, temperature in zip(self._labels(), self.inputs.temperatures.get_list(), strict=True):
            inputs = AttributeDict(self.exposed_inputs(SampleAlloyWorkChain, namespace="sample"))
            inputs.parameters = Dict(sample_parameters(self.inputs.parameters.get_dict(), temperature))
            inputs.seed = derive_seed(self.inputs.seed, f"sample_{label}")
            if "expansion" in self.inputs:
                inputs.expansion = self.inputs.expansion
            inputs.metadata.call_link_label = f"sample_{label}"
            jobs[f"sample_{label}"] = self.submit(SampleAlloyWorkChain, **inputs)
        return ToContext(**jobs)

    def inspect_samplings(self) -> ExitCode | None:
        """Give out the averages of those that came through; without all of them there is nothing to choose from."""
        failed = []
        for label in self._labels():
            node = self.ctx[f"sample_{label}"]
            if not node.is_finished_ok:
                failed.append(f"{label}: {reason_of(node)}")
                continue
            self.out(f"samplings.{label}", node.outputs.results)
            for warning in node.outputs.results.get_dict().get("warnings", []):
                self.report(f"{label}: {warning}")
        if failed:
            return self.exit_codes.ERROR_SAMPLING.format(
                failed=len(failed), total=len(self._labels()), message="; ".join(failed)
            )
        return None

    def select(self) -> None:
        """Choose the structures of every data set."""
        self.ctx.selected = {}
        for label, (name, values) in product(self._labels(), self.inputs.selections.get_dict().items()):
            outputs = self.ctx[f"sample_{label}"].outputs
            dataset = f"{label}_{name}"
            chosen = select_snapshots(  # type: ignore[call-arg]
                outputs.snapshots,
                outputs.traces,
                Dict(values),
                self.inputs.n_structures,
                derive_seed(self.inputs.seed, f"select_{dataset}"),
                metadata={"call_link_label": f"select_{dataset}"},
            )
            self.ctx.selected[dataset] = {"dataset": chosen["structures"], "summary": chosen["summary"]}

    def finish(self) -> ExitCode | None:
        """Split and give out the data sets."""
        few = []
        for name, nodes in self.ctx.selected.items():
            summary = nodes["summary"].get_dict()
            self.out(f"datasets.{name}.summary", nodes["summary"])
            if summary["kept"]:
                self.out(f"datasets.{name}.dataset", nodes["dataset"])
            if summary["trapped_runs"]:
                self.report(
                    f"{name}: left out {len(summary['trapped_runs'])} of {len(summary['run_energies'])} runs, whose "
                    f"energy is not that of the others: {summary['trapped_runs']}"
                )
            if summary["kept"] < summary["wanted"]:
                few.append(describe_shortage(name, summary))
                continue
            parts = split_structures(  # type: ignore[call-arg]
                nodes["dataset"],
                derive_seed(self.inputs.seed, f"split_{name}"),
                self.inputs.validation_share,
                metadata={"call_link_label": f"split_{name}"},
            )
            for part in ("train", "validation", "split"):
                self.out(f"datasets.{name}.{part}", parts[part])
        if few:
            return self.exit_codes.ERROR_TOO_FEW.format(
                failed=len(few), total=len(self.ctx.selected), message="; ".join(few)
            )
        return None


def describe_shortage(name: str, summary: Mapping[str, Any]) -> str:
    """Say how many snapshots were looked at, how near they came, and what would help."""
    width = summary["selection"]["width"]
    text = f"{name}: {summary['kept']} of {summary['wanted']} structures; {summary['looked_at']} snapshots looked at, "
    text += f"{summary['distinct']} distinct, "
    if width is not None:
        text += f"{summary['passed']} within ±{width:g} of the average order "
        text += f"(the nearest deviates by {summary['nearest_deviation']:.3g}), "
    spacing = summary["spacing_passes"]
    text += f"{summary['decorrelated']} of them "
    text += "from different runs, the energy does not change" if spacing is None else f"{spacing:.3g} passes apart"
    if summary["trapped_runs"]:
        text += f" ({len(summary['trapped_runs'])} trapped runs left out)"
    if summary["width_needed"] is not None:
        return f"{text}; the width {summary['width_needed']:.3g} would do, or more runs or passes"
    return f"{text}; take more runs or passes"
