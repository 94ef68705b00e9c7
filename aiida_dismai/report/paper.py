"""What the paper reports, Tables 1 to 3: for orientation beside a run, made with other data and potentials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from .family import find_report
from .numbers import number
from .parts import TextTable

#: Said wherever these numbers are shown.
OTHERS = "made with other data and potentials: compare orders of models, not digits"


@cache
def read_paper() -> dict[str, Any]:
    """Return the paper's numbers from ``paper.yaml``."""
    content: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("paper.yaml").read_text())
    return content


def said(values: Iterable[float]) -> str:
    """Return mean, minimum and maximum as the paper writes them.

    Example:
        >>> said([0.0547, 0.0508, 0.0589])
        '0.0547 (0.0508, 0.0589)'
    """
    mean, low, high = (number(value, 3) for value in values)
    return f"{mean} ({low}, {high})"


def paper_lines(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what the paper reports, a line for each of its data sets."""
    return [
        f"{table['data']}: "
        + "; ".join(
            f"{measure} " + ", ".join(f"{model} {said(values)}" for model, values in of_models.items())
            for measure, of_models in table.items()
            if measure != "data"
        )
        for table in tables
    ]


def paper_of_study(study: Mapping[str, Any]) -> list[TextTable]:
    """Return the paper's tables for the families of a study; none for other processes."""
    return paper_tables(entry["family"] for entry in study.get("datasets", {}).values())


def paper_tables(kinds: Iterable[str]) -> list[TextTable]:
    """Return a table for each of the paper's data sets of some kinds of structures."""
    found = []
    for kind in dict.fromkeys(kinds):
        for table in read_paper()["tables"].get(kind, []):
            measures = [name for name in table if name != "data"]
            titles = (find_report(kind).metric(name).title or name for name in measures)
            rows = [
                (model, *(said(table[name][model]) if model in table[name] else None for name in measures))
                for model in table[measures[0]]
            ]
            title = f"in the paper: {table['data']}"
            found.append(TextTable(title, ("model", *titles), rows, (OTHERS,)))
    return found
