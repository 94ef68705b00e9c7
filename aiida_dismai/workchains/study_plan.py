"""Which benchmarks a study consists of, and their inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from aiida.engine import ProcessBuilder
from pydantic import TypeAdapter, ValidationError

from ..engine.errors import BadInput, nearest
from ..engine.generators.registry import find, parameter_model
from ..engine.text import visible
from .benchmark import BenchmarkWorkChain
from .problems import text_of
from .protocols import merge
from .request import problems_of

#: Models that learn nothing: the floor and the ceiling of a data set.
BASELINES = ("random", "resample")
#: Hyper-parameters and results that say how long a model is trained.
LENGTHS = ("epochs", "steps")
#: Names of data sets and models become labels of links.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", re.ASCII)


@dataclass(frozen=True)
class Cell:
    """One benchmark of a study.

    Attributes:
        key: its name in the study, ``alloy_cdvae_1``: data set, model, number of the value (if any), seed.
        dataset: name of the data set.
        label: of the model in the study.
        model: its name in the entry-point group ``dismai.generators``.
        seed: of the benchmark.
        overrides: laid over the protocol of the benchmark.
        value: of the hyper-parameter that the study varies; None without one.
        baseline: whether the model learns nothing.
    """

    key: str
    dataset: str
    label: str
    model: str
    seed: int
    overrides: dict[str, Any]
    value: Any = None
    baseline: bool = False


def cells_of(inputs: Mapping[str, Any]) -> list[Cell]:
    """Return the benchmarks of a study, in the order in which they begin: seed by seed, data set by data set.

    Args:
        inputs: of the study.

    Raises:
        BadInput: names that cannot be labels, a cell that is there twice, an axis that no model has.
    """
    models = models_of(inputs["models"].get_dict())
    axis = inputs["axis"].get_dict() if "axis" in inputs else None
    shared = inputs["overrides"].get_dict() if "overrides" in inputs else {}
    for name in (*inputs["datasets"], *models):
        if not NAME.fullmatch(name):
            raise BadInput(f"'{visible(name, 60)}' cannot be a name in a study: letters, digits, single underscores")
    variants = list(_variants(models, axis))
    if inputs["baselines"].value:
        variants += [(name, name, {}, None, "") for name in BASELINES if name not in models]
    of_sets = {
        name: parts["overrides"].get_dict() if "overrides" in parts else {}
        for name, parts in inputs["datasets"].items()
    }
    cells = []
    for seed in seeds_of(inputs["seeds"].get_list()):
        for dataset in inputs["datasets"]:
            for label, model, overrides, value, number in variants:
                key = f"{dataset}_{label}{number}_{seed}"
                laid = merge(merge(shared, of_sets[dataset]), overrides)
                cells.append(Cell(key, dataset, label, model, seed, laid, value, model in BASELINES))
    keys = [cell.key for cell in cells]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise BadInput(f"there twice: {', '.join(twice)}; give the models (or data sets) other names")
    return cells


def models_of(given: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the plug-in and the overrides of each model by its name in the study.

    Args:
        given: overrides by name; ``model`` among them is the plug-in where it is not the name itself.

    Raises:
        BadInput: no model at all, one that is not registered, or something else than a mapping.
    """
    if not given:
        raise BadInput("models: give at least one model")
    models = {}
    for label, entry in given.items():
        content = dict(entry or {}) if isinstance(entry, Mapping | None) else None
        if content is None:
            raise BadInput(f"models.{label}: must be a mapping of overrides, not {visible(entry, 60)}")
        plugin = str(content.pop("model", label))
        find(plugin)
        models[str(label)] = (plugin, content)
    return models


def seeds_of(given: list[Any]) -> list[int]:
    """Return the seeds.

    Raises:
        BadInput: none, one that is no whole number from 0 on, or one that is there twice.
    """
    if not given:
        raise BadInput("seeds: give at least one")
    for seed in given:
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise BadInput(f"seeds: must be whole numbers from 0 on (given: {visible(seed, 40)})")
        if given.count(seed) > 1:
            raise BadInput(f"seeds: {seed} is there twice")
    return given


Variant = tuple[str, str, dict[str, Any], Any, str]


def _variants(models: Mapping[str, tuple[str, dict[str, Any]]], axis: Mapping[str, Any] | None) -> Iterator[Variant]:
    """Yield name, plug-in, overrides, value and its number for every model and every value of the axis."""
    if axis is None:
        for label, (plugin, overrides) in models.items():
            yield label, plugin, overrides, None, ""
        return
    name, values = axis_of(axis)
    having = [label for label, (plugin, _) in models.items() if name in parameter_model(find(plugin)).model_fields]
    if not having:
        known = {field for plugin, _ in models.values() for field in parameter_model(find(plugin)).model_fields}
        raise BadInput(
            f"axis: no model of this study has a hyper-parameter '{visible(name, 60)}'{nearest(name, known)}"
        )
    for label, (plugin, overrides) in models.items():
        if label not in having:
            yield label, plugin, overrides, None, ""
            continue
        for number, value in enumerate(values):
            _check_value(plugin, name, value)
            chosen = {"generator": {"models": {plugin: {"hyperparameters": {name: value}}}}}
            yield label, plugin, merge(overrides, chosen), value, f"_v{number}"


def _check_value(plugin: str, name: str, value: Any) -> None:
    """Refuse a value that the hyper-parameter cannot have on any data set.

    Raises:
        BadInput: of another type, or out of bounds.
    """
    field = parameter_model(find(plugin)).model_fields[name]
    try:
        kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise BadInput(f"axis: {name} of '{plugin}' cannot be {visible(value, 40)}: {reason}") from error


def axis_of(axis: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return the hyper-parameter that is varied, and its values.

    Raises:
        BadInput: another shape, no values, or a value that is there twice.
    """
    unknown = sorted(set(axis) - {"name", "values"})
    if unknown or not isinstance(axis.get("name"), str) or not isinstance(axis.get("values"), list):
        raise BadInput("axis: give name (of a hyper-parameter) and values (a list), and nothing else")
    values = axis["values"]
    if not values:
        raise BadInput(f"axis: no values of '{axis['name']}'")
    if twice := [value for value in values if values.count(value) > 1]:
        raise BadInput(f"axis: {visible(twice[0], 40)} is there twice")
    return axis["name"], values


def builder_of(cell: Cell, inputs: Mapping[str, Any]) -> ProcessBuilder:
    """Return the builder of a benchmark of the study.

    Raises:
        BadInput: the benchmark refuses its inputs; says all that is wrong.
    """
    data = inputs["datasets"][cell.dataset]
    options = inputs["options"].get_dict() if "options" in inputs else None
    builder = BenchmarkWorkChain.get_builder_from_protocol(
        inputs["code"],
        data["train"],
        data["validation"],
        cell.model,
        cell.seed,
        potential=data.get("potential"),
        kind=data["kind"].value if "kind" in data else None,
        protocol=inputs["protocol"].value if "protocol" in inputs else None,
        overrides=cell.overrides,
        options=options,
    )
    builder["metadata"]["call_link_label"] = cell.key
    builder["metadata"]["label"] = cell.key
    if problems := problems_of(BenchmarkWorkChain, builder._inputs(prune=True)):
        raise BadInput(text_of(problems))
    return builder


def of_equal_time(cell: Cell, length: int) -> Cell:
    """Return the benchmark again, trained for other epochs, or steps where the model counts these."""
    known = parameter_model(find(cell.model)).model_fields
    name = next((name for name in LENGTHS if name in known), LENGTHS[0])
    chosen = {"generator": {"models": {cell.model: {"hyperparameters": {name: length}}}}}
    return replace(cell, key=f"{cell.key}_time", overrides=merge(cell.overrides, chosen))
