"""The provenance graph of a report, small enough to be looked at: what is alike is one box, with its number.

Ten thousand relaxations of structures of one set are one box, and so are their results: two calculations are alike if
they are of one kind and their inputs are; two data if they are the same output of calculations that are alike. Codes,
parameters and files of jobs are left out; results that nothing else was made from stay.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..engine.text import visible
from .graph import LEFT_OUT
from .layers import Placed, place
from .upstream import Row, Upstream, read_upstream

#: Files of jobs.
FILES = ("RemoteData", "FolderData")
#: Calculations up to which the graph is read into boxes.
MAX_PROCESSES = 60_000
#: Characters of a line in a box; PKs that are named in a box.
LINE, NAMED = 24, 8
#: Size of a box, and the room between boxes: pixels.
WIDTH, HEIGHT, BETWEEN, ABOVE = 172, 42, 46, 16


@dataclass
class Box:
    """Nodes that are alike.

    Attributes:
        kind: ``data``, ``process`` or ``result``.
        title: first line.
        second: second line; may be empty.
        about: what is said of it when it is chosen.
        count: how many nodes it stands for.
    """

    kind: str
    title: str
    second: str = ""
    about: str = ""
    count: int = 1


@dataclass
class Lineage:
    """Boxes, and arrows from what is given to what is made of it, by the places of the boxes."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[tuple[int, int]] = field(default_factory=list)
    note: str = ""


def lineage_of(process: Any) -> Lineage:
    """Return the graph of what a process gave out, back to where it begins."""
    ends = _results_of(process)
    found = read_upstream(ends)
    if len(found.inputs) > MAX_PROCESSES:
        note = (
            f"{len(found.inputs)} calculations: too many for a picture; `aiida-dismai trace {process.pk}` lists them."
        )
        return Lineage(note=note)
    return collapse(found, {end.pk for end in ends}, seconds=_held(found))


def collapse(found: Upstream, ends: set[int], seconds: Mapping[int, str]) -> Lineage:
    """Put what is alike into one box.

    Args:
        found: the graph.
        ends: PKs of the results.
        seconds: second lines of data, by PK.
    """
    kept = {row.pk for row in found.data if row.pk in ends or not _left_out(row, row.pk in found.made_by)}
    keys: dict[int, int] = {}
    numbers: dict[Any, int] = {}
    members: list[list[int]] = []
    arrows: set[tuple[int, int]] = set()
    for row in _from_the_start(found, kept):
        if row.is_process:
            given = frozenset(keys[pk] for _, pk in found.inputs[row.pk] if pk in kept)
            key: Any = ("process", _name(row), given)
            sources = given
        elif row.pk in found.made_by:
            maker = keys[found.made_by[row.pk]]
            key, sources = ("data", _name(row), _port(found.made_as[row.pk]), maker), frozenset([maker])
        else:
            key, sources = ("data", _name(row), row.label or str(row.pk)), frozenset()
        number = keys[row.pk] = numbers.setdefault(key, len(numbers))
        if number == len(members):
            members.append([])
        members[number].append(row.pk)
        arrows |= {(source, number) for source in sources}
    boxes = [_box(found, pks, ends, seconds) for pks in members]
    return Lineage(boxes, sorted(arrows))


def _from_the_start(found: Upstream, kept: set[int]) -> Iterable[Row]:
    """Return data and calculations so that each comes after all that it was made from."""
    done: set[int] = set()
    order: list[Row] = []
    for start in sorted(kept):
        stack = [start]
        while stack:
            pk = stack[-1]
            if pk in done:
                stack.pop()
                continue
            row = found.rows[pk]
            before = [p for _, p in found.inputs[pk] if p in kept] if row.is_process else _maker(found, pk)
            waiting = [p for p in before if p not in done]
            if waiting:
                stack += waiting
                continue
            done.add(pk)
            order.append(row)
            stack.pop()
    return order


def _maker(found: Upstream, pk: int) -> list[int]:
    return [found.made_by[pk]] if pk in found.made_by else []


def _left_out(row: Row, made: bool) -> bool:
    """Whether data are left out: parameters, but not what a calculation found; codes and files of jobs in any case."""
    from ..dft import engines

    name = _name(row)
    potentials = tuple(start for engine in engines() for start in engine.potential_types)
    if made and name not in FILES:
        return False
    return name in LEFT_OUT or "Code" in name or row.node_type.startswith(potentials)


def _name(row: Row) -> str:
    if row.is_process:
        return row.name or "process"
    return row.node_type.rstrip(".").rpartition(".")[2] or "data"


def _port(port: str) -> str:
    """Return the name of an output without the number of the model or chunk."""
    return port.rstrip("0123456789").rstrip("_")


def _box(found: Upstream, pks: Sequence[int], ends: set[int], seconds: Mapping[int, str]) -> Box:
    row = found.rows[pks[0]]
    many = f" × {len(pks)}" if len(pks) > 1 else ""
    named = ", ".join(str(pk) for pk in pks[:NAMED]) + (" …" if len(pks) > NAMED else "")
    about = f"{_name(row)}: PK {named}; UUID {row.uuid}" + (" and others" if len(pks) > 1 else "")
    if row.is_process:
        return Box("process", _name(row).removesuffix("Calculation") + many, "", about, len(pks))
    title = _port(found.made_as[row.pk]) if row.pk in found.made_as else row.label or _name(row)
    held = seconds.get(row.pk, _name(row))
    kind = "result" if ends.intersection(pks) else "data"
    return Box(kind, visible(title.replace("_", " "), 60) + many, held, f"{about}; {held}", len(pks))


def _results_of(process: Any) -> list[Any]:
    from aiida.common.links import LinkType

    links = process.base.links.get_outgoing(link_type=(LinkType.RETURN, LinkType.CREATE)).all()
    return list({link.node.pk: link.node for link in links}.values())


def _held(found: Upstream) -> dict[int, str]:
    """Return what data hold, in a few words: a query for each kind."""
    from aiida.orm import QueryBuilder, StructureData

    from ..data import GeneratorData, PotentialData, StructureSetData
    from .upstream import batches

    said: dict[int, str] = {}
    asked = (
        (StructureSetData, "count", "{} structures"),
        (PotentialData, "architecture", "{} potential"),
        (GeneratorData, "model", "{} generator"),
    )
    for kind, attribute, text in asked:
        of_kind = [row.pk for row in found.data if _name(row) == kind.__name__]
        for batch in batches(of_kind):
            query = QueryBuilder().append(
                kind, filters={"id": {"in": batch}}, project=["id", f"attributes.{attribute}"]
            )
            said |= {pk: text.format(visible(value, 40)) for pk, value in query.iterall()}
    for batch in batches(row.pk for row in found.data if _name(row) == "StructureData"):
        query = QueryBuilder().append(StructureData, filters={"id": {"in": batch}}, project="*")
        said |= {node.pk: visible(node.get_formula(), 40) for node in query.all(flat=True)} if len(batch) < 50 else {}
    return said


# ---------------------------------------------------------------------- as a picture
def to_svg(lineage: Lineage) -> str:
    """Return the graph as SVG, from left to right; boxes and arrows are numbered for the script of the page."""
    if not lineage.boxes:
        return ""
    placed = place(len(lineage.boxes), lineage.arrows)
    parts = [_arrow(path, start, end) for (start, end), path in _paths(placed).items()]
    parts += [_drawn(box, i, placed) for i, box in enumerate(lineage.boxes)]
    width = (placed.columns - 1) * (WIDTH + BETWEEN) + WIDTH + 40
    height = placed.rows * (HEIGHT + ABOVE) + 40
    marker = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
    )
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="provenance graph">{marker}'
        f"<g>{''.join(parts)}</g></svg>"
    )


def _corner(column: int, row: float) -> tuple[float, float]:
    return 20 + column * (WIDTH + BETWEEN), 20 + row * (HEIGHT + ABOVE)


def _paths(placed: Placed) -> dict[tuple[int, int], str]:
    """Return the lines of the arrows: through the empty places between the columns that they cross."""
    paths = {}
    for arrow, stations in placed.routes.items():
        (x, y) = _corner(*stations[0])
        x, y = x + WIDTH, y + HEIGHT / 2
        line = f"M{x:.0f} {y:.0f}"
        for i, station in enumerate(stations[1:], start=1):
            right, down = _corner(*station)
            down += HEIGHT / 2
            middle = (x + right) / 2
            line += f" C{middle:.0f} {y:.0f} {middle:.0f} {down:.0f} {right:.0f} {down:.0f}"
            x, y = right, down
            if i < len(stations) - 1:
                x += WIDTH
                line += f" L{x:.0f} {y:.0f}"
        paths[arrow] = line
    return paths


def _arrow(path: str, start: int, end: int) -> str:
    return f'<path class="arrow" data-from="{start}" data-to="{end}" d="{path}" marker-end="url(#tip)"/>'


def _drawn(box: Box, i: int, placed: Placed) -> str:
    x, y = _corner(*placed.at[i])
    title, second, about = (html.escape(_cut(text)) for text in (box.title, box.second, ""))
    about = html.escape(visible(box.about, 400))
    lines = f'<text x="{x + 10:.0f}" y="{y + (18 if second else 26):.0f}">{title}</text>'
    if second:
        lines += f'<text class="second" x="{x + 10:.0f}" y="{y + 33:.0f}">{second}</text>'
    radius = 3 if box.kind == "process" else 16
    rect = f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="{radius}"/>'
    return f'<g class="node {box.kind}" data-box="{i}" tabindex="0"><title>{about}</title>{rect}{lines}</g>'


def _cut(text: str) -> str:
    text = visible(text, 200)
    return text if len(text) <= LINE else text[: LINE - 1] + "…"
