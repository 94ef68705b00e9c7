"""YAML that people write: overrides, scheduler options, single values.

Read by PyYAML's safe loader, and bounded besides: the size of the file, the depth, and the number of values once all
aliases are written out (nine lines of aliases can stand for a billion values). A key that appears twice is refused,
because YAML would silently keep the last one. ``1e-3`` is a number here, as everywhere but in YAML 1.1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ...engine.errors import BadInput

#: Bytes of a file; overrides have a few hundred.
MAX_BYTES = 1_000_000
#: Values, once aliases are written out.
MAX_VALUES = 100_000
MAX_DEPTH = 40
#: Characters of a number: in YAML 1.1, digits with colons are one to the base of 60.
MAX_DIGITS = 100


class _Loader(yaml.SafeLoader):
    """The safe loader, to which numbers without a decimal point but with an exponent are numbers."""


_Loader.add_implicit_resolver(  # type: ignore[no-untyped-call]
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_mapping(file: str | Path, what: str) -> dict[str, Any]:
    """Return the mapping in a YAML file; an empty file is an empty one.

    Args:
        file: its path.
        what: says in the errors what the file should hold, for instance ``overrides``.

    Raises:
        BadInput: unreadable, too large, not YAML, a key that appears twice, or no mapping of names to values.
    """
    path = Path(file)
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as text ({error})") from error
    if len(content) > MAX_BYTES:
        raise BadInput(f"{path}: larger than {MAX_BYTES // 1_000_000} MB; {what} are a short mapping in YAML")
    found = parse(text, str(path))
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadInput(f"{path}: {what} must be a mapping of names to values, not {_kind(found)}")
    return found


def parse(text: str, where: str) -> Any:
    """Return what a YAML text stands for.

    Args:
        text: one document.
        where: named in the errors.

    Raises:
        BadInput: not YAML, a key that appears twice or that is no name, or more than the bounds of this module.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _count(node, where, {}, ())
            return loader.construct_document(node)  # type: ignore[no-untyped-call]
        finally:
            loader.dispose()  # type: ignore[no-untyped-call]
    except yaml.YAMLError as error:
        raise BadInput(f"{where}: not readable as YAML ({_reason(error)})") from error
    except RecursionError as error:
        raise BadInput(f"{where}: nested more than {MAX_DEPTH} levels deep") from error
    except (ValueError, OverflowError) as error:  # a number of ten thousand digits, the 31st of February
        raise BadInput(f"{where}: holds a value that cannot be read ({error})") from error


def _count(node: yaml.Node, where: str, known: dict[int, int], above: tuple[int, ...]) -> int:
    """Return how many values a node stands for, and check it.

    Args:
        node: of the composed document, in which an alias is the same object again.
        where: named in the errors.
        known: counts by ``id`` of the nodes; filled.
        above: the nodes that hold this one.
    """
    if id(node) in above:
        raise BadInput(f"{where}: line {_line(node)} refers to itself")
    if len(above) > MAX_DEPTH:
        raise BadInput(f"{where}: nested more than {MAX_DEPTH} levels deep in line {_line(node)}")
    if id(node) not in known:
        inside: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            _check_keys(node, where)
            inside = [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            inside = node.value
        elif node.tag.rpartition(":")[2] in ("int", "float") and len(node.value) > MAX_DIGITS:
            raise BadInput(f"{where}: line {_line(node)}: a number of {len(node.value)} characters")
        known[id(node)] = 1 + sum(_count(child, where, known, (*above, id(node))) for child in inside)
    if known[id(node)] > MAX_VALUES:
        raise BadInput(f"{where}: stands for more than {MAX_VALUES} values once its aliases are written out")
    return known[id(node)]


def _check_keys(node: yaml.MappingNode, where: str) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise BadInput(f"{where}: line {_line(key)}: a name must be a word, not {_kind(key)}")
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.value in seen:
            raise BadInput(
                f"{where}: '{key.value}' appears twice, in the lines {seen[key.value]} and {_line(key)}; only the "
                "last would count"
            )
        seen[key.value] = _line(key)


def _reason(error: yaml.YAMLError) -> str:
    """Return what PyYAML says, in one line and without its name for a text."""
    return " ".join(str(error).replace('in "<unicode string>", ', "").split())


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _kind(value: Any) -> str:
    if isinstance(value, (list, yaml.SequenceNode)):
        return "a list"
    return "a mapping" if isinstance(value, (dict, yaml.MappingNode)) else f"'{str(value)[:40]}'"
