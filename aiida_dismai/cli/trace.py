"""`aiida-dismai trace`: where a number, a data set or weights come from, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import click

from ..engine.files import plain
from ..engine.text import visible
from ..terminal import console, table
from .profiles import load_node, load_profile
from .report import odd_nodes

#: A process, and behind a colon one of its outputs.
OUTPUT = re.compile(r"(?P<process>[^:]+):(?P<port>[A-Za-z][\w.]*)")
#: Rows of a list that are printed; JSON has all that was gathered.
ROWS = 12


@click.command()
@click.argument("pk")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def trace(pk: str, as_json: bool) -> None:
    """Say where PK comes from: structures, potential, DFT, models, seeds, codes, people, times.

    PK is any node: metrics, a data set, weights, structures; or a process, or one of its outputs, such as
    81:metrics.model_0. Numbers of metrics are printed with the steps that led to them, from the bulk crystals on.
    """
    from ..report.trace import trace as gather

    load_profile()
    node = find_traced(pk)
    with odd_nodes(node):
        found = gather(node)
    show(found, as_json, _tables)
    for note in () if as_json else found.notes:
        click.echo(f"! {visible(note, 1000)}", err=True)


def show(found: Any, as_json: bool, tables: Callable[[Any], Iterable[Any]]) -> None:
    """Print what was gathered (a dataclass) as JSON, or the tables that are made of it."""
    if as_json:
        click.echo(json.dumps(plain(asdict(found)), indent=2))
        return
    screen = console()
    for table_of_it in tables(found):
        screen.print(table_of_it)


def find_traced(identifier: str) -> Any:
    """Return the node of that name, or the output of a process behind a colon.

    Raises:
        BadInput: no such node or output.
    """
    from aiida.orm import ProcessNode

    from ..report.trace import find_output

    named = OUTPUT.fullmatch(identifier)
    if named is None:
        return load_node(identifier)
    return find_output(load_node(named["process"], ProcessNode), named["port"])


def _tables(found: Any) -> Iterator[Any]:
    node = found.node
    rows = [("what", node["says"]), ("label", node["label"] or None), ("UUID", node["uuid"])]
    if "pk" in found.made_by:
        rows.append(("made by", f"{found.made_by['type']}<{found.made_by['pk']}>"))
    elif "outputs" not in found.made_by:
        rows.append(("made by", "nothing in this profile: imported, or given as a value"))
    rows += [("as part of", _workflow(flow)) for flow in found.workflows[:ROWS]]
    rows.append(("by", "; ".join(found.people) or node["user"]))
    if found.times:
        rows.append(("when", f"{found.times['first']} to {found.times['last']}"))
    rows.append(("behind it", f"{found.counts['calculations']} calculations, {found.counts['data']} data nodes"))
    yield table(f"{node['type']}<{node['pk']}>", ("", ""), rows)
    if found.numbers:
        numbers = [
            (name, *(_number(entry.get(part)) for part in ("value", "lower", "upper", "floor")))
            for name, entry in found.numbers.items()
        ]
        yield table("its numbers", ("measure", "value", "from", "to", "noise floor"), numbers, range(1, 5))
    direct = found.made_by.get("inputs") or found.made_by.get("outputs")
    if direct:
        title = "made directly from" if "inputs" in found.made_by else "outputs"
        yield table(title, ("port", "node"), _some(list(direct.items())))
    if found.steps:
        yield table("steps, from the first", ("stage", "task", "jobs", "PK", "with"), [_step(s) for s in found.steps])
    origins = [(_name(item), item["says"], item.get("description") or item.get("label")) for item in found.origins]
    if origins:
        yield table("where the trace ends", ("node", "holds", "label"), _some(origins))
    for title, items in (("potentials", found.potentials), ("models", found.models)):
        if items:
            listed = [(_name(item), item["says"], item.get("made_by") or "imported") for item in items]
            yield table(title, ("node", "holds", "made by"), _some(listed))
    yield table("computed with", ("", ""), [*_dft(found.dft), *_codes(found)])


def _workflow(flow: dict[str, Any]) -> str:
    label = f" '{flow['label']}'" if flow["label"] else ""
    seeds = ", ".join(f"{name} {value}" for name, value in flow["seeds"].items())
    return f"{flow['type']}<{flow['pk']}>{label}, {flow['state']}{f', {seeds}' if seeds else ''}"


def _step(step: dict[str, Any]) -> tuple[Any, ...]:
    first, last = step["pks"]
    said = [", ".join(f"{name} {visible(value, 60)}" for name, value in step["parameters"].items())]
    if step["parameters_differ"]:
        said.append("parameters differ from job to job")
    if step["seeds"]:
        seeds = step["seeds"]
        said.append(f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds, {seeds[0]} …")
    if step["codes"]:
        said.append(f"code {', '.join(step['codes'])}")
    jobs = str(step["count"]) + (f" ({step['not_ok']} failed)" if step["not_ok"] else "")
    span = str(first) if first == last else f"{first}–{last}"
    return step["stage"] or None, step["task"], jobs, span, "; ".join(part for part in said if part) or None


def _dft(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for row in rows:
        if "method" in row:
            yield "DFT method", row["method"]
        else:
            failed = f", {row['not_ok']} failed" if row["not_ok"] else ""
            yield "DFT", f"{row['engine']}: {row['jobs']} jobs{failed}, {row['code']}"
    if not rows:
        yield "DFT", "none behind it"


def _codes(found: Any) -> Iterator[tuple[str, str]]:
    for row in found.codes:
        yield "code", f"{row['code']} ({row['executable']} on {row['hostname']}), {row['jobs']} jobs"
    if found.versions:
        yield "versions", ", ".join(f"{name} {' and '.join(known)}" for name, known in found.versions.items())


def _name(item: dict[str, Any]) -> str:
    return f"{item['type']}<{item['pk']}>" if "pk" in item else ""


def _number(value: Any) -> str | None:
    return None if not isinstance(value, (int, float)) else f"{value:.4g}"


def _some(rows: list[Any]) -> list[Any]:
    if len(rows) <= ROWS:
        return rows
    return [*rows[:ROWS], (f"and {len(rows) - ROWS} more", *("" for _ in rows[0][1:]))]
