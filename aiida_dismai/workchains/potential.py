"""Train a potential and, if asked, check it against DFT (Table 5 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.orm import AbstractCode, ArrayData, Dict, Float, Int, to_aiida_type

from ..calculations.base import validate_not_empty
from ..calculations.functions.selection import prepare_check
from ..calculations.potentials import validate_labelled
from ..data import PotentialData, StructureSetData
from ..dft import engine_for
from ..engine.methods import methods_of
from ..exit_codes import POTENTIAL, declare
from .bounds import not_negative
from .checked import CheckedSpec, CheckedWorkChain, if_
from .checks import below, elements_of, relaxation_problems
from .chunks import fill_chunks
from .jobs import EvaluatePotentialWorkChain, TrainPotentialWorkChain, fill_job
from .label import LabelWorkChain
from .label_inputs import fill_label_many, label_problems, methods_of_inputs, mixing_problems
from .problems import Problem, answer
from .protocols import ProtocolMixin, merge
from .protocols.names import Names, Of, job
from .reasons import reason_of
from .relax import RelaxWorkChain
from .request import Request


def check_problems(check: Mapping[str, Any], elements: Sequence[str]) -> list[Problem]:
    """Return what would fail in the check against DFT, after the training, with paths below ``check``.

    Args:
        check: the inputs of the check, empty without one.
        elements: of the structures that are trained on.
    """
    if not check:
        return []
    found = below("label", label_problems(check.get("label") or {}, elements))
    parameters = check.get("relax", {}).get("job", {}).get("parameters")
    if parameters is not None:
        found += relaxation_problems(parameters.get_dict(), None, elements, trained=True)
    return below("check", found)


def validate_inputs(inputs: Mapping[str, Any], port: Any) -> str | None:
    """Refuse before the training what the check would refuse after it."""
    if "structures" not in port:
        return None  # exposed by a WorkChain that brings the structures, and checks
    check, structures = inputs.get("check") or {}, inputs.get("structures")
    parameters = inputs.get("train", {}).get("parameters")
    methods = [] if structures is None else methods_of(structures.structures)
    mixing = mixing_problems(methods, parameters, "structures")
    if "structures" not in check:
        return answer(mixing)
    known, elements = elements_of(structures), elements_of(check["structures"])
    found = check_problems(check, elements) + mixing
    if not mixing:
        checked_with = methods_of_inputs(check.get("label") or {}, elements)
        found += mixing_problems([*methods, *checked_with], parameters, "check.label")
    if odd := sorted(set(elements) - set(known)):
        text = f"{', '.join(odd)} is not in the structures that are trained on ({', '.join(known)})"
        found.append(Problem("check.structures", text))
    for name in ("relax", "label", "evaluate", "window"):
        if name not in check:
            found.append(Problem(f"check.{name}", "is needed for the check of the structures"))
    return answer(found)


class PotentialWorkChain(ProtocolMixin, CheckedWorkChain):
    """Train M3GNet on labelled structures; relax other structures with it and check them with DFT."""

    _protocol_file = "potential.yaml"
    _override_names = {
        "train": Names(job("potential.train")),
        "check": Names(
            {
                "relax": Of(lambda: RelaxWorkChain),
                "label": Of(lambda: LabelWorkChain),
                "evaluate": Names(job("potential.evaluate")),
            }
        ),
    }

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        spec.input(
            "structures", valid_type=StructureSetData, validator=validate_labelled, help="All labelled ionic steps."
        )
        spec.input("seed", valid_type=Int, serializer=to_aiida_type, help="Seed of split, initial weights and batches.")
        spec.expose_inputs(TrainPotentialWorkChain, namespace="train", exclude=("structures", "seed", "parent_folder"))
        spec.input_namespace(
            "check",
            required=False,
            populate_defaults=False,
            help="The check against DFT; leave it out to train only.",
        )
        spec.input(
            "check.structures",
            valid_type=StructureSetData,
            required=False,
            validator=validate_not_empty,
            help="Structures not used in training: relaxed with the potential first, then with DFT.",
        )
        spec.input(
            "check.window",
            valid_type=Float,
            serializer=to_aiida_type,
            required=False,
            validator=not_negative,
            help="Interface energies up to this far above the lowest, in J/m², count as low (0.4 in the paper).",
        )
        optional = {"required": False, "populate_defaults": False}
        spec.expose_inputs(
            RelaxWorkChain,
            namespace="check.relax",
            exclude=("structures", "potential"),
            namespace_options=dict(optional),
        )
        spec.expose_inputs(
            LabelWorkChain, namespace="check.label", exclude=("structures",), namespace_options=dict(optional)
        )
        spec.expose_inputs(
            EvaluatePotentialWorkChain,
            namespace="check.evaluate",
            exclude=("structures", "potential", "relaxed", "parent_folder"),
            namespace_options=dict(optional),
        )
        spec.inputs.validator = validate_inputs
        spec.outline(
            cls.run_train,
            cls.inspect_train,
            if_(cls.wants_check)(cls.run_relax, cls.run_label, cls.run_evaluate, cls.inspect_check),
        )
        spec.output("potential", valid_type=PotentialData, help="Weights of the best epoch.")
        spec.output("results", valid_type=Dict, help="Test-set errors, epochs, timings.")
        spec.output("curves", valid_type=ArrayData, help="Losses and errors by epoch.")
        spec.output("parity", valid_type=ArrayData, help="Predicted and reference labels.")
        spec.output("check", valid_type=Dict, required=False, help="Table 5: DFT steps and energy differences.")
        spec.output(
            "check_relaxed",
            valid_type=StructureSetData,
            required=False,
            help="The structures relaxed with the potential.",
        )
        spec.output("check_labelled", valid_type=StructureSetData, required=False, help="The DFT steps after that.")
        declare(spec, POTENTIAL)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        structures: StructureSetData,
        seed: int,
        dft_code: AbstractCode | None = None,
        check_structures: StructureSetData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            structures: labelled structures.
            seed: of split, weights and batches.
            dft_code: a DFT code, for the check.
            check_structures: structures of the check; with ``dft_code`` they turn it on.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol (``train``, ``check``).
            options: scheduler options of the ``dismai`` jobs.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        builder, options = request.draft, request.options
        builder.structures = structures
        builder.seed = Int(seed)
        fill_job(builder["train"], code, inputs["train"], options)
        if check_structures is not None and dft_code is not None:
            fill_check(builder["check"], code, dft_code, inputs, protocol, options)
            builder["check"]["structures"] = check_structures
        return request.finish()

    def run_train(self) -> ToContext:
        """Train."""
        inputs = AttributeDict(self.exposed_inputs(TrainPotentialWorkChain, namespace="train"))
        inputs.structures, inputs.seed = self.inputs.structures, self.inputs.seed
        inputs.metadata.call_link_label = "train"
        return ToContext(train=self.submit(TrainPotentialWorkChain, **inputs))

    def inspect_train(self) -> ExitCode | None:
        """Give out the potential."""
        node = self.ctx.train
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_TRAINING.format(message=reason_of(node))
        for name in ("potential", "results", "curves", "parity"):
            self.out(name, node.outputs[name])
        return None

    def wants_check(self) -> bool:
        """Whether the check was asked for."""
        return "check" in self.inputs and "structures" in self.inputs.check

    def run_relax(self) -> ToContext:
        """Relax the structures of the check with the potential."""
        inputs = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace="check.relax"))
        inputs.structures = self.inputs.check.structures
        inputs.potential = self.ctx.train.outputs.potential
        inputs.metadata.call_link_label = "check_relax"
        return ToContext(relax=self.submit(RelaxWorkChain, **inputs))

    def run_label(self) -> ExitCode | ToContext:
        """Relax them further with DFT (second stage only: they are pre-relaxed)."""
        node = self.ctx.relax
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_CHECK.format(message=reason_of(node))
        self.ctx.relaxed = prepare_check(node.outputs.structures, self.inputs.check.window)
        self.out("check_relaxed", self.ctx.relaxed)
        if len(self.ctx.relaxed) == 0:
            return self.exit_codes.ERROR_CHECK.format(message="the potential could not relax one of its structures")
        inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace="check.label"))
        inputs.structures = self.ctx.relaxed
        inputs.metadata.call_link_label = "check_label"
        return ToContext(label=self.submit(LabelWorkChain, **inputs))

    def run_evaluate(self) -> ExitCode | ToContext:
        """Compare the two."""
        node = self.ctx.label
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_CHECK.format(message=reason_of(node))
        self.out("check_labelled", node.outputs.labelled)
        inputs = AttributeDict(self.exposed_inputs(EvaluatePotentialWorkChain, namespace="check.evaluate"))
        inputs.structures = node.outputs.labelled
        inputs.relaxed = self.ctx.relaxed
        inputs.potential = self.ctx.train.outputs.potential
        inputs.metadata.call_link_label = "check_evaluate"
        return ToContext(evaluate=self.submit(EvaluatePotentialWorkChain, **inputs))

    def inspect_check(self) -> ExitCode | None:
        """Give out the figures of Table 5."""
        node = self.ctx.evaluate
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_CHECK.format(message=reason_of(node))
        self.out("check", node.outputs.results)
        return None


def fill_check(
    port: Any,
    code: AbstractCode,
    dft_code: AbstractCode,
    inputs: Mapping[str, Any],
    protocol: str | None,
    options: Mapping[str, Any] | None,
) -> None:
    """Fill the namespace ``check`` (all but its structures) from the protocol of :class:`PotentialWorkChain`."""
    check = inputs["check"]
    port["window"] = Float(check["window"])
    fill_chunks(port["relax"], code, RelaxWorkChain.get_protocol_inputs(protocol, check["relax"]), options)
    overrides = merge(check["label"], {"pre_relaxed": True})
    label = LabelWorkChain.get_protocol_inputs(protocol, overrides, engine=engine_for(dft_code))
    fill_label_many(port["label"], dft_code, label)
    fill_job(port["evaluate"], code, check["evaluate"], options)
