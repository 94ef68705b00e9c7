"""Find the families of structures that are installed, ours and anyone's."""

from __future__ import annotations

from ..parameters import Parameters
from ..plugins import Registry, load_parameters
from .contract import FamilySpec

FAMILIES = Registry("dismai.families", FamilySpec, "family of structures")
registered, names, find = FAMILIES.registered, FAMILIES.names, FAMILIES.find


def made_by(workflow: str) -> FamilySpec | None:
    """Return the family whose data sets a workflow makes, by its entry point; None for any other workflow."""
    families = (find(name) for name in names())
    return next((family for family in families if workflow and family.dataset == workflow), None)


def table_model(spec: FamilySpec) -> type[Parameters]:
    """Import the model of a family's own parameters; that of a family without any refuses all names.

    Raises:
        BadInput: it is missing, or not a ``Parameters``.
    """
    return load_parameters(spec.parameters, f"family '{spec.name}'") if spec.parameters else Parameters
