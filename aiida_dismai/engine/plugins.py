"""What anyone can register with the project by an entry point: models, calculators, families, ours like anyone's.

An entry point names a small object, a spec, whose module imports no torch, so that the AiiDA host can read it. What a
spec needs besides, it names as ``module:name``, and is imported when it is used.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

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


class Registry(Generic[SpecType]):
    """What is registered in one group of entry points.

    Args:
        group: of the entry points.
        kind: class of the specs.
        noun: what they are specs of, for errors: ``generative model``.
    """

    def __init__(self, group: str, kind: type[SpecType], noun: str) -> None:
        self.group = group
        self.kind = kind
        self.noun = noun

    def registered(self) -> Mapping[str, SpecType | Broken]:
        """Return what is registered, by name; a plug-in that fails does not disturb the others."""
        return _read(self.group, self.kind, tuple(sys.path))

    def names(self) -> list[str]:
        """Return the names of those that can be used."""
        return [name for name, spec in self.registered().items() if not isinstance(spec, Broken)]

    def find(self, name: str) -> SpecType:
        """Return a spec by name.

        Raises:
            BadInput: not registered (names the nearest), or registered and broken (says why).
        """
        found = self.registered()
        spec = found.get(name)
        if spec is None:
            raise BadInput(f"no {self.noun} '{visible(name, 60)}' is registered{nearest(name, found)}")
        if isinstance(spec, Broken):
            raise BadInput(f"{self.noun} '{name}': {spec.summary}")
        return spec


@functools.lru_cache(maxsize=32)
def _read(group: str, kind: type[SpecType], path: tuple[str, ...]) -> Mapping[str, SpecType | Broken]:
    """Return the specs that the distributions on the path register; reading these takes milliseconds each time."""
    return MappingProxyType(_specs(entry_points(group=group), kind))


def _specs(points: Iterable[EntryPoint], kind: type[SpecType]) -> dict[str, SpecType | Broken]:
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


def import_name(reference: str) -> Any:
    """Import ``module:name``; raises what Python raises."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def load(reference: str) -> Any:
    """Import ``module:name``, which a spec names.

    Raises:
        BadInput: there is no such thing, or a library that it needs is not installed.
    """
    try:
        return import_name(reference)
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
