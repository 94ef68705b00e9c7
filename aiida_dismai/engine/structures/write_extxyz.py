"""Writing extended XYZ with every digit, so that every property is read back as it was, by ``extxyz`` and by ASE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import BadInput
from ..files import write_atomically
from ..text import visible
from .container import StructureSet
from .conventions import ev_from_gpa
from .frames import NOTE_KEY, SHAPES_KEY, UNITS_KEY
from .header import JSON, format_value, quote, word
from .properties import unit_of

KINDS = {"f": "R", "i": "I", "u": "I", "b": "L", "U": "S"}


def write_extxyz(structures: StructureSet, path: Path | str, note: str = "") -> None:
    """Write extended XYZ (ASE's own writer keeps eight decimals), atomically.

    Stress is written in eV/Å³, the unit that readers of extxyz expect; units that readers cannot know, and shapes of
    atoms' properties beyond a vector, go into keys of ours.

    Args:
        structures: what is written.
        path: of the file.
        note: for readers of the file, beside each structure; our own reader takes it for no property.

    Raises:
        BadInput: no structures, or a property of atoms that columns cannot hold.
    """
    if not len(structures):
        raise BadInput(f"{visible(path)}: there are no structures to write")
    about = _about(structures) + ([f"{NOTE_KEY}={quote(visible(note))}"] if note else [])

    def write(handle: BinaryIO) -> None:
        from ase.data import chemical_symbols

        symbols = np.array(chemical_symbols)
        for i in range(len(structures)):
            handle.write(_frame(structures, i, symbols, about).encode())

    write_atomically(path, write)


def _about(structures: StructureSet) -> list[str]:
    """Return the keys that say what the format itself cannot."""
    units, shapes = {}, {}
    for name, prop in structures.properties.items():
        if prop.unit != unit_of(name):
            units[name] = prop.unit
        if prop.level == "structure":
            continue
        item = prop.values.shape[1:]
        if len(item) > 1 or item == (1,):
            shapes[name] = list(item)
        if 0 in item or (prop.values.dtype.kind == "U" and not all(_is_word(x) for x in prop.values.ravel().tolist())):
            raise BadInput(
                f"property '{name}' of the atoms is empty, or a text with spaces: extxyz cannot hold it; write npz, or "
                "leave it out"
            )
    return [
        f"{key}={quote(f'{JSON} {json.dumps(content)}')}"
        for key, content in ((UNITS_KEY, units), (SHAPES_KEY, shapes))
        if content
    ]


def _is_word(text: str) -> bool:
    return bool(text) and text.isprintable() and len(text.split()) == 1


def _frame(structures: StructureSet, i: int, symbols: Any, about: list[str]) -> str:
    own = structures.atoms_of(i)
    columns: list[list[str]] = [symbols[structures.numbers[own]].tolist()]
    layout = ["species:S:1"]

    def add(name: str, values: Any) -> None:
        values = np.asarray(values)
        flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
        layout.append(f"{name}:{KINDS[values.dtype.kind]}:{flat.shape[1]}")
        columns.extend([item if isinstance(item, str) else word(item) for item in column] for column in flat.T.tolist())

    add("pos", structures.positions[own])
    header = []
    for name, prop in structures.properties.items():
        if prop.level == "atom":
            add(name, prop.values[own])
        elif name == "stress":  # in column order, like all matrices
            header.append('stress="' + " ".join(ev_from_gpa(prop.values[i].T)) + '"')
        else:
            header.append(f"{name}={format_value(prop.values[i], name)}")
    lattice = " ".join(word(float(x)) for x in structures.cells[i].ravel())
    pbc = " ".join("T" if flag else "F" for flag in structures.pbc[i])
    header = [f'Lattice="{lattice}"', f"Properties={':'.join(layout)}", f'pbc="{pbc}"', *header, *about]
    rows = "".join(" ".join(row) + "\n" for row in zip(*columns, strict=True))
    return f"{len(columns[0])}\n{' '.join(header)}\n{rows}"
