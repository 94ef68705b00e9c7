"""From two bulk crystals to the data set of disordered interfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.orm import AbstractCode, ArrayData, Dict, Float, Int, StructureData, to_aiida_type

from ..calculations.functions.selection import select_low_energy
from ..calculations.functions.sets import concatenate_structures, split_structures
from ..calculations.interfaces import BuildInterfacesCalculation
from ..data import PotentialData, StructureSetData
from ..dft import engine_for
from ..exit_codes import DATASET_INTERFACE, declare
from .bounds import not_negative, positive, share_below_one
from .checked import CheckedSpec, CheckedWorkChain, if_, while_
from .checks import below, elements_of, potential_problems, region_problems, relaxation_problems
from .chunks import fill_chunks
from .ions import note_small
from .jobs import BuildInterfacesWorkChain, fill_job
from .label import LabelWorkChain
from .label_inputs import fill_label_many, label_problems, methods_of_inputs, mixing_problems
from .potential import PotentialWorkChain, check_problems, fill_check
from .problems import Problem, answer
from .protocols import ProtocolMixin, merge
from .protocols.names import Of, Options, Task
from .reasons import reason_of
from .relax import RelaxWorkChain
from .request import Request
from .seeds import derive_seed


def _validate(inputs: Mapping[str, Any], _: Any) -> str | None:
    """Refuse what would fail hours later."""
    lower, upper, potential = inputs.get("slab_a"), inputs.get("slab_b"), inputs.get("potential")
    elements = elements_of(lower, upper)
    found: list[Problem] = []
    if potential is None and ("training" not in inputs or "label" not in inputs or "train" not in inputs):
        text = "give a `potential`, or `training`, `label` and `train` (with a DFT code) to make one"
        found.append(Problem("", text))
    found += potential_problems(potential, elements)
    if lower is not None and upper is not None:
        default = InterfaceDatasetWorkChain._default_inputs()["interface"]
        for name in ("candidates", "training"):
            if name in inputs:
                said = region_problems(inputs[name].get_dict(), lower, upper, default)
                known = {problem.message for problem in found}
                found += [problem.below(name) for problem in said if problem.message not in known]
    relaxation = inputs.get("relax", {}).get("job", {}).get("parameters")
    if relaxation is not None:
        found += relaxation_problems(relaxation.get_dict(), potential, elements, trained=potential is None)
    if potential is None and "label" in inputs:
        found += below("label", label_problems(inputs["label"], elements))
        found += _region_moves(inputs)
    if potential is None:
        train = inputs.get("train", {})
        found += below("train", check_problems(train.get("check", {}), elements))
        found += _mixing(inputs.get("label") or {}, train, elements)
    if inputs["n_structures"].value == 1 and inputs["validation_share"].value > 0:
        found.append(
            Problem("n_structures", "a single structure cannot be split; take more, or the validation_share 0")
        )
    return answer(found)


def _mixing(label: Mapping[str, Any], train: Mapping[str, Any], elements: Sequence[str]) -> list[Problem]:
    """Return whether the potential would be checked with another method than it is trained on."""
    checked_with = methods_of_inputs(train.get("check", {}).get("label") or {}, elements)
    methods = [*methods_of_inputs(label, elements), *checked_with]
    return mixing_problems(methods, train.get("train", {}).get("parameters"), "train.check.label")


def _region_moves(inputs: Mapping[str, Any]) -> list[Problem]:
    """Return whether a stage moves the random region of structures that have none."""
    training = inputs.get("training")
    composition = {} if training is None else training.get_dict().get("region", {}).get("composition", {})
    stage = inputs["label"].get("stage_1") or {}
    moves = stage["settings"].get_dict().get("moves") if "settings" in stage else None
    if training is None or composition or moves != [0] or inputs["label"]["pre_relaxed"].value:
        return []
    text = "moves the random region (0), but its composition is empty: nothing would move; set moves to null"
    return [Problem("label.stage_1.settings.moves", text)]


class InterfaceDatasetWorkChain(ProtocolMixin, CheckedWorkChain):
    """Make a data set of low-energy disordered interfaces, and the potential for it if none is given.

    Without a potential: build interfaces → relax them with DFT in two stages → train M3GNet on all ionic
    steps. Then, in rounds: build interfaces → relax with the potential → keep those of low interface
    energy, until there are enough. The split into training and validation sets is by seed.
    """

    _protocol_file = "dataset_interface.yaml"
    _override_names = {
        **{name: Task("interfaces.build") for name in ("interface", "training", "candidates")},
        "options": Options(),
        "label": Of(lambda: LabelWorkChain),
        "potential": Of(lambda: PotentialWorkChain),
        "relax": Of(lambda: RelaxWorkChain),
    }

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        optional = {"required": False, "populate_defaults": False}
        whole = {"valid_type": Int, "serializer": to_aiida_type, "validator": positive}
        spec.input("slab_a", valid_type=StructureData, help="Bulk crystal of the lower slab, conventional cell.")
        spec.input("slab_b", valid_type=StructureData, help="Bulk crystal of the upper slab, conventional cell.")
        spec.input("seed", valid_type=Int, serializer=to_aiida_type, help="Seed of all random numbers.")
        spec.input(
            "potential",
            valid_type=PotentialData,
            required=False,
            help="A trained potential to use instead of training one.",
        )
        spec.expose_inputs(
            BuildInterfacesWorkChain,
            namespace="build",
            exclude=("slab_a", "slab_b", "seed", "parameters", "parent_folder"),
        )
        spec.input(
            "candidates",
            valid_type=Dict,
            serializer=to_aiida_type,
            validator=BuildInterfacesCalculation._validate_parameters,
            help="Parameters of `interfaces.build`: the structures of one round of candidates.",
        )
        spec.input(
            "training",
            valid_type=Dict,
            serializer=to_aiida_type,
            required=False,
            validator=lambda node, port: node and BuildInterfacesCalculation._validate_parameters(node, port),
            help="Parameters of `interfaces.build`: structures to relax with DFT to train the potential.",
        )
        spec.input(
            "n_check",
            valid_type=Int,
            serializer=to_aiida_type,
            required=False,
            validator=not_negative,
            help="Interfaces for the check of the potential against DFT (Table 5); none by default.",
        )
        spec.expose_inputs(LabelWorkChain, namespace="label", exclude=("structures",), namespace_options=dict(optional))
        spec.expose_inputs(
            PotentialWorkChain, namespace="train", exclude=("structures", "seed"), namespace_options=dict(optional)
        )
        spec.expose_inputs(RelaxWorkChain, namespace="relax", exclude=("structures", "potential"))
        spec.input("n_structures", **whole, help="Structures of the data set.")
        spec.input("max_rounds", **whole, default=lambda: Int(10), help="Maximum number of rounds of candidates.")
        spec.input(
            "window",
            valid_type=Float,
            serializer=to_aiida_type,
            default=lambda: Float(0.4),
            validator=not_negative,
            help="Upper bound of a low interface energy, in J/m² above the lowest.",
        )
        spec.input(
            "validation_share",
            valid_type=Float,
            serializer=to_aiida_type,
            default=lambda: Float(0.2),
            validator=share_below_one,
            help="Share of the validation set.",
        )
        spec.inputs.validator = _validate
        spec.outline(
            cls.setup,
            if_(cls.needs_potential)(
                cls.build_training,
                cls.run_label,
                cls.run_potential,
                cls.inspect_potential,
            ),
            while_(cls.needs_more)(cls.build_candidates, cls.run_relax, cls.select),
            cls.finish,
        )
        spec.output("dataset", valid_type=StructureSetData, help="The data set.")
        spec.output("train", valid_type=StructureSetData, help="Its training set.")
        spec.output("validation", valid_type=StructureSetData, help="Its validation set.")
        spec.output("split", valid_type=Dict, help="Seed and indices of the split.")
        spec.output("energies", valid_type=Dict, help="E_cut, counts and interface energies of all candidates.")
        spec.output("candidates", valid_type=StructureSetData, help="All relaxed candidates, failed ones too.")
        spec.output("potential", valid_type=PotentialData, required=False, help="The potential that was trained.")
        spec.output("potential_results", valid_type=Dict, required=False, help="Its test-set errors.")
        spec.output("potential_curves", valid_type=ArrayData, required=False, help="Its learning curves.")
        spec.output("potential_parity", valid_type=ArrayData, required=False, help="Its parity data.")
        spec.output("potential_check", valid_type=Dict, required=False, help="Its check against DFT (Table 5).")
        spec.output("labelled", valid_type=StructureSetData, required=False, help="All ionic steps of DFT.")
        spec.output("label_summary", valid_type=Dict, required=False, help="DFT relaxations that failed, and why.")
        declare(spec, DATASET_INTERFACE)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        slab_a: StructureData,
        slab_b: StructureData,
        seed: int,
        dft_code: AbstractCode | None = None,
        potential: PotentialData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            slab_a: bulk crystal of the lower slab (LiCoO2 in the paper).
            slab_b: bulk crystal of the upper slab (Li3ScCl6 in the paper).
            seed: of the whole data set.
            dft_code: a DFT code; needed where no potential is given.
            potential: takes the place of DFT and training.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol.
            options: scheduler options of the ``dismai`` jobs.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        builder, options = request.draft, request.options
        builder.slab_a, builder.slab_b, builder.seed = slab_a, slab_b, Int(seed)
        fill_dataset(builder, code, dft_code, potential, inputs, protocol, options)
        note_small(request, inputs["n_structures"], inputs["validation_share"])
        return request.finish()

    # ------------------------------------------------------------------ the potential
    def setup(self) -> None:
        """Begin with no candidates."""
        self.ctx.round = 0
        self.ctx.relaxed = []
        self.ctx.potential = self.inputs.potential if "potential" in self.inputs else None
        self.ctx.selected = None

    def needs_potential(self) -> bool:
        """Whether a potential is to be trained."""
        return self.ctx.potential is None

    def _build(self, parameters: Dict, purpose: str) -> Any:
        inputs = AttributeDict(self.exposed_inputs(BuildInterfacesWorkChain, namespace="build"))
        inputs.slab_a, inputs.slab_b = self.inputs.slab_a, self.inputs.slab_b
        inputs.parameters, inputs.seed = parameters, derive_seed(self.inputs.seed, purpose)
        inputs.metadata.call_link_label = f"build_{purpose}"
        return self.submit(BuildInterfacesWorkChain, **inputs)

    def _wants_check(self) -> bool:
        return "n_check" in self.inputs and self.inputs.n_check.value > 0 and "check" in self.inputs.train

    def build_training(self) -> ToContext:
        """Build what DFT is to relax, and what the potential is to be checked on."""
        jobs = {"built_training": self._build(self.inputs.training, "training")}
        if self._wants_check():
            few = self.inputs.candidates.get_dict() | {"n_structures": self.inputs.n_check.value, "first": 0}
            jobs["built_check"] = self._build(Dict(few), "check")
        return ToContext(**jobs)

    def run_label(self) -> ExitCode | ToContext:
        """Relax them with DFT."""
        for name in ("built_training", "built_check"):
            if name in self.ctx and not self.ctx[name].is_finished_ok:
                return self.exit_codes.ERROR_BUILD.format(message=reason_of(self.ctx[name]))
        inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace="label"))
        inputs.structures = self.ctx.built_training.outputs.structures
        inputs.metadata.call_link_label = "label"
        self.report(f"relaxing {len(inputs.structures)} interfaces with DFT")
        return ToContext(label=self.submit(LabelWorkChain, **inputs))

    def run_potential(self) -> ExitCode | ToContext:
        """Train on all ionic steps."""
        node = self.ctx.label
        if "summary" in node.outputs:
            self.out("label_summary", node.outputs.summary)
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_LABEL.format(message=reason_of(node))
        self.out("labelled", node.outputs.labelled)
        inputs = AttributeDict(self.exposed_inputs(PotentialWorkChain, namespace="train"))
        inputs.structures = node.outputs.labelled
        inputs.seed = derive_seed(self.inputs.seed, "potential")
        if self._wants_check():
            inputs.check.structures = self.ctx.built_check.outputs.structures
        inputs.metadata.call_link_label = "potential"
        self.report(f"training the potential on {len(inputs.structures)} ionic steps")
        return ToContext(trained=self.submit(PotentialWorkChain, **inputs))

    def inspect_potential(self) -> ExitCode | None:
        """Take over the potential; a failed check is reported, the potential is used all the same."""
        node = self.ctx.trained
        if not node.is_finished_ok and node.exit_status != PotentialWorkChain.exit_codes.ERROR_CHECK.status:
            return self.exit_codes.ERROR_POTENTIAL.format(message=reason_of(node))
        if not node.is_finished_ok:
            self.report(f"the potential is not checked: {reason_of(node)}")
        self.ctx.potential = node.outputs.potential
        self.out("potential", node.outputs.potential)
        for name in ("results", "curves", "parity", "check"):
            if name in node.outputs:
                self.out(f"potential_{name}", node.outputs[name])
        return None

    # ------------------------------------------------------------------ the data set
    def needs_more(self) -> bool:
        """Whether another round is needed and allowed."""
        found = 0 if self.ctx.selected is None else len(self.ctx.selected["structures"])
        return bool(found < self.inputs.n_structures.value and self.ctx.round < self.inputs.max_rounds.value)

    def build_candidates(self) -> ToContext:
        """Build one more round of interfaces; structure i of a seed is the same in whatever round it comes."""
        # with the defaults written out: the number of structures need not have been named
        task = BuildInterfacesCalculation.task()
        parameters = task.validate(self.inputs.candidates.get_dict()).model_dump(mode="json")
        parameters["first"] = self.ctx.round * parameters["n_structures"]
        return ToContext(built=self._build(Dict(parameters), "candidates"))

    def run_relax(self) -> ExitCode | ToContext:
        """Relax them with the potential."""
        node = self.ctx.built
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_BUILD.format(message=reason_of(node))
        inputs = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace="relax"))
        inputs.structures, inputs.potential = node.outputs.structures, self.ctx.potential
        inputs.metadata.call_link_label = f"relax_{self.ctx.round}"
        return ToContext(relax=self.submit(RelaxWorkChain, **inputs))

    def select(self) -> ExitCode | None:
        """Choose the low-energy ones among all candidates so far."""
        node = self.ctx.relax
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_RELAX.format(message=reason_of(node))
        self.ctx.relaxed.append(node.outputs.structures)
        self.ctx.round += 1
        sets = {f"round_{index:04d}": item for index, item in enumerate(self.ctx.relaxed)}
        self.ctx.candidates = self.ctx.relaxed[0] if len(sets) == 1 else concatenate_structures(**sets)
        self.ctx.selected = select_low_energy(self.ctx.candidates, self.inputs.window, self.inputs.n_structures)
        record = self.ctx.selected["energies"].get_dict()
        self.report(
            f"round {self.ctx.round}: {record['looked_at']} candidates, {record['converged']} converged, "
            f"{record['low']} of low energy, {self.inputs.n_structures.value} wanted"
        )
        return None

    def finish(self) -> ExitCode | None:
        """Split and give out the data set."""
        record = self.ctx.selected["energies"].get_dict()
        self.out("energies", self.ctx.selected["energies"])
        self.out("candidates", self.ctx.candidates)
        found, wanted = record["kept"], self.inputs.n_structures.value
        if found < wanted:
            return self.exit_codes.ERROR_TOO_FEW.format(
                found=found, wanted=wanted, looked_at=record["looked_at"], converged=record["converged"]
            )
        dataset = self.ctx.selected["structures"]
        self.out("dataset", dataset)
        parts = split_structures(dataset, derive_seed(self.inputs.seed, "split"), self.inputs.validation_share)
        for name in ("train", "validation", "split"):
            self.out(name, parts[name])
        return None


def fill_dataset(
    port: Any,
    code: AbstractCode,
    dft_code: AbstractCode | None,
    potential: PotentialData | None,
    inputs: Mapping[str, Any],
    protocol: str | None,
    options: Mapping[str, Any] | None,
) -> None:
    """Fill a builder's namespace of :class:`InterfaceDatasetWorkChain` (all but crystals and seed)."""
    fill_job(port["build"], code, {"options": inputs["options"]}, options)
    port["candidates"] = Dict(merge(inputs["interface"], inputs["candidates"]))
    fill_chunks(port["relax"], code, RelaxWorkChain.get_protocol_inputs(protocol, inputs["relax"]), options)
    for name in ("n_structures", "max_rounds"):
        port[name] = Int(inputs[name])
    for name in ("window", "validation_share"):
        port[name] = Float(inputs[name])
    if potential is not None:
        port["potential"] = potential
    elif dft_code is not None:
        port["training"] = Dict(merge(inputs["interface"], inputs["training"]))
        label = LabelWorkChain.get_protocol_inputs(protocol, inputs["label"], engine=engine_for(dft_code))
        fill_label_many(port["label"], dft_code, label)
        train = PotentialWorkChain.get_protocol_inputs(protocol, inputs["potential"])
        fill_job(port["train"]["train"], code, train["train"], options)
        if inputs["n_check"]:
            port["n_check"] = Int(inputs["n_check"])
            fill_check(port["train"]["check"], code, dft_code, train, protocol, options)
