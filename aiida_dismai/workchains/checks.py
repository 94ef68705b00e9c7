"""What the inputs of a workflow have to do with each other: elements, tables, potentials, schedulers.

Each function returns what is wrong, with paths below the namespace that it was given; the validators of the WorkChains
put them together (:mod:`.problems`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiida.engine import CalcJob
from aiida.orm import AbstractCode, Dict, StructureData

from ..calculations.base import option_ports
from ..calculations.cleaning import CLEAN, clean_problem
from ..calculations.cores import refuse_mismatch
from ..calculations.gpus import GPUS, gpu_problem
from ..calculations.monitors import MONITORS, monitor_problems
from ..calculations.relax import OWN_CALCULATOR, validate_calculator
from ..calculations.script_words import script_problems
from ..data import PotentialData, StructureSetData
from ..engine.errors import BadInput
from ..engine.families.contract import FamilySpec
from ..engine.families.parameters import DescribeParameters
from ..engine.families.registry import find
from ..engine.interfaces.parameters import InterfaceParameters
from ..engine.parameters import validate
from ..engine.potentials.parameters import LAMMPS_CALCULATORS
from .problems import Problem, answer
from .protocols.names import Options

#: What each protocol of ``dismai.dataset.interface`` takes from the paper's interface, by its path.
OF_THE_PAPER = ("slab_a.vectors", "slab_b.vectors", "lateral_cell")


def elements_of(*nodes: StructureData | StructureSetData | None) -> list[str]:
    """Return the elements of crystals and sets, each once, in their order."""
    found: dict[str, None] = {}
    for node in nodes:
        if isinstance(node, StructureSetData):
            found |= dict.fromkeys(node.elements)
        elif isinstance(node, StructureData):
            found |= dict.fromkeys(symbol for kind in node.kinds for symbol in kind.symbols)
    return list(found)


def composition_of(crystal: StructureData) -> dict[str, int]:
    """Return the atoms of each element in the cell of a crystal."""
    symbols = {kind.name: kind.symbol for kind in crystal.kinds}
    return dict(Counter(symbols[site.kind_name] for site in crystal.sites))


# ---------------------------------------------------------------------- interfaces
def region_problems(
    parameters: Mapping[str, Any], slab_a: StructureData, slab_b: StructureData, default: Mapping[str, Any]
) -> list[Problem]:
    """Return what in the parameters of ``interfaces.build`` is of other crystals than these.

    Args:
        parameters: of the task, which may be the protocol's for the crystals of the paper.
        slab_a: lower crystal.
        slab_b: upper crystal.
        default: the protocol's own table, the paper's interface.
    """
    try:
        read = validate(InterfaceParameters, parameters, "interfaces.build")
    except BadInput:
        return []  # said by the port
    elements = elements_of(slab_a, slab_b)
    listed, region = ", ".join(elements), read.region
    found = []

    def wrong(path: str, text: str) -> None:
        found.append(Problem(path, f"{text} (override: interface.{path})"))

    if odd := [symbol for symbol in region.composition if symbol not in elements]:
        wrong(
            "region.composition",
            f"{_are(odd)} in neither crystal ({listed}): give what the random region is made of, for instance "
            f"{_example(slab_b)}",
        )
    if odd := sorted({symbol for pair in region.distances for symbol in pair.split("-")} - set(elements)):
        wrong(
            "region.distances",
            f"{_are(odd)} in neither crystal ({listed}): give minimum distances of their pairs, or {{}} for "
            f"default_distance ({region.default_distance:g} Å) everywhere",
        )
    if read.element_order is not None and set(read.element_order) != set(elements):
        order = ", ".join(read.element_order)
        wrong("element_order", f"{order} are not the elements of the crystals: order {listed}, or null")
    lower = elements_of(slab_a)
    if odd := sorted({kind.top_layer for kind in read.exchanges} - set(lower)):
        text = f"{_are(odd)} not in slab_a ({', '.join(lower)}): give your own, or [] for none"
        found.append(Problem("exchanges", text))
    if set(elements) != _elements_of_region(default):
        kept = [path for path in OF_THE_PAPER if _at(parameters, path) is not None and _same(parameters, default, path)]
        if kept:
            found.append(
                Problem(
                    "",
                    f"{', '.join(kept)} are those of the paper's Li3ScCl6|LiCoO2, the crystals are not: give your own, "
                    "or null (overrides: interface.…; docs/howto/own_crystals.md)",
                )
            )
    return found


def _are(symbols: Sequence[str]) -> str:
    return f"{', '.join(symbols)} {'is' if len(symbols) == 1 else 'are'}"


def _example(crystal: StructureData) -> str:
    from math import gcd

    counts = composition_of(crystal)
    unit = {symbol: count // gcd(*counts.values()) for symbol, count in counts.items()}
    times = max(1, round(12 / sum(unit.values())))
    return "{" + ", ".join(f"{symbol}: {times * count}" for symbol, count in unit.items()) + "}"


def _elements_of_region(default: Mapping[str, Any]) -> set[str]:
    return set(default["element_order"])


def _at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def _same(values: Mapping[str, Any], default: Mapping[str, Any], path: str) -> bool:
    return bool(_at(values, path) == _at(default, path))


# ---------------------------------------------------------------------- potentials
def potential_problems(potential: PotentialData | None, elements: Sequence[str]) -> list[Problem]:
    """Return what a trained potential does not know."""
    unknown = [] if potential is None else sorted(set(elements) - set(potential.elements))
    if potential is None or not unknown:
        return []
    known = ", ".join(potential.elements)
    return [Problem("", f"the potential does not know {', '.join(unknown)}; it was trained for {known}")]


def calculator_problems(parameters: Mapping[str, Any], elements: Sequence[str]) -> list[Problem]:
    """Return the elements that the calculator of a relaxation does not know, as far as its name says it."""
    name = parameters.get("calculator")
    given = parameters.get("calculator_kwargs")
    if name == "lammps":
        known = list(given["elements"]) if isinstance(given, Mapping) and given.get("elements") else None
    else:
        known = ["Si"] if name in LAMMPS_CALCULATORS else None
    unknown = [] if known is None else sorted(set(elements) - set(known))
    if known is None or not unknown:
        return []
    text = f"'{name}' does not know {', '.join(unknown)}; it knows {', '.join(known)}"
    return [Problem("parameters.calculator", text)]


def relaxation_problems(
    parameters: Mapping[str, Any], potential: PotentialData | None, elements: Sequence[str], trained: bool = False
) -> list[Problem]:
    """Return what does not fit of a calculator, a potential, and the elements of what is relaxed.

    Args:
        parameters: of the task ``relax``, below ``relax.job``.
        potential: the potential that is given, None without.
        elements: of the structures.
        trained: whether a potential is trained before, and will be given.
    """
    if trained:
        name = parameters.get("calculator", OWN_CALCULATOR)
        if name == OWN_CALCULATOR:
            return []
        text = f"is '{name}', but the potential that is trained here would not be used: leave it out"
        return [Problem("relax.job.parameters.calculator", text)]
    refused = validate_calculator(parameters, potential)
    found = [] if refused is None else [Problem("relax", refused)]
    return found + below("relax.job", calculator_problems(parameters, elements))


# ---------------------------------------------------------------------- metrics
def kind_of(parameters: Mapping[str, Any]) -> str:
    """Return the name of the family that parameters of the task ``metrics`` ask for."""
    return str(parameters.get("kind", DescribeParameters.model_fields["kind"].default))


def family_of(parameters: Mapping[str, Any]) -> FamilySpec | None:
    """Return the family that parameters of the task ``metrics`` ask for; None for one that their port refuses."""
    try:
        return find(kind_of(parameters))
    except BadInput:
        return None


def ion_problems(parameters: Mapping[str, Any], elements: Sequence[str]) -> list[Problem]:
    """Return the elements whose oxidation states are missing, and cations that are not there.

    Only families whose own parameters have ``oxidation_states`` and ``cations`` need them.

    Args:
        parameters: of the task ``metrics``.
        elements: of the data set; none where they are not known.
    """
    try:
        read = validate(DescribeParameters, DescribeParameters.part_of(parameters), "metrics")
    except BadInput:
        return []  # said by the port
    states = getattr(read.table, "oxidation_states", None)
    if states is None or not elements:
        return []
    found = []
    if odd := [symbol for symbol in elements if symbol not in states]:
        found.append(
            Problem(
                f"{read.kind}.oxidation_states",
                f"no oxidation state of {', '.join(odd)} (known: {', '.join(sorted(states))}): give all of them, for "
                f"instance --oxidation-states {','.join(f'{symbol}=…' for symbol in elements)}, or in the overrides",
            )
        )
    odd = [symbol for symbol in read.table.cations if symbol not in elements]
    if odd and not found:
        found.append(
            Problem(
                f"{read.kind}.cations",
                f"{', '.join(odd)} not in the structures ({', '.join(elements)}): name the cations that are there",
            )
        )
    return found


def composition_problems(reference: Any, structures: Any = None) -> list[Problem]:
    """Return what keeps structures from being compared that must all have one composition."""
    if not isinstance(reference, StructureSetData):
        return []
    known = _compositions(reference.formulas)
    if len(known) > 1:
        text = f"the metrics need one composition; its structures have {_some(known)}"
        return [Problem("reference", text)]
    if not isinstance(structures, StructureSetData) or not structures.formulas:
        return []
    given = _compositions(structures.formulas)
    if set(given) & set(known):
        return []
    text = f"{_some(given)}, but those of the reference are {_some(known)}: they belong to another data set"
    return [Problem("structures", text)]


def _compositions(formulas: Sequence[str]) -> list[str]:
    """Return formulas with the elements in alphabetical order: that of a structure's first atoms means nothing."""
    found: dict[str, None] = {}
    for formula in formulas:
        counts: dict[str, int] = {}
        for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula):
            counts[symbol] = counts.get(symbol, 0) + int(count or 1)
        found["".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in sorted(counts.items()))] = None
    return list(found)


def _some(formulas: Sequence[str]) -> str:
    return ", ".join(formulas[:3]) + (", …" if len(formulas) > 3 else "")


# ---------------------------------------------------------------------- jobs
def option_problems(options: Mapping[str, Any], code: AbstractCode | None = None, gpus: bool = True) -> list[Problem]:
    """Return what is wrong with scheduler options: names, types, and resources that the scheduler has not.

    Args:
        options: as a job gets them.
        code: on whose computer it runs, None where that is not known.
        gpus: whether they may have a number of GPUs, as those of our own jobs.
    """
    found: list[Problem] = []
    kept = Options().clean(options, "", found)
    ports = option_ports(CalcJob.spec())
    for name, value in kept.items():
        if name in ("resources", CLEAN, GPUS, MONITORS):
            continue
        port = ports[name]
        kinds = port.valid_type if isinstance(port.valid_type, tuple) else (port.valid_type,)
        if port.valid_type is not None and (
            not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
        ):
            words = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
            found.append(Problem(name, f"must be {words} (given: {value!r})"))
        elif (error := port.validate(value)) is not None:
            found.append(Problem(name, error.message))
    found += [Problem(*problem) for problem in (*script_problems(kept), *monitor_problems(kept))]
    if not gpus and GPUS in kept:
        found.append(Problem(GPUS, "is known to `dismai` jobs only; give custom_scheduler_commands"))
    elif (problem := gpu_problem(kept, code)) is not None:
        found.append(Problem(GPUS, problem))
    if (problem := clean_problem(kept)) is not None:
        found.append(Problem(CLEAN, problem))
    wall = kept.get("max_wallclock_seconds")
    if isinstance(wall, int) and wall < 1:
        found.append(Problem("max_wallclock_seconds", f"must be at least 1 (given: {wall})"))
    resources = kept.get("resources")
    computer = getattr(code, "computer", None)
    if isinstance(resources, Mapping) and computer is not None and not found:
        scheduler = computer.get_scheduler()
        given = dict(resources)
        scheduler.preprocess_resources(given, computer.get_default_mpiprocs_per_machine())
        try:
            scheduler.validate_resources(**given)
        except (ValueError, TypeError) as error:
            text = f"the scheduler of '{computer.label}' ({computer.scheduler_type}) refuses them: {error}"
            found.append(Problem("resources", text))
    return found


def validate_options(node: Dict | None, _: Any) -> str | None:
    """Validate a port with scheduler options."""
    return None if node is None else answer(option_problems(node.get_dict()))


def validate_job(inputs: Mapping[str, Any], _: Any) -> str | None:
    """Validate the options of a job against the scheduler of its code, and its workers against the cores asked for."""
    if "code" not in inputs or "options" not in inputs:
        return None
    options = inputs["options"].get_dict()
    if option_problems(options):
        return None  # said by the port
    found = [problem.below("options") for problem in option_problems(options, inputs["code"])]
    resources = options.get("resources")
    if "parameters" in inputs and isinstance(resources, Mapping):
        parameters = inputs["parameters"].get_dict()
        if (mismatch := refuse_mismatch(parameters, resources)) is not None:
            found.append(Problem("parameters", mismatch))
    return answer(found)


def below(path: str, problems: Iterable[Problem]) -> list[Problem]:
    """Return problems as seen from a namespace further up."""
    return [problem.below(path) for problem in problems]
