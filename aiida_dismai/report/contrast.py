"""Two nodes beside each other: whether they hold the same, and what differs, in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..engine.text import visible
from .upstream import batches
from .words import HASH, flat, phrase

#: Entries of results that a second run of the same thing changes: how long it took and what it ran on.
CIRCUMSTANCES = (
    "timings",
    "versions",
    "device",
    "structures_per_second",
    "structures_per_minute",
    "peak_memory_mb",
    "workers",
    "warnings",
)
#: Differences of one pair that are listed.
LISTED = 12
#: Node types that say where something lay, not what it is.
PLACES = ("data.core.remote.",)


def digests(pks: Iterable[int]) -> dict[int, str]:
    """Return a checksum of the content of data nodes: equal where two nodes hold the same.

    Structure sets and weights have one of their own; of codes count label, program and computer; of results what is no
    circumstance of the run; a folder on a remote computer is the same as any other.
    """
    from aiida.orm import Data, QueryBuilder

    found: dict[int, str] = {}
    codes: list[int] = []
    for batch in batches(pks):
        query = QueryBuilder().append(
            Data, filters={"id": {"in": batch}}, project=["id", "node_type", "attributes", "repository_metadata"]
        )
        for pk, kind, attributes, files in query.iterall():
            if kind.startswith("data.core.code."):
                codes.append(pk)
            found[pk] = _digest(kind, attributes or {}, files or {})
    return found | _of_codes(codes)


def _digest(kind: str, attributes: Mapping[str, Any], files: Any) -> str:
    if kind.startswith(PLACES):
        return kind
    own = attributes.get("content_hash") or attributes.get("sha256")
    if kind.startswith("data.dismai.") and own:
        return _hashed(kind, own)
    if isinstance(attributes.get("task"), str):
        attributes = {name: value for name, value in attributes.items() if name not in CIRCUMSTANCES}
    return _hashed(kind, attributes, files)


def _of_codes(pks: Iterable[int]) -> dict[int, str]:
    from aiida.orm import AbstractCode, Computer, QueryBuilder

    found = {}
    for batch in batches(pks):
        query = QueryBuilder().append(
            AbstractCode, filters={"id": {"in": batch}}, project=["id", "label", "attributes"], tag="code"
        )
        query.append(Computer, with_node="code", project=["label", "hostname"])
        for pk, label, attributes, computer, host in query.iterall():
            program = (attributes or {}).get("filepath_executable")
            found[pk] = _hashed("code", label, program, computer, host)
    return found


def _hashed(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def contrast(one: Any, other: Any) -> list[str]:
    """Return in what two data nodes of one kind differ, a line each; at least one line."""
    from aiida import orm

    from ..data import StructureSetData
    from ..data.weights import WeightsData

    compared: tuple[tuple[Any, Callable[[Any, Any], Iterator[str]]], ...] = (
        (StructureSetData, _sets),
        (WeightsData, _weights),
        (orm.AbstractCode, _codes),
        (orm.StructureData, _crystals),
        (orm.ArrayData, _arrays),
        (orm.Data, _attributes),
    )
    try:
        if type(one) is not type(other):
            lines = [f"{type(one).__name__}, and {type(other).__name__}"]
        else:
            lines = list(next(compare for kind, compare in compared if isinstance(one, kind))(one, other))
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        lines = [f"their content cannot be compared ({visible(type(error).__name__, 40)})"]
    if len(lines) > LISTED:
        lines = [*lines[:LISTED], f"and {len(lines) - LISTED} more"]
    return lines or [f"content: {phrase(one)}, and {phrase(other)}"]


def values(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yield the entries in which two nested mappings differ: ``fmax: 0.05, and 0.1``."""
    first, second = dict(flat(one)), dict(flat(other))
    for name in dict.fromkeys([*first, *second]):
        a, b = first.get(name, "not given"), second.get(name, "not given")
        if a != b:
            yield f"{visible(name, 80)}: {visible(a, 100)}, and {visible(b, 100)}"


def _attributes(one: Any, other: Any) -> Iterator[str]:
    kept = ({k: v for k, v in node.base.attributes.all.items() if k not in CIRCUMSTANCES} for node in (one, other))
    yield from values(*kept)


def _weights(one: Any, other: Any) -> Iterator[str]:
    """Yield in what the configurations differ: hyper-parameters, seed, what was learnt from; else the weights."""
    left_out = ("sha256", *CIRCUMSTANCES)
    kept = ({name: value for name, value in node.config.items() if name not in left_out} for node in (one, other))
    lines = list(values(*kept))
    yield from lines
    if not lines:
        files = (node.base.attributes.get("sha256", {}) for node in (one, other))
        shortened = ({name: f"SHA-256 {digest[:HASH]}…" for name, digest in of.items()} for of in files)
        yield from values(*shortened)


def _codes(one: Any, other: Any) -> Iterator[str]:
    about = [
        {
            "label": node.full_label,
            "program": str(node.get_executable()),
            "hostname": node.computer.hostname if node.computer is not None else "",
        }
        for node in (one, other)
    ]
    yield from values(*about)


def _crystals(one: Any, other: Any) -> Iterator[str]:
    if one.get_formula() != other.get_formula():
        yield f"formula: {one.get_formula()}, and {other.get_formula()}"
        return
    cells = [np.asarray(node.cell) for node in (one, other)]
    if not np.array_equal(cells[0], cells[1]):
        yield f"cells, by up to {np.abs(cells[0] - cells[1]).max():.3g} Å"
    sites = [np.array([site.position for site in node.sites]) for node in (one, other)]
    if sites[0].shape == sites[1].shape and not np.array_equal(sites[0], sites[1]):
        yield f"positions, by up to {np.abs(sites[0] - sites[1]).max():.3g} Å"


def _arrays(one: Any, other: Any) -> Iterator[str]:
    names = [set(node.get_arraynames()) for node in (one, other)]
    for name in sorted(names[0] ^ names[1]):
        yield f"array '{visible(name, 60)}' is only in the {'first' if name in names[0] else 'second'}"
    for name in sorted(names[0] & names[1]):
        a, b = one.get_array(name), other.get_array(name)
        if a.shape != b.shape:
            yield f"array '{visible(name, 60)}': shape {a.shape}, and {b.shape}"
        elif a.dtype.kind == b.dtype.kind == "f" and not np.array_equal(a, b, equal_nan=True):
            yield f"array '{visible(name, 60)}': by up to {np.nanmax(np.abs(a - b)):.3g}"
        elif a.dtype.kind != "f" and not np.array_equal(a, b):
            yield f"array '{visible(name, 60)}': other values"


def _sets(one: Any, other: Any) -> Iterator[str]:
    a, b = one.structures, other.structures
    if len(a) != len(b):
        yield f"structures: {len(a)}, and {len(b)}"
    if set(a.formulas) != set(b.formulas):
        yield f"formulas: {', '.join(sorted(set(a.formulas))[:3])}, and {', '.join(sorted(set(b.formulas))[:3])}"
    for name in sorted(set(a.properties) ^ set(b.properties)):
        yield f"property '{visible(name, 60)}' is only in the {'first' if name in a.properties else 'second'}"
    if len(a) != len(b) or not np.array_equal(a.n_atoms, b.n_atoms) or not np.array_equal(a.numbers, b.numbers):
        return
    if not np.array_equal(a.cells, b.cells):
        yield f"cells, by up to {np.abs(a.cells - b.cells).max():.3g} Å"
    moved = np.abs(a.positions - b.positions).max(axis=1, initial=0.0)
    if moved.any():
        odd = np.unique(a.atom_structure[moved > 0])
        yield f"positions of {len(odd)} of {len(a)} structures (the first: {odd[0]}), by up to {moved.max():.3g} Å"
    for name in sorted(set(a.properties) & set(b.properties)):
        first, second = a.values(name), b.values(name)
        if first.shape != second.shape:
            yield f"property '{visible(name, 60)}': other shapes"
        elif first.dtype.kind == "f" and not np.array_equal(first, second, equal_nan=True):
            yield f"property '{visible(name, 60)}', by up to {np.nanmax(np.abs(first - second)):.3g}"
        elif first.dtype.kind != "f" and not np.array_equal(first, second):
            yield f"property '{visible(name, 60)}': other values"
