"""What anyone can register with the project by an entry point: generative models and calculators, ours like anyone's.

An entry point names a small object, a spec, whose module imports no torch, so that the AiiDA host can read it. What a
spec needs besides, it names as ``module:name``, and is imported when it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Protocol, TypeVar

from .errors import BadInput, nearest
from .parameters import Parameters
from .text import visible


class Spec(Protocol):
    """What all specs have."""

    @property
    def name(self) -> str:
        """The name of the entry point."""
        ...

    @property
    def summary(self) -> str:
        """One line for lists."""
        ...


SpecType = TypeVar("SpecType", bound=Spec)


@dataclass(frozen=True)
class Broken:
    """A plug-in that is registered and cannot be used; listed, so that its owner sees why.

    Attributes:
        name: of the entry point.
        summary: the reason.
    """

    name: str
    summary: str


def read_specs(points: Iterable[EntryPoint], kind: type[SpecType]) -> dict[str, SpecType | Broken]:
    """Return what entry points name, by name; a plug-in that fails does not disturb the others."""
    found: dict[str, SpecType | Broken] = {}
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        if point.name in found:
            reason = f"registered twice, the second time as {point.value}; uninstall one"
            found[point.name] = Broken(point.name, f"broken: {reason}")
            continue
        try:
            spec = point.load()
        except Exception as error:  # a foreign module may raise anything when it is imported
            found[point.name] = Broken(point.name, f"broken: {type(error).__name__}: {visible(error)}")
            continue
        if not isinstance(spec, kind):
            reason = f"{point.value} is a {type(spec).__name__}, not a {kind.__name__}"
            found[point.name] = Broken(point.name, f"broken: {reason}")
        elif spec.name != point.name:
            found[point.name] = Broken(point.name, f"broken: calls itself '{visible(spec.name, 60)}' in {point.value}")
        else:
            found[point.name] = spec
    return found


def choose(found: Mapping[str, SpecType | Broken], name: str, what: str) -> SpecType:
    """Return a spec by name.

    Args:
        found: from :func:`read_specs`.
        name: of the entry point.
        what: the specs are of, for the error: ``generative model``.

    Raises:
        BadInput: not registered (names the nearest), or registered and broken (says why).
    """
    spec = found.get(name)
    if spec is None:
        raise BadInput(f"no {what} '{visible(name, 60)}' is registered{nearest(name, found)}")
    if isinstance(spec, Broken):
        raise BadInput(f"{what} '{name}': {spec.summary}")
    return spec


def load(reference: str) -> Any:
    """Import ``module:name``, which a spec names.

    Raises:
        BadInput: there is no such thing, or a library that it needs is not installed.
    """
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInput(f"{reference} cannot be loaded ({error}); `pip install aiida-dismai[engine]`?") from error


def load_parameters(reference: str, where: str) -> type[Parameters]:
    """Import a parameter model, which a spec names.

    Raises:
        BadInput: it is missing, or not a ``Parameters``.
    """
    model = load(reference)
    if not (isinstance(model, type) and issubclass(model, Parameters)):
        raise BadInput(f"{where}: {reference} is not a subclass of Parameters")
    return model
