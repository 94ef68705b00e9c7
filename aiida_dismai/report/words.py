"""A node in one phrase: what it holds, in words that need no knowledge of its class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.text import visible

#: Characters of a phrase at most.
PHRASE = 240
#: Characters of a checksum that are shown.
HASH = 12


def named(node: Any) -> str:
    """Return class (of a process its label) and PK.

    Example:
        >>> from types import SimpleNamespace
        >>> named(SimpleNamespace(pk=7, process_label="RelaxCalculation"))
        'RelaxCalculation<7>'
    """
    return f"{visible(getattr(node, 'process_label', None) or type(node).__name__, 60)}<{node.pk}>"


def phrase(node: Any) -> str:
    """Return what a data node holds; nothing in it is executed, and what is odd in it is said."""
    try:
        return visible(_phrase(node), PHRASE)
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        return f"cannot be read ({visible(type(error).__name__, 40)})"


def _phrase(node: Any) -> str:
    from aiida import orm

    from ..data import ClusterExpansionData, GeneratorData, PotentialData, StructureSetData

    attributes = node.base.attributes
    if isinstance(node, StructureSetData):
        of = node.formulas
        said = f"{len(node)} structures of {', '.join(of[:2])}{' …' if len(of) > 2 else ''}"
        return f"{said} (content {node.content_hash[:HASH]}…)"
    if isinstance(node, orm.StructureData):
        return f"crystal {node.get_formula()}, {len(node.sites)} atoms"
    if isinstance(node, PotentialData):
        architecture = attributes.get("architecture", "potential")
        return f"{architecture} for {', '.join(attributes.get('elements', []))}{_training(attributes)}"
    if isinstance(node, GeneratorData):
        return f"{node.model} (version {attributes.get('model_version', '?')}){_training(attributes)}"
    if isinstance(node, ClusterExpansionData):
        return f"cluster expansion {attributes.get('name', '')}: {attributes.get('source', '')}"
    if isinstance(node, orm.AbstractCode):
        return f"{node.full_label}: {node.get_executable()}"
    if isinstance(node, (orm.Int, orm.Float, orm.Str, orm.Bool)):
        return str(node.value)
    if isinstance(node, orm.Dict):
        values = attributes.all
        task = values.get("task")
        return f"results of {task}" if isinstance(task, str) else flat_text(values)
    if isinstance(node, orm.ArrayData):
        return f"arrays {', '.join(sorted(node.get_arraynames()))}"
    if isinstance(node, orm.SinglefileData):
        return f"file {node.filename}"
    if isinstance(node, orm.FolderData):
        return f"{len(node.base.repository.list_object_names())} files"
    if attributes.get("symbol", None):
        return f"potential {attributes.get('symbol')} by hash"
    return type(node).__name__


def _training(attributes: Any) -> str:
    """Return what weights were trained on: their configuration has a checksum, or an object with one."""
    found = attributes.get("trained_on", None)
    about = found if isinstance(found, Mapping) else {"content_hash": found}
    count, digest, seed = about.get("n_structures"), about.get("content_hash"), attributes.get("seed", None)
    parts: list[str] = []
    if count is not None or isinstance(digest, str):
        size = "" if count is None else f" {count} structures"
        parts.append(f"trained on{size}{f' (content {digest[:HASH]}…)' if isinstance(digest, str) else ''}")
    if seed is not None:
        parts.append(f"seed {seed}")
    return f", {', '.join(parts)}" if parts else ""


def flat_text(values: Mapping[str, Any], limit: int = 12) -> str:
    """Return nested values in one line.

    Example:
        >>> flat_text({"fmax": 0.05, "calculator_kwargs": {"file": "a.json"}})
        'fmax 0.05, calculator_kwargs.file a.json'
    """
    parts: list[str] = []
    for path, value in flat(values):
        if len(parts) == limit:
            return f"{', '.join(parts)}, …"
        parts.append(f"{visible(path, 60)} {visible(value, 60)}")
    return ", ".join(parts)


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings with their paths, joined by dots; an empty mapping is a leaf."""
    waiting: list[tuple[str, Any]] = [(before, values)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping) and (value or not path):
            inner = [(f"{path}.{name}" if path else str(name), item) for name, item in value.items()]
            waiting += reversed(inner)
        else:
            yield path, value
