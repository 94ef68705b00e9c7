"""`aiida-dismai compare`: where two results begin to differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ..engine.text import visible
from ..terminal import table
from .profiles import load_profile
from .report import odd_nodes
from .trace import find_traced, show

#: What a first difference is, by its kind.
KINDS = {
    "given": "given from outside",
    "origin": "made in another way",
    "ports": "another set of inputs",
    "outcome": "same inputs, another outcome",
}
#: Rows of a table, and first differences, that are printed; JSON has more.
ROWS = 16
SHOWN = 5


@click.command()
@click.argument("one", metavar="PK1")
@click.argument("other", metavar="PK2")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def compare(one: str, other: str, as_json: bool) -> None:
    """Say where PK1 and PK2 begin to differ: the first difference upstream, and the way from there.

    Both are processes, or both data nodes; 81:metrics.model_0 is an output of a process. (`aiida-dismai launch compare`
    is the paper's comparison of interface structures.)
    """
    from ..report.difference import compare as gather

    load_profile()
    nodes = [find_traced(one), find_traced(other)]
    with odd_nodes(nodes[0]):
        found = gather(*nodes)
    show(found, as_json, _parts)
    if not as_json and not found.first and not found.only:
        click.echo("They hold the same: no difference upstream.")


def _parts(found: Any) -> Iterator[Any]:
    rows = [("first", found.one), ("second", found.other)]
    for name, ports in (("the same", found.same), ("different", found.differ), ("only in one", found.only)):
        if ports:
            more = f" and {len(ports) - ROWS} more" if len(ports) > ROWS else ""
            rows.append((name, ", ".join(visible(port, 80) for port in ports[:ROWS]) + more))
    rows.append(("compared", f"{found.n_compared} pairs of nodes, {found.n_first} first differences"))
    yield table("compared", ("", ""), rows)
    numbers = [
        (name, f"{entry['one']:.4g}", f"{entry['other']:.4g}", _floors(entry["floors"]))
        for name, entry in found.numbers.items()
        if entry["one"] != entry["other"]
    ]
    if numbers:
        yield table("numbers", ("measure", "first", "second", "in noise floors"), numbers[:ROWS], (1, 2, 3))
    for index, item in enumerate(found.first[:SHOWN]):
        title = "first difference upstream" if index == 0 else f"also ({index + 1} of {found.n_first})"
        lines = [("what", KINDS[item.kind]), ("first", item.one), ("second", item.other)]
        lines += [("differ in", line) for line in item.what]
        lines += [("because of", line) for line in item.around]
        if item.way:
            lines.append(("the way", " → ".join(item.way)))
        yield table(title, ("", ""), lines)


def _floors(value: float | None) -> str | None:
    return None if value is None else f"{value:+.2f}"
