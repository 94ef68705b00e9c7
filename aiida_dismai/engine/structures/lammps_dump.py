"""LAMMPS dumps in text: every time step a structure, elements from a column or from masses, or as given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..text import visible
from .container import StructureSet
from .elements import atomic_numbers
from .extxyz import MAX_ATOMS
from .frames import Frame, join_many
from .lammps_types import AtomTypes
from .source import Lines, open_bytes

#: Columns of coordinates, and whether they are shares of the box.
COORDINATES = (
    (("xu", "yu", "zu"), False),
    (("x", "y", "z"), False),
    (("xsu", "ysu", "zsu"), True),
    (("xs", "ys", "zs"), True),
)
UNITS = ("metal", "real")


def is_lammps_dump(path: Path) -> bool:
    """Say whether a file is a LAMMPS dump, by its first line, whatever its name."""
    try:
        with open_bytes(path) as handle:
            return handle.read(14).startswith((b"ITEM: TIMESTEP", b"ITEM: UNITS", b"ITEM: TIME"))
    except (OSError, EOFError, BadInput):
        return False


def read_lammps_dump(path: Path, element: str | None = None) -> StructureSet:
    """Read all time steps; atoms are in the order of their ids, the time step is the property ``timestep``.

    Forces and other columns are left out: a dump does not say their units.

    Args:
        path: of the file.
        element: symbol of all atoms, where the file has no column ``element``.

    Raises:
        BadInput: unreadable, cut off, or elements that cannot be determined.
    """
    with Lines(path) as lines:
        return join_many(_frames(lines, element))


def _frames(lines: Lines, element: str | None) -> Iterator[Frame]:
    items: dict[str, Any] = {}
    begun = False
    where = visible(lines.path)
    index = 0
    for line in lines:
        if not line.strip():
            continue
        if not line.startswith("ITEM: "):
            raise lines.refusal(f"'ITEM: …' is expected, not '{visible(line, 60)}'; more atoms than the step says?")
        name = line[6:].strip()
        begun = True
        if name == "UNITS":
            units = (lines.next() or "").strip()
            if units not in UNITS:
                raise lines.refusal(f"units {visible(units, 40)} are not read; only metal and real have lengths in Å")
        elif name in ("TIMESTEP", "NUMBER OF ATOMS"):
            items[name] = _whole(lines)
        elif name == "TIME":
            lines.next()
        elif name.startswith("BOX BOUNDS"):
            items["box"] = _box(lines, name)
        elif name.startswith("ATOMS"):
            if missing := {"NUMBER OF ATOMS", "box", "TIMESTEP"} - set(items):
                raise lines.refusal(f"time step {index} says no {sorted(missing)[0]} before its atoms")
            yield _read_atoms(lines, name.split()[1:], items, f"{where}: time step {items['TIMESTEP']}", element)
            items, begun = {}, False
            index += 1
        else:
            raise lines.refusal(f"ITEM: {visible(name, 60)} is not known")
    if begun:
        raise BadInput(f"{where}: cut off in time step {items.get('TIMESTEP', index)} (line {lines.number})")
    if not index:
        raise BadInput(f"{where}: no time step in this dump")


def _whole(lines: Lines) -> int:
    text = (lines.next() or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise lines.refusal(f"a whole number is expected, not '{visible(text, 60)}'")
    return int(text)


def _box(lines: Lines, name: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the cell (rows are vectors), its origin, and along what it is periodic."""
    words = name.split()[2:]
    flags = [word for word in words if re.fullmatch(r"[pfsm]{2}", word)]
    if "abc" in words:
        raise lines.refusal("general triclinic boxes are not read; dump without `triclinic/general yes`")
    rows = []
    for _ in range(3):
        text = lines.next() or ""
        try:
            rows.append([float(word) for word in text.split()])
        except ValueError as error:
            raise lines.refusal(f"bounds of the box are expected, not '{visible(text, 60)}'") from error
    tilted = "xy" in words
    if any(len(row) != (3 if tilted else 2) for row in rows):
        raise lines.refusal(f"bounds of the box: {'three' if tilted else 'two'} numbers a line are expected")
    bounds = np.array(rows)
    xy, xz, yz = bounds[:, 2] if tilted else (0.0, 0.0, 0.0)
    low, high = bounds[:, 0].copy(), bounds[:, 1].copy()
    # what is written are the bounds of the tilted box along each axis
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    a, b, c = high - low
    pbc = np.array([flag == "pp" for flag in flags]) if len(flags) == 3 else np.ones(3, dtype=bool)
    return np.array([[a, 0, 0], [xy, b, 0], [xz, yz, c]]), low, pbc


def _read_atoms(lines: Lines, columns: list[str], items: dict[str, Any], where: str, element: str | None) -> Frame:
    n = items["NUMBER OF ATOMS"]
    if n > MAX_ATOMS:
        raise BadInput(f"{where}: says {n} atoms; more than {MAX_ATOMS} are not read")
    cell, origin, pbc = items["box"]
    rows = []
    for atom in range(n):
        text = lines.next()
        if text is None or text.startswith("ITEM:"):
            raise BadInput(f"{where}: says {n} atoms, but there are {atom} (line {lines.number})")
        words = text.split()
        if len(words) != len(columns):
            raise lines.refusal(
                f"{len(words)} columns where there should be {len(columns)} ({visible(' '.join(columns), 80)})"
            )
        rows.append(words)
    named = {name: [row[i] for row in rows] for i, name in enumerate(columns)}
    chosen = next((item for item in COORDINATES if set(item[0]) <= set(columns)), None)
    if chosen is None:
        raise BadInput(f"{where}: no coordinates among its columns; dump x y z, xu yu zu or xs ys zs")
    try:
        positions = np.array([[float(word) for word in named[axis]] for axis in chosen[0]]).T.reshape(n, 3)
        ids = np.array([int(word) for word in named["id"]]) if "id" in named else np.arange(n)
    except ValueError as error:
        raise BadInput(f"{where}: {visible(error, 80)} among the coordinates or ids") from error
    if len(np.unique(ids)) != n:
        raise BadInput(f"{where}: two atoms have one id")
    positions = positions @ cell if chosen[1] else positions - origin
    order = np.argsort(ids, kind="stable")
    numbers = np.array(_numbers(named, where, element), dtype=np.int64)
    info = {"timestep": items["TIMESTEP"]}
    frame = Frame(where, numbers[order], positions[order], cell, pbc, info)
    frame.require_lattice()
    return frame


def _numbers(named: dict[str, list[str]], where: str, element: str | None) -> list[int]:
    if "element" in named:
        symbols = named["element"]
        if element is not None and set(symbols) != {element}:
            raise BadInput(
                f"{where}: its elements are {', '.join(sorted(set(symbols))[:5])}, not {element} as 'element' says"
            )
        return atomic_numbers(symbols, where)
    if "mass" in named and "type" in named:
        types = AtomTypes(
            where, masses={int(kind): float(mass) for kind, mass in zip(named["type"], named["mass"], strict=True)}
        )
        symbols_by_type = {kind: types.symbol(int(kind), element) for kind in set(named["type"])}
        return atomic_numbers([symbols_by_type[kind] for kind in named["type"]], where)
    if element is not None and len(set(named.get("type", ["1"]))) == 1:
        return atomic_numbers([element] * len(next(iter(named.values()), [])), where)
    kinds = ", ".join(sorted(set(named.get("type", ["?"])))[:5])
    raise BadInput(
        f"{where}: which elements are the atom types {kinds}? A dump says it only in a column 'element': write one "
        "(dump … "
        "custom … id type element x y z; dump_modify … element Si O)"
    )
