"""Energies of generated structures beside those of the training set."""

from __future__ import annotations

from typing import Any

from ..descriptors.distributions import compare
from .collect import Collected
from .reference import Reference


def energy_results(generated: Collected, reference: Reference) -> dict[str, Any]:
    """Describe how energies are distributed.

    Args:
        generated: the structures analysed.
        reference: the training set.

    Returns:
        ``energy_per_atom`` (eV): :func:`~..descriptors.distributions.compare`. An empty dictionary when the generated
        structures have no energies.
    """
    if generated.energy_per_atom is None:
        return {}
    return {"energy_per_atom": compare(generated.energy_per_atom, reference.energy_per_atom)}
