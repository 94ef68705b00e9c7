"""Protocols: named sets of inputs, ``paper``, ``moderate`` and ``demo``, in one YAML file per WorkChain.

A file holds ``default_protocol``, ``default_inputs`` (what all protocols share) and ``protocols`` (what
each one changes, with a ``description``). What differs for a kind of structures is under ``kinds`` in either, and
is laid over the rest where that kind is asked for. Overrides of the user come last; a name that the WorkChain
does not have is refused with the nearest right one.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ...engine.errors import BadInput, nearest

FOLDER = Path(__file__).parent


#: Keys of a table by element or by pair of elements: ``Li``, ``Li-O``.
ELEMENTS = re.compile(r"[A-Z][a-z]?(-[A-Z][a-z]?)?")


def is_table(value: Any) -> bool:
    """Whether a mapping is a table by element or pair of elements, such as a composition or minimum distances."""
    return isinstance(value, Mapping) and bool(value) and all(ELEMENTS.fullmatch(str(key)) for key in value)


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``change`` laid over it, namespace by namespace.

    Lists, values and tables by element are replaced as a whole: another composition is not the sum of both.
    """
    result = dict(copy.deepcopy(dict(base)))
    for key, value in change.items():
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and not is_table(old):
            result[key] = merge(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def read_overrides(file: str | Path) -> Mapping[str, Any]:
    """Return the overrides in a YAML file.

    Raises:
        BadInput: unreadable, or no mapping.
    """
    path = Path(file)
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: not readable as YAML ({error})") from error
    if not isinstance(content, Mapping):
        raise BadInput(f"{path}: overrides must be a mapping of names to values")
    return content


class ProtocolMixin:
    """Gives a WorkChain its protocols; the class names its file in ``_protocol_file``."""

    _protocol_file: ClassVar[str]

    @classmethod
    def _load_protocols(cls) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load((FOLDER / cls._protocol_file).read_text())
        return content

    @classmethod
    def get_default_protocol(cls) -> str:
        """Return the name of the protocol that is used when none is named."""
        return str(cls._load_protocols()["default_protocol"])

    @classmethod
    def get_available_protocols(cls) -> dict[str, str]:
        """Return the protocols and what they are for."""
        return {name: str(entry["description"]) for name, entry in cls._load_protocols()["protocols"].items()}

    @classmethod
    def get_protocol_inputs(
        cls,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | str | Path | None = None,
        kind: str | None = None,
    ) -> dict[str, Any]:
        """Return the plain inputs of a protocol.

        Args:
            protocol: its name; None takes the default.
            overrides: a mapping, or the path of a YAML file with one, laid over the protocol.
            kind: of the structures, for what the protocol has under ``kinds``.

        Raises:
            BadInput: no such protocol, or an override whose name the protocol does not have.
        """
        content = cls._load_protocols()
        name = protocol or content["default_protocol"]
        if name not in content["protocols"]:
            raise BadInput(f"{cls.__name__}: unknown protocol '{name}'{nearest(str(name), content['protocols'])}")
        chosen = {key: value for key, value in content["protocols"][name].items() if key != "description"}
        inputs = merge(content["default_inputs"], chosen)
        of_kinds = inputs.pop("kinds", {})
        inputs = merge(inputs, of_kinds.get(kind) or {})
        if overrides is None:
            return inputs
        if not isinstance(overrides, Mapping):
            overrides = read_overrides(overrides)
        for key in overrides:
            if key not in inputs:
                raise BadInput(f"{cls.__name__}: unknown override '{key}'{nearest(str(key), inputs)}")
        return merge(inputs, overrides)
