"""What a workflow will cost, before it starts: jobs, core hours and bytes by stage, from measured rates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ..engine.generators.registry import find, parameter_model
from ..workchains.protocols.files import parse

#: Stages in the order in which a workflow comes to them.
STAGES = ("train", "sample", "postprocess", "relax", "DFT", "metrics", "compare")
HOUR = 3600.0


@dataclass(frozen=True)
class Cost:
    """What a stage takes.

    Attributes:
        jobs: of the scheduler.
        seconds: of one core, the sum over all jobs; None where no rate is known.
        size: bytes that are stored.
    """

    jobs: int = 0
    seconds: float | None = 0.0
    size: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Return both together; what is not known makes the sum unknown."""
        seconds = None if self.seconds is None or other.seconds is None else self.seconds + other.seconds
        return Cost(self.jobs + other.jobs, seconds, self.size + other.size)


Costs = dict[str, Cost]


@cache
def rates() -> dict[str, Any]:
    """Return the table of measured rates."""
    content: dict[str, Any] = parse(files(__package__).joinpath("rates.yaml").read_text(), "rates.yaml")
    return content


def total(parts: Iterable[Mapping[str, Cost]]) -> Costs:
    """Add costs stage by stage."""
    found: Costs = {}
    for part in parts:
        for stage, cost in part.items():
            found[stage] = found.get(stage, Cost()) + cost
    return {stage: found[stage] for stage in STAGES if stage in found}


def cost_of(process: str, inputs: Mapping[str, Any]) -> Costs:
    """Return what a workflow will cost; empty for one that nothing is known of.

    Args:
        process: its entry point.
        inputs: of its builder.
    """
    if process == "dismai.benchmark":
        return of_benchmark(inputs)
    if process == "dismai.evaluate":
        return of_evaluation(inputs)
    if process == "dismai.study":
        return of_study(inputs)
    if process == "dismai.compare":
        return of_compare(inputs)
    return {}


def subject_of(process: str, inputs: Mapping[str, Any]) -> list[str]:
    """Return lines that say what is computed on; none for what is made of nothing."""
    if process != "dismai.evaluate":
        return []
    structures = inputs["structures"]
    n, atoms = len(structures), structures.base.attributes.get("n_atoms_total", 0)
    said = f"evaluates {n} structure{'s' if n != 1 else ''}, {atoms:,} atoms"
    lost = structures.n_unread
    return [f"{said}; {lost} more could not be read and count{'s' if lost == 1 else ''} as failed" if lost else said]


def of_study(inputs: Mapping[str, Any]) -> Costs:
    """Return the costs of the benchmarks that a study will run; those for equal time are not known before."""
    from ..workchains.study import refused_cells
    from ..workchains.study_plan import builder_of, cells_of

    cells = cells_of(inputs)
    left_out = set(refused_cells(cells, inputs)) | set(inputs.get("finished", {}))
    return total(
        of_benchmark(builder_of(cell, inputs)._inputs(prune=True)) for cell in cells if cell.key not in left_out
    )


def of_benchmark(inputs: Mapping[str, Any]) -> Costs:
    """Return the costs of a benchmark: training, sampling and evaluation of each of its models."""
    models = inputs["n_models"].value
    parameters = inputs["generator"]["parameters"].get_dict()
    train, atoms = inputs["train"], _atoms(inputs["train"])
    generated = inputs["sample"]["n_structures"].value
    size = _size(generated, atoms)
    rate = rates()["generators"].get(parameters["model"])
    hyper = _hyper(parameters)
    training = None if rate is None else _scaled(rate, "train", atoms, hyper) * _passes(hyper, len(train))
    sampling = None if rate is None else _scaled(rate, "sample", atoms, hyper) * generated
    weights = 0.0 if rate is None else rate["weights"] * _width(rate, hyper) ** 2
    chunks = _chunks(generated, inputs["sample"])
    found = {"train": _cost(1, training, weights), "sample": _cost(chunks, sampling, size)}
    found |= _evaluating(inputs["evaluate"], generated, atoms, [len(train), len(inputs["validation"])])
    return {
        stage: Cost(models * one.jobs, _times(one.seconds, models), models * one.size) for stage, one in found.items()
    }


def of_evaluation(inputs: Mapping[str, Any]) -> Costs:
    """Return the costs of an evaluation; records of an earlier one, or the authors', need not be computed again."""
    from ..data import StructureSetData

    structures = inputs["structures"]
    others = [inputs[name] for name in ("reference", "validation") if name in inputs]
    sets = [len(one) for one in others if isinstance(one, StructureSetData)]
    return _evaluating(inputs, len(structures), _atoms(structures), sets)


def of_compare(inputs: Mapping[str, Any]) -> Costs:
    """Return the costs of a structural comparison."""
    sets = [inputs[name] for name in ("reference", "structures", "other") if name in inputs]
    found = []
    for one in sets:
        atoms = _atoms(one)
        if "relax" in inputs:
            found.append({"relax": _relaxing(inputs["relax"], len(one), atoms)})
        if "label" in inputs:
            found.append({"DFT": Cost(len(one), None, _size(len(one), atoms))})
    compared = rates()["compare"] * sum(map(len, sets))
    return total([*found, {"compare": _cost(1, compared, 1e6)}])


def cost_lines(costs: Mapping[str, Cost]) -> list[str]:
    """Return costs as lines of a table; none where there are none."""
    if not costs:
        return []
    rows = [("stage", "jobs", "core hours", "GPU hours", "stored")]
    for stage, cost in (*costs.items(), ("in all", total([{"train": cost} for cost in costs.values()])["train"])):
        rows.append((stage, str(cost.jobs), _hours(cost.seconds), "–", _bytes(cost.size)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    head = f"cost, estimated from rates of one core ({rates()['source']}) within a factor of two or three"
    return [f"{head}; no rate was measured on a GPU:", *table]


# ------------------------------------------------------------------ parts
def _cost(jobs: int, seconds: float | None, size: float) -> Cost:
    return Cost(jobs, None if seconds is None else seconds + jobs * rates()["job"], size)


def _times(seconds: float | None, factor: int) -> float | None:
    return None if seconds is None else factor * seconds


def _atoms(structures: Any) -> float:
    """Return the mean number of atoms of a node's structures, from its attributes."""
    return float((structures.base.attributes.get("n_atoms_total", None) or 0) / max(1, len(structures)))


def _size(structures: int, atoms: float) -> float:
    return structures * atoms * float(rates()["bytes_of_an_atom"])


def _evaluating(inputs: Mapping[str, Any], generated: int, atoms: float, sets: Sequence[int]) -> Costs:
    """Return the costs of evaluating generated structures.

    Args:
        inputs: of a ``dismai.evaluate``.
        generated: number of structures.
        atoms: of one of them.
        sets: numbers of the structures that they are compared with, which are described too.
    """
    size = _size(generated, atoms)
    found = {}
    if "postprocess" in inputs:
        found["postprocess"] = _cost(1, 0.001 * generated, size)
    if "relax" in inputs:
        found["relax"] = _relaxing(inputs["relax"], generated, atoms)
    metrics = inputs["metrics"]
    kind = metrics["job"]["parameters"].get_dict().get("kind", "interface")
    per_structure = rates()["metrics"].get(kind, rates()["metrics"]["others"])
    described, chunk = [generated, *sets], metrics["chunk_size"].value
    jobs = 1 + sum(
        math.ceil(n / chunk) for n in described if n > chunk
    )  # smaller sets are described where they are compared
    return found | {"metrics": _cost(jobs, per_structure * sum(described) + rates()["metrics"]["once"], size)}


def _chunks(structures: int, inputs: Mapping[str, Any]) -> int:
    return math.ceil(structures / inputs["chunk_size"].value)


def _relaxing(inputs: Mapping[str, Any], structures: int, atoms: float) -> Cost:
    parameters = inputs["job"]["parameters"].get_dict()
    known = rates()["relax"]
    rate = known.get(parameters.get("calculator", "m3gnet"), known["others"]) * atoms / rates()["reference_atoms"]
    evaluations = min(known["evaluations"], 2 * parameters.get("steps", 1000))
    return _cost(_chunks(structures, inputs), structures * evaluations * rate, _size(structures, atoms))


def _hyper(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyper-parameters of a model with its defaults; those that are refused elsewhere as they are."""
    fields = parameter_model(find(parameters["model"])).model_fields
    defaults = {name: field.default for name, field in fields.items()}
    return defaults | dict(parameters.get("hyperparameters") or {})


def _passes(hyper: Mapping[str, Any], structures: int) -> float:
    """Return how many structures a training sees, repeated ones counted again."""
    batch = hyper.get("batch_size", 1)
    batch = 8 if batch == "auto" else batch
    if "steps" in hyper:
        return float(hyper["steps"] * batch * hyper.get("accumulate", 1))
    copies = math.prod(hyper.get("translations", (1,)))
    return float(hyper.get("epochs", 1) * structures * copies)


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, (list, tuple)) else value)


def _width(rate: Mapping[str, Any], hyper: Mapping[str, Any]) -> float:
    """Return the width of a network in units of the one that was measured."""
    return math.prod(_first(hyper[name]) / there for name, there in rate["size"].items())


def _scaled(rate: Mapping[str, Any], what: str, atoms: float, hyper: Mapping[str, Any]) -> float:
    """Return the CPU seconds of one structure in training (``train``), or of one that is generated (``sample``)."""
    scale = (atoms / rates()["reference_atoms"]) ** rate["atoms"] * _width(rate, hyper) ** rate[f"{what}_width"]
    if what == "sample":
        scale *= math.prod(hyper[name] / there for name, there in rate["steps"].items())
    return float(rate[what] * scale)


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    return f"{seconds / HOUR:.2g}" if seconds < 100 * HOUR else f"{seconds / HOUR:,.0f}"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError
