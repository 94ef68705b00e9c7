"""From the melt, a random network or a large cell to the data set of amorphous silicon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessBuilder, ToContext
from aiida.orm import AbstractCode, ArrayData, Dict, Float, Int, to_aiida_type

from ..calculations.functions.amorphous import select_accepted
from ..calculations.functions.sets import concatenate_structures, split_structures
from ..data import PotentialData, StructureSetData
from ..engine.errors import nearest
from ..exit_codes import DATASET_AMORPHOUS, declare
from .amorphous import CarveWorkChain, MakeAmorphousWorkChain, NetworkWorkChain, QuenchWorkChain
from .bounds import positive, share_below_one
from .checked import CheckedSpec, CheckedWorkChain, while_
from .checks import elements_of, potential_problems, relaxation_problems
from .chunks import fill_chunks
from .ions import note_small
from .jobs import MeasureAmorphousWorkChain, fill_job
from .problems import Problem, answer
from .protocols import ProtocolMixin
from .protocols.names import Names, Of, Options, Value, job
from .reasons import reason_of
from .relax import RelaxWorkChain, relax_inputs
from .request import Request
from .seeds import derive_seed

Route = Literal["network", "quench", "carve"]
ROUTES: dict[str, type[MakeAmorphousWorkChain]] = {
    "network": NetworkWorkChain,
    "quench": QuenchWorkChain,
    "carve": CarveWorkChain,
}


def validate_inputs(inputs: Mapping[str, Any], _: Any) -> str | None:
    """Refuse no way or several ways to make structures, and a potential that does not fit the relaxation."""
    found: list[Problem] = []
    given = [name for name in ROUTES if inputs.get(name)]
    if len(given) != 1:
        ways = " and ".join(given) if given else "none of them"
        text = f"structures are made by one route: give exactly one of the namespaces {', '.join(ROUTES)}, not {ways}"
        found.append(Problem("", text))
    if inputs["n_structures"].value == 1 and inputs["validation_share"].value > 0:
        text = "a single structure cannot be split; take more, or the validation_share 0"
        found.append(Problem("n_structures", text))
    job = inputs.get("relax", {}).get("job", {})
    if "parameters" in job:
        elements = elements_of((inputs.get("carve") or {}).get("structures")) or ["Si"]
        potential = inputs.get("potential")
        found += relaxation_problems(job["parameters"].get_dict(), potential, elements)
        found += potential_problems(potential, elements)
    return answer(found)


class AmorphousDatasetWorkChain(ProtocolMixin, CheckedWorkChain):
    """Make amorphous structures, relax and measure them, keep those that pass the gate, split.

    Rounds of ``n_candidates`` structures are made until there are enough. Structure i of a seed is the same in whatever
    round it comes.
    """

    _protocol_file = "dataset_amorphous.yaml"
    _override_names = {
        "route": Value(),
        **{name: Names(job(f"amorphous.{name}")) for name in ROUTES},
        "relax": Of(lambda: RelaxWorkChain),
        "measure": Names(job("amorphous.measure")),
        "options": Options(),
    }

    @classmethod
    def define(cls, spec: CheckedSpec) -> None:  # type: ignore[override]
        """Declare ports, outline and exit codes."""
        super().define(spec)
        for name, chain in ROUTES.items():
            spec.expose_inputs(
                chain,
                namespace=name,
                exclude=("n_structures", "first", "seed"),
                namespace_options={
                    "required": False,
                    "populate_defaults": False,
                    "help": f"{(chain.__doc__ or '').strip().rstrip('.')}; choose exactly one of the routes.",
                },
            )
        spec.expose_inputs(RelaxWorkChain, namespace="relax", exclude=("structures", "potential"))
        spec.input(
            "potential",
            valid_type=PotentialData,
            required=False,
            help="Potential that relaxes them (calculator 'm3gnet').",
        )
        spec.expose_inputs(
            MeasureAmorphousWorkChain,
            namespace="measure",
            exclude=("structures", "parent_folder"),
            namespace_options={"help": "The measures, and the gate that relaxed structures have to pass."},
        )
        spec.input("seed", valid_type=Int, serializer=to_aiida_type, help="Seed of all random numbers.")
        for name, default, text in (
            ("n_structures", 1500, "Structures of the data set (1500 in the paper)."),
            ("n_candidates", 1500, "Structures made per round."),
            ("max_rounds", 3, "Maximum number of rounds."),
        ):
            spec.input(
                name,
                valid_type=Int,
                serializer=to_aiida_type,
                validator=positive,
                default=lambda value=default: Int(value),
                help=text,
            )
        spec.input(
            "validation_share",
            valid_type=Float,
            serializer=to_aiida_type,
            default=lambda: Float(0.2),
            validator=share_below_one,
            help="Share of the validation set.",
        )
        spec.inputs.validator = validate_inputs
        spec.outline(
            cls.setup,
            while_(cls.needs_more)(cls.make, cls.run_relax, cls.run_gate, cls.select),
            cls.run_measures,
            cls.finish,
        )
        spec.output("made", valid_type=StructureSetData, required=False, help="All candidates, as made.")
        spec.output("candidates", valid_type=StructureSetData, required=False, help="The same, relaxed.")
        spec.output("dataset", valid_type=StructureSetData, required=False, help="Relaxed structures that passed.")
        spec.output("train", valid_type=StructureSetData, required=False, help="Its training set.")
        spec.output("validation", valid_type=StructureSetData, required=False, help="Its validation set.")
        spec.output("split", valid_type=Dict, required=False, help="Indices of both in the data set, and the seed.")
        spec.output_namespace(
            "rounds",
            valid_type=Dict,
            dynamic=True,
            required=False,
            help="For each round: how many structures were examined, converged, accepted and kept, and why the "
            "others were rejected.",
        )
        for name, text in (("", "the data set"), ("made_", "the candidates before the relaxation")):
            spec.output(f"{name}measures", valid_type=Dict, required=False, help=f"Measures of {text}.")
            spec.output(
                f"{name}distributions",
                valid_type=ArrayData,
                required=False,
                help=f"Radial distribution, bond angles and rings of {text}.",
            )
        declare(spec, DATASET_AMORPHOUS)

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: AbstractCode,
        seed: int,
        route: Route | None = None,
        large_cell: StructureSetData | None = None,
        potential: PotentialData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder filled from a protocol.

        Args:
            code: the ``dismai`` code.
            seed: of the data set.
            route: ``network``, ``quench`` or ``carve``; without it ``carve`` where a large cell is given, else that of
                the protocol.
            large_cell: what to carve from.
            potential: relaxes the structures, with 'm3gnet'; without it the protocol's calculator does.
            protocol: ``paper``, ``moderate`` or ``demo``.
            overrides: laid over the protocol.
            options: scheduler options of all jobs.

        Raises:
            BadInput: no such route, ``carve`` without a large cell, or a large cell with another route.
        """
        request = Request(cls, overrides, options)
        inputs = cls.get_protocol_inputs(protocol, request.overrides)
        chosen = route or ("carve" if large_cell is not None else inputs["route"])
        if chosen not in ROUTES:
            request.problems.append(Problem("route", f"there is no '{chosen}'{nearest(str(chosen), ROUTES)}"))
            chosen = "network" if large_cell is None else "carve"
        if (chosen == "carve") != (large_cell is not None):
            text = (
                "'carve' needs a large cell to carve from"
                if large_cell is None
                else f"a large cell is given, but the route '{chosen}' does not use it; take 'carve', or leave it out"
            )
            request.problems.append(Problem("route", text))
        builder, options = request.draft, request.options
        builder.seed = Int(seed)
        shared = {"options": inputs["options"]}
        fill_chunks(builder[chosen], code, shared | inputs[chosen], options)
        if large_cell is not None:
            builder[chosen]["structures"] = large_cell
        fill_chunks(builder.relax, code, relax_inputs(protocol, inputs["relax"], "amorphous", potential), options)
        fill_job(builder.measure, code, shared | inputs["measure"], options)
        for name in ("n_structures", "n_candidates", "max_rounds"):
            builder[name] = Int(inputs[name])
        builder.validation_share = Float(inputs["validation_share"])
        if potential is not None:
            builder.potential = potential
        note_small(request, inputs["n_structures"], inputs["validation_share"])
        return request.finish()

    def setup(self) -> None:
        """Begin with no candidates."""
        self.ctx.round = 0
        self.ctx.made, self.ctx.relaxed = [], []
        self.ctx.measured = []
        self.ctx.found = 0
        self.ctx.selected = None
        self.ctx.route = next(name for name in ROUTES if self.inputs.get(name))

    # ------------------------------------------------------------------ a round
    def needs_more(self) -> bool:
        """Whether another round is needed and allowed."""
        return bool(self.ctx.found < self.inputs.n_structures.value and self.ctx.round < self.inputs.max_rounds.value)

    def make(self) -> ToContext:
        """Make the candidates of a round."""
        chain = ROUTES[self.ctx.route]
        inputs = AttributeDict(self.exposed_inputs(chain, namespace=self.ctx.route))
        inputs.n_structures = self.inputs.n_candidates
        inputs.first = Int(self.ctx.round * self.inputs.n_candidates.value)
        inputs.seed = derive_seed(self.inputs.seed, self.ctx.route)
        inputs.metadata.call_link_label = f"make_{self.ctx.round}"
        return ToContext(making=self.submit(chain, **inputs))

    def run_relax(self) -> ExitCode | ToContext:
        """Relax what was made; if some chunks failed, continue with the rest."""
        node = self.ctx.making
        if "structures" not in node.outputs:
            return self.exit_codes.ERROR_MAKE.format(message=reason_of(node))
        if not node.is_finished_ok:
            self.report(f"round {self.ctx.round}: {reason_of(node)}; continuing with the others")
        self.ctx.made.append(node.outputs.structures)
        inputs = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace="relax"))
        inputs.structures = node.outputs.structures
        if "potential" in self.inputs:
            inputs.potential = self.inputs.potential
        inputs.metadata.call_link_label = f"relax_{self.ctx.round}"
        return ToContext(relaxing=self.submit(RelaxWorkChain, **inputs))

    def _measure(self, structures: StructureSetData, label: str, gate: bool) -> Any:
        inputs = AttributeDict(self.exposed_inputs(MeasureAmorphousWorkChain, namespace="measure"))
        inputs.structures = structures
        if not gate:
            inputs.parameters = Dict(inputs.parameters.get_dict() | {"gate": {}})
        inputs.metadata.call_link_label = label
        return self.submit(MeasureAmorphousWorkChain, **inputs)

    def run_gate(self) -> ExitCode | ToContext:
        """Measure the relaxed candidates and let the gate judge them."""
        node = self.ctx.relaxing
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_RELAX.format(message=reason_of(node))
        self.ctx.relaxed.append(node.outputs.structures)
        return ToContext(judged=self._measure(node.outputs.structures, f"gate_{self.ctx.round}", gate=True))

    def select(self) -> ExitCode | None:
        """Count what has passed so far."""
        node = self.ctx.judged
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_MEASURE.format(message=reason_of(node))
        chosen = select_accepted(  # type: ignore[call-arg]
            self.ctx.relaxed[-1],
            node.outputs.measures,
            Int(self.inputs.n_structures.value - self.ctx.found),
            metadata={"call_link_label": f"select_{self.ctx.round}"},
        )
        summary = chosen["summary"].get_dict()
        self.ctx.measured.append(chosen)
        self.out(f"rounds.round_{self.ctx.round}", chosen["summary"])
        self.ctx.found += summary["kept"]
        self.ctx.round += 1
        self.report(
            f"round {self.ctx.round}: {summary['looked_at']} candidates, {summary['converged']} converged, "
            f"{summary['accepted']} accepted; {self.ctx.found} of {self.inputs.n_structures.value} structures"
        )
        return None

    # ------------------------------------------------------------------ the data set
    def _join(self, sets: list[StructureSetData]) -> StructureSetData:
        whole = {f"round_{index:04d}": item for index, item in enumerate(sets) if len(item)}
        return next(iter(whole.values())) if len(whole) == 1 else concatenate_structures(**whole)

    def run_measures(self) -> ExitCode | ToContext:
        """Measure the data set, and what it was before the relaxation."""
        made = self._join(self.ctx.made)
        self.out("made", made)
        self.out("candidates", self._join(self.ctx.relaxed))
        summaries = [chosen["summary"].get_dict() for chosen in self.ctx.measured]
        rejected: dict[str, int] = {}
        for name, number in ((name, number) for item in summaries for name, number in item["rejected"].items()):
            rejected[name] = rejected.get(name, 0) + number
        self.ctx.looked_at = sum(item["looked_at"] for item in summaries)
        self.ctx.rejected = rejected
        jobs = {"made_measures": self._measure(made, "measure_made", gate=False)}
        if self.ctx.found:
            self.ctx.dataset = self._join([chosen["structures"] for chosen in self.ctx.measured])
            jobs["measures"] = self._measure(self.ctx.dataset, "measure", gate=False)
        return ToContext(**jobs)

    def finish(self) -> ExitCode | None:
        """Split and give out the data set."""
        for name in ("made_measures", "measures"):
            if name not in self.ctx:
                continue
            node = self.ctx[name]
            if not node.is_finished_ok:
                return self.exit_codes.ERROR_MEASURE.format(message=reason_of(node))
            self.out(name, node.outputs.results)
            self.out(name.replace("measures", "distributions"), node.outputs.measures)
        if self.ctx.found:
            self.out("dataset", self.ctx.dataset)
        if self.ctx.found < self.inputs.n_structures.value:
            why = ", ".join(f"{number} {name}" for name, number in sorted(self.ctx.rejected.items()))
            return self.exit_codes.ERROR_TOO_FEW.format(
                found=self.ctx.found,
                wanted=self.inputs.n_structures.value,
                looked_at=self.ctx.looked_at,
                why=why or "none rejected",
            )
        parts = split_structures(self.ctx.dataset, derive_seed(self.inputs.seed, "split"), self.inputs.validation_share)
        for name in ("train", "validation", "split"):
            self.out(name, parts[name])
        return None
