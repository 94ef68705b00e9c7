"""`aiida-dismai launch study`: several models on several data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ..engine.errors import BadInput
from ..engine.text import visible
from ..provenance import outputs_of
from ..workchains.protocols.files import parse
from .earlier import evaluated_by, find_split, kind_of_set
from .launching import dismai_code, launch_options, start
from .profiles import load_node, load_profile


@click.command()
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    metavar="NAME=PROCESS",
    help="A data set: its name in the study, and the process that made it (of an alloy's cold=PK:T300_wide), or "
    "small:NAME, one that ships with the package; may be repeated.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="[NAME=]MODEL",
    help="Generative model, and its name in the study if it is to have another; may be repeated.",
)
@click.option(
    "--models-file", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="YAML: overrides by model."
)
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, required=True, help="May be repeated.")
@click.option("--vary", metavar="PARAMETER=V1,V2,…", help="A hyper-parameter and its values (YAML).")
@click.option("--equal-time", is_flag=True, help="With --vary: train each value also as long as the slowest took.")
@click.option("--finished", metavar="STUDY", help="An earlier study; benchmarks of the same name are not run again.")
@launch_options
def study(
    how: dict[str, Any],
    datasets: tuple[str, ...],
    models: tuple[str, ...],
    models_file: str | None,
    seeds: tuple[int, ...],
    vary: str | None,
    equal_time: bool,
    finished: str | None,
) -> None:
    """Compare models on data sets: a benchmark for each, one table with ranks."""
    load_profile()
    chosen = dict(_named(text, "model") for text in models)
    if len(chosen) < len(models):
        raise BadInput("--model: a name is there twice; give NAME=MODEL")
    start(
        "dismai.study",
        how,
        code=dismai_code(how["code"]),
        datasets=_datasets(datasets),
        models=_overrides(chosen, models_file),
        seeds=list(seeds),
        axis=axis_of(vary) if vary else None,
        equal_time=equal_time,
        finished=_finished(finished) if finished else None,
    )


def _named(text: str, option: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``; a value alone is its own name."""
    name, equals, value = text.partition("=")
    if not name or (equals and not value):
        raise BadInput(f"--{option} {visible(text, 60)}: give NAME=…")
    return (name, value) if equals else (name, name)


def _datasets(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        if "=" not in text:
            raise BadInput(f"--dataset {visible(text, 60)}: give NAME=PROCESS")
        name, process = _named(text, "dataset")
        if name in found:
            raise BadInput(f"--dataset: '{visible(name, 60)}' is there twice")
        train, validation = find_split(process)
        kind = kind_of_set(process, None)
        potential, evaluate = evaluated_by(process, kind, None)
        parts: dict[str, Any] = {"train": train, "validation": validation}
        if kind is not None:
            parts["kind"] = kind
        if potential is not None:
            parts["potential"] = potential
        if evaluate:
            parts["overrides"] = {"evaluate": evaluate}
        found[name] = parts
    return found


def _overrides(models: dict[str, str], file: str | None) -> dict[str, Any]:
    """Return what a study is given of its models.

    Raises:
        BadInput: the file names a model that is not asked for.
    """
    from ..workchains.protocols.files import read_mapping

    given = dict(read_mapping(file, "overrides of models")) if file else {}
    if unknown := [name for name in given if name not in models]:
        raise BadInput(f"{file}: {visible(unknown[0], 60)} is no --model of this study")
    return {name: {**(given.get(name) or {}), "model": model} for name, model in models.items()}


def axis_of(text: str) -> dict[str, Any]:
    """Return the axis of ``lambda_distance=0,0.05``.

    Raises:
        BadInput: no name, or values that are no YAML.

    Example:
        >>> axis_of("lambda_distance=0,0.05")
        {'name': 'lambda_distance', 'values': [0, 0.05]}
    """
    name, _, values = text.partition("=")
    read = parse(f"[{values}]", f"--vary {visible(text, 80)}")
    if not name or not read:
        raise BadInput(f"--vary {visible(text, 80)}: give PARAMETER=V1,V2,…")
    return {"name": name, "values": read}


def _finished(study: str) -> dict[str, Any]:
    """Return the summaries of an earlier study.

    Raises:
        BadInput: the process has none.
    """
    from aiida.orm import ProcessNode

    node = load_node(study, ProcessNode, what="finished")
    summaries = outputs_of(node).get("summaries")
    if not isinstance(summaries, dict):
        raise BadInput(f"finished: {node.process_label}<{node.pk}> has no summaries of benchmarks; give a study")
    return dict(summaries)
