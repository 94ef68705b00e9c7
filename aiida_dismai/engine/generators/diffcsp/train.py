"""Training of DiffCSP: its problem for the shared loop."""

from __future__ import annotations

from ...context import Context
from ...structures import StructureSet
from ..contract import Trained
from ..trainable import count_parameters
from ..training.loop import fit
from ..training.randomness import seeded_weights
from .config import DiffcspParameters
from .losses import Diffusion


def train(
    structures: StructureSet,
    validation: StructureSet | None,
    parameters: DiffcspParameters,
    context: Context,
    device: str,
) -> Trained:
    """Train DiffCSP; see ``TrainFunction`` for the contract.

    Returns the weights of the epoch with the lowest coordinate loss of the validation structures.

    Raises:
        BadInput: validation structures with other elements.
        Diverged: a loss or a gradient became NaN or infinite; the last good checkpoint is kept.
        OutOfMemory: a batch did not fit; it is named.
        Unfinished: out of time; a checkpoint is written.
    """
    with seeded_weights(context.required_seed()):
        problem = Diffusion(structures, validation, parameters)
    n_parameters = count_parameters(problem.network)
    found = fit(problem, parameters, context, device)
    return Trained(
        weights=found.best,
        trainable_parameters={"network": n_parameters},
        curves=dict(found.curves),
        results=found.results,
        config={"max_z": problem.max_z, "elements": structures.elements},
    )
