"""What a report reads from single nodes: arrays, energies, how far structures were relaxed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.potentials.parameters import RelaxParameters
from ..engine.structures import StructureSet
from ..provenance import inputs_of

#: Calculations between a relaxation and the set that a report is given: chunks are joined.
JOINED = 4


def arrays_of(node: Any) -> dict[str, NDArray[Any]]:
    """Return the arrays of an array node by name."""
    return {name: node.get_array(name) for name in node.get_arraynames()}


def energies_of(structures: StructureSet) -> NDArray[Any]:
    """Return the energy per atom of the converged structures, eV; none without energies."""
    if "energy" not in structures.properties:
        return np.array([])
    energies = structures.values("energy") / structures.n_atoms
    good = np.isfinite(energies)
    if "converged" in structures.properties:
        good &= structures.values("converged").astype(bool)
    return np.asarray(energies[good])


def relaxed_until(structures: Any) -> float | None:
    """Return the force (eV/Å) at which the relaxations ended that structures come from; None where none is known."""
    waiting = [structures]
    for _ in range(JOINED):
        makers = list({node.creator.pk: node.creator for node in waiting if node.creator is not None}.values())
        relaxations = [maker for maker in makers if (maker.process_type or "").endswith(":dismai.relax")]
        if relaxations:
            given = inputs_of(relaxations[0]).get("parameters")
            default = RelaxParameters.model_fields["fmax"].default
            return float((given.get_dict() if given is not None else {}).get("fmax", default))
        waiting = [node for maker in makers for node in inputs_of(maker).values() if hasattr(node, "structures")]
    return None
