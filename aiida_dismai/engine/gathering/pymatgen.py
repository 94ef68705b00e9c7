"""Structures as pymatgen writes them in JSON, read as plain data: what they say of classes is not imported."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from ..structures import StructureSet
from ..structures.source import open_bytes
from ..text import visible
from ..untrusted import Limits, read_json

#: A thousand structures of a thousand atoms are some hundred megabytes.
LIMITS = Limits(size=512 * 2**20, values=60_000_000)


def is_pymatgen(path: Path) -> bool:
    """Say whether the beginning of a JSON file looks like a structure, or a list of structures, of pymatgen."""
    with open_bytes(path) as handle:
        start = handle.read(4096).decode("utf-8", errors="replace").lstrip()
    return start.startswith(("[", "{")) and any(mark in start for mark in ('"lattice"', '"@module"', '"@class"'))


def read_pymatgen(path: Path) -> Iterator[StructureSet | BadInput]:
    """Yield each structure of a file, or why it cannot be used.

    Raises:
        BadInput: no JSON, or neither a structure nor a list (or an object with a list) of them.
    """
    content = io.BytesIO()
    with open_bytes(path) as handle:
        while block := handle.read(2**20):
            content.write(block)
            if content.tell() > LIMITS.size:
                raise BadInput(f"{visible(path)}: more than {LIMITS.size // 2**20} MiB of JSON; convert it to extxyz")
    found = read_json(content.getvalue(), path, LIMITS)
    for index, item in enumerate(_listed(found, path)):
        where = f"{visible(path)}: structure {index}"
        try:
            yield _structure(item, where)
        except BadInput as error:
            yield error
        except (KeyError, TypeError, ValueError, IndexError) as error:
            yield BadInput(f"{where}: not a structure of pymatgen ({type(error).__name__}: {visible(error, 80)})")


def _listed(found: Any, path: Path) -> list[Any]:
    if isinstance(found, list):
        return found
    if isinstance(found, dict) and "sites" in found:
        return [found]
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        if len(lists) == 1 and lists[0]:
            return list(lists[0])
    raise BadInput(f"{visible(path)}: neither a structure of pymatgen nor a list of them")


def _structure(item: Any, where: str) -> StructureSet:
    from ase.data import atomic_numbers

    if isinstance(item, Mapping) and isinstance(item.get("structure"), Mapping):
        item = item["structure"]
    if not isinstance(item, Mapping) or "lattice" not in item:
        raise BadInput(f"{where}: has no lattice")
    cell = np.array(item["lattice"]["matrix"], dtype=float).reshape(3, 3)
    numbers, positions = [], []
    for place, site in enumerate(item["sites"]):
        species = site["species"]
        if len(species) != 1 or float(species[0].get("occu", 1)) != 1.0:
            raise BadInput(f"{where}: site {place} has a partial occupancy; order the structure first")
        symbol = str(species[0]["element"])
        if symbol not in atomic_numbers or symbol == "X":
            raise BadInput(f"{where}: site {place}: '{visible(symbol, 20)}' is not an element")
        numbers.append(atomic_numbers[symbol])
        positions.append(np.array(site["abc"], dtype=float) @ cell if "abc" in site else np.array(site["xyz"], float))
    if not numbers:
        raise BadInput(f"{where}: has no sites")
    pbc = item["lattice"].get("pbc", [True, True, True])
    return StructureSet(numbers, np.array(positions), cell[None], [pbc], [0, len(numbers)])
