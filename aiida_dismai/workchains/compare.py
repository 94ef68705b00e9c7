"""Compare the interface regions of generated, training and random structures (section 2.6 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.orm import AbstractCode, ArrayData, Bool, Dict, Float, to_aiida_type

from ..calculations.base import validate_not_empty
from ..calculations.functions.selection import select_by_interface_energy
from ..data import PotentialData, StructureSetData
from ..dft import engine_for
from ..engine.comparison.parameters import NO_REGIONS, REGION
from ..exit_codes import COMPARE, declare
from .bounds import not_negative
from .checked import CheckedSpec, CheckedWorkChain, if_
from .checks import elements_of, potential_problems
from .chunks import fill_chunks
from .jobs import CompareJobWorkChain, fill_job
from .label import LabelWorkChain
from .label_inputs import fill_label_many
from .problems import Problem, answer
from .protocols import ProtocolMixin, merge
from .protocols.names import Names, Of, job
from .reasons import reason_of
from .relax import RelaxWorkChain, relax_inputs
from .request import Request

#: The sets, in the order of the results.
SETS = ("reference", "structures", "other")


def validate_inputs(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Refuse sets without regions, and elements that the potential does not know."""
    found = []
    for name in SETS:
        node = inputs.get(name)
        if node is None:
            continue
        if REGION not in node.property_names:
            found.append(Problem(name, NO_REGIONS))
        for problem in potential_problems(inputs.get("potential"), elements_of(node)):
            found.append(problem.below(name))
    relaxed = "relax" in inputs or "label" in inputs
    if inputs.get("select_by_energy") and not relaxed:
        lacking = [
            name for name in SETS if name in inputs and not {"energy", "converged"} <= set(inputs[name].property_names)
        ]
        text = "the structures have no 'energy' and 'converged' to select by; give a potential, or relaxed structures"
        found += [Problem(name, text) for name in lacking]
    return answer(found)


class CompareWorkChain(ProtocolMixin, CheckedWorkChain):
    """Relax sets of interfaces alike, choose by interface energy, and compare the regions of the interface."""

    _protocol_file = "compare.yaml"
    _override_names = {
        "relax": Of(lambda: RelaxWorkChain),
        "label": Of(lambda: LabelWorkChain),
        "compare": Names(job("compare")),
    }

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        for name, required, text in (
            ("reference", True, "Training structures, with regions."),
            ("structures", True, "Structures to compare with them, such as generated ones."),
            ("other", False, "Another set to compare with them, such as random structures."),
        ):
            spec.input(name, valid_type=StructureSetData, required=required, validator=validate_not_empty, help=text)
        spec.input("potential", valid_type=PotentialData, required=False, help="For the calculator 'm3gnet'.")
        spec.input(
            "select_by_energy",
            valid_type=Bool,
            serializer=to_aiida_type,
            default=lambda: Bool(False),
            help="Compare only `structures` with an interface energy of at most zero, and only those of `other` above; "
            "zero is the lowest training structure plus `window`.",
        )
        spec.input(
            "window",
            valid_type=Float,
            serializer=to_aiida_type,
            validator=not_negative,
            default=lambda: Float(0.4),
            help="Interface energy of zero above the lowest training structure, J/m².",
        )
        optional = {"required": False, "populate_defaults": False}
        spec.expose_inputs(
            RelaxWorkChain,
            namespace="relax",
            exclude=("structures", "potential"),
            namespace_options={**optional, "help": "How all sets are relaxed first; without it, they are as given."},
        )
        spec.expose_inputs(
            LabelWorkChain,
            namespace="label",
            exclude=("structures",),
            namespace_options={**optional, "help": "DFT with which all sets are relaxed then."},
        )
        spec.expose_inputs(CompareJobWorkChain, namespace="compare", exclude=(*SETS, "parent_folder"))
        spec.inputs.validator = validate_inputs
        spec.outline(
            cls.setup,
            if_(cls.is_relaxed)(cls.run_relax, cls.inspect_relax),
            if_(cls.has_dft)(cls.run_label, cls.inspect_label),
            cls.give_out,
            if_(cls.is_selected)(cls.select),
            cls.run_compare,
            cls.finish,
        )
        spec.output("results", valid_type=Dict, help="Distances, similarities, motif shares and bonds, set by set.")
        spec.output("comparison", valid_type=ArrayData, help="Average fingerprints and radial distributions.")
        for name, text in (("relaxed", "relaxed"), ("selected", "chosen by interface energy")):
            spec.output_namespace(
                name, valid_type=StructureSetData, dynamic=True, required=False, help=f"The sets, {text}."
            )
        spec.output_namespace("energies", valid_type=Dict, dynamic=True, required=False, help="How many were chosen.")
        declare(spec, COMPARE)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        reference: StructureSetData,
        structures: StructureSetData,
        other: StructureSetData | None = None,
        potential: PotentialData | None = None,
        dft_code: AbstractCode | None = None,
        relax: bool = True,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            reference: training structures.
            structures: structures to compare with them, generated ones for example.
            other: another set.
            potential: with which all sets are relaxed.
            dft_code: a DFT code with which they are relaxed after that; its plugin chooses the engine.
            relax: whether the sets are relaxed at all; without it they are compared as they are.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``relax``, ``label``, ``compare``, ``window``, …).
            options: scheduler options of all ``dismai`` jobs.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        builder = request.draft
        builder.reference, builder.structures = reference, structures
        if other is not None:
            builder.other = other
        if potential is not None:
            builder.potential = potential
        builder.select_by_energy, builder.window = Bool(inputs["select_by_energy"]), Float(inputs["window"])
        if relax:
            given = relax_inputs(protocol, inputs["relax"], "interface", potential)
            fill_chunks(builder["relax"], code, given, request.options)
        if dft_code is not None:
            laid = merge(inputs["label"], {"pre_relaxed": relax})
            label = LabelWorkChain.get_protocol_inputs(protocol, laid, engine=engine_for(dft_code))
            fill_label_many(builder["label"], dft_code, label)
        fill_job(builder["compare"], code, inputs["compare"], request.options)
        return request.finish(whole=True)

    def setup(self) -> None:
        """Begin with the sets as they are."""
        self.ctx.sets = {name: self.inputs[name] for name in SETS if name in self.inputs}

    def is_relaxed(self) -> bool:
        """Whether the sets are relaxed with a potential."""
        return "relax" in self.inputs

    def has_dft(self) -> bool:
        """Whether the sets are relaxed with DFT."""
        return "label" in self.inputs

    def is_selected(self) -> bool:
        """Whether structures are chosen by interface energy."""
        return bool(self.inputs.select_by_energy.value)

    def run_relax(self) -> ToContext:
        """Relax all sets alike."""
        jobs = {}
        for name, structures in self.ctx.sets.items():
            inputs = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace="relax"))
            inputs.structures = structures
            if "potential" in self.inputs:
                inputs.potential = self.inputs.potential
            inputs.metadata.call_link_label = f"relax_{name}"
            jobs[f"relax_{name}"] = self.submit(RelaxWorkChain, **inputs)
        return ToContext(**jobs)

    def inspect_relax(self) -> ExitCode | None:
        """Go on with what was relaxed."""
        for name in self.ctx.sets:
            node = self.ctx[f"relax_{name}"]
            if not node.is_finished_ok:
                return self.exit_codes.ERROR_RELAX.format(message=f"{name}: {reason_of(node)}")
            self.ctx.sets[name] = node.outputs.structures
        return None

    def run_label(self) -> ToContext:
        """Relax all sets with DFT."""
        jobs = {}
        for name, structures in self.ctx.sets.items():
            inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace="label"))
            inputs.structures = structures
            inputs.metadata.call_link_label = f"label_{name}"
            jobs[f"label_{name}"] = self.submit(LabelWorkChain, **inputs)
        return ToContext(**jobs)

    def inspect_label(self) -> ExitCode | None:
        """Go on with what DFT has relaxed."""
        for name in self.ctx.sets:
            node = self.ctx[f"label_{name}"]
            if not node.is_finished_ok or "relaxed" not in node.outputs:
                return self.exit_codes.ERROR_LABEL.format(message=f"{name}: {reason_of(node)}")
            self.ctx.sets[name] = node.outputs.relaxed
        return None

    def give_out(self) -> None:
        """Give out what was relaxed."""
        if self.is_relaxed() or self.has_dft():
            for name, structures in self.ctx.sets.items():
                self.out(f"relaxed.{name}", structures)

    def select(self) -> ExitCode | None:
        """Choose by interface energy: low ones of what is compared, high ones of the other set."""
        reference = self.ctx.sets["reference"]
        chosen = {}
        for name, structures in self.ctx.sets.items():
            found = select_by_interface_energy(structures, reference, self.inputs.window, Bool(name != "other"))
            self.out(f"energies.{name}", found["energies"])
            self.out(f"selected.{name}", found["structures"])
            chosen[name] = found["structures"]
        if empty := [name for name, structures in chosen.items() if not len(structures)]:
            counts = {name: self.outputs["energies"][name].get_dict() for name in empty}
            message = "; ".join(f"{entry['converged']} of {entry['looked_at']} converged" for entry in counts.values())
            return self.exit_codes.ERROR_NOTHING_SELECTED.format(names=", ".join(empty), message=message)
        self.ctx.sets = chosen
        return None

    def run_compare(self) -> ToContext:
        """Compare."""
        inputs = AttributeDict(self.exposed_inputs(CompareJobWorkChain, namespace="compare"))
        inputs.update(self.ctx.sets)
        inputs.metadata.call_link_label = "compare"
        return ToContext(compare=self.submit(CompareJobWorkChain, **inputs))

    def finish(self) -> ExitCode | None:
        """Give out the comparison."""
        node = self.ctx.compare
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_COMPARE.format(message=reason_of(node))
        self.out("results", node.outputs.results)
        self.out("comparison", node.outputs.comparison)
        return None
