"""Find the families of structures that are installed, ours and anyone's."""

from __future__ import annotations

from importlib.metadata import entry_points

from ..parameters import Parameters
from ..plugins import Broken, choose, load, load_parameters, read_specs
from .contract import FamilySpec

__all__ = ["GROUP", "find", "load", "names", "registered", "table_model"]

GROUP = "dismai.families"


def registered() -> dict[str, FamilySpec | Broken]:
    """Return what is registered, by name; a plug-in that fails does not disturb the others."""
    return read_specs(entry_points(group=GROUP), FamilySpec)


def names() -> list[str]:
    """Return the names of the families that can be used."""
    return [name for name, spec in registered().items() if isinstance(spec, FamilySpec)]


def find(name: str) -> FamilySpec:
    """Return a family by name.

    Raises:
        BadInput: not registered (names the nearest), or registered and broken (says why).
    """
    return choose(registered(), name, "family of structures")


def table_model(spec: FamilySpec) -> type[Parameters]:
    """Import the model of a family's own parameters; that of a family without any refuses all names.

    Raises:
        BadInput: it is missing, or not a ``Parameters``.
    """
    return load_parameters(spec.parameters, f"family '{spec.name}'") if spec.parameters else Parameters
