"""Protocols: named sets of inputs, ``paper``, ``moderate`` and ``demo``, in one YAML file per WorkChain.

A file holds ``default_protocol``, ``default_inputs`` (what all protocols share) and ``protocols`` (what
each one changes, with a ``description``). What differs for a kind of structures is under ``kinds`` in either, and
is laid over the rest where that kind is asked for. Overrides of the user come last; a name that the WorkChain
does not have is refused with the nearest right one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from ...engine.errors import BadInput, nearest
from ..problems import Problem, text_of
from .files import read_mapping
from .names import ELEMENTS, Names, Part

FOLDER = Path(__file__).parent


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
        BadInput: unreadable, or no mapping (:func:`~.files.read_mapping`).
    """
    return read_mapping(file, "overrides")


@cache
def _load(file: str) -> dict[str, Any]:
    return read_mapping(FOLDER / file, "protocols")


class ProtocolMixin:
    """Gives a WorkChain its protocols; the class names its file in ``_protocol_file``."""

    _protocol_file: ClassVar[str]
    #: Parts of the protocol that are more than single values (:mod:`.names`).
    _override_names: ClassVar[Mapping[str, Part]] = {}

    @classmethod
    def _load_protocols(cls) -> dict[str, Any]:
        return copy.deepcopy(_load(cls._protocol_file))

    @classmethod
    def _default_inputs(cls) -> dict[str, Any]:
        """Return what all protocols share."""
        inputs: dict[str, Any] = cls._load_protocols()["default_inputs"]
        inputs.pop("kinds", None)
        return inputs

    @classmethod
    def check_overrides(
        cls, overrides: Mapping[str, Any] | str | Path | None
    ) -> tuple[dict[str, Any], tuple[Problem, ...]]:
        """Return the overrides without what the protocol has no place for, and what that is.

        Raises:
            BadInput: a file that cannot be read.
        """
        if overrides is None:
            return {}, ()
        if not isinstance(overrides, Mapping):
            overrides = read_overrides(overrides)
        found: list[Problem] = []
        kept = Names(cls._override_names).clean(overrides, "", found, cls._default_inputs())
        return kept, tuple(found)

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
            BadInput: no such protocol, or overrides whose names, at whatever depth, the protocol does not have.
        """
        content = cls._load_protocols()
        name = protocol or content["default_protocol"]
        if name not in content["protocols"]:
            raise BadInput(f"{cls.__name__}: unknown protocol '{name}'{nearest(str(name), content['protocols'])}")
        chosen = {key: value for key, value in content["protocols"][name].items() if key != "description"}
        inputs = merge(content["default_inputs"], chosen)
        of_kinds = inputs.pop("kinds", {})
        inputs = merge(inputs, of_kinds.get(kind) or {})
        return cls._with_overrides(inputs, overrides)

    @classmethod
    def _with_overrides(
        cls, inputs: Mapping[str, Any], overrides: Mapping[str, Any] | str | Path | None
    ) -> dict[str, Any]:
        kept, found = cls.check_overrides(overrides)
        if found:
            raise BadInput(f"{cls.__name__}: {text_of(found)}")
        return merge(inputs, kept)
