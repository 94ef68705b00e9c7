"""Training of CrysTens: the network of small images, then that of large ones, in one job with one checkpoint."""

from __future__ import annotations

from ...context import Context
from ...structures import StructureSet
from ..contract import Trained
from ..training.randomness import seeded_weights
from ..training.steps import fit_steps
from ..unets.denoising import Denoising, DenoisingBesideSmall
from .config import CrystensParameters
from .data import prepare
from .model import join, networks, parts


def train(
    structures: StructureSet,
    validation: StructureSet | None,
    parameters: CrystensParameters,
    context: Context,
    device: str,
) -> Trained:
    """Train CrysTens; see ``TrainFunction`` for the contract.

    Returns for each network the averaged weights at the validation with the lowest loss.

    Raises:
        BadInput: structures that the model cannot learn from, see :func:`~.data.prepare`.
        Diverged: a loss or a gradient became NaN or infinite; the last good checkpoint is kept.
        OutOfMemory: a batch did not fit; it is named.
        Unfinished: out of time; a checkpoint is written.
    """
    images, pictures = prepare(structures, validation, parameters)
    with seeded_weights(context.required_seed()):
        both = networks(parameters)
    problems = [
        Denoising("small", both["small"], pictures, parameters.small_side),
        DenoisingBesideSmall("large", both["large"], pictures, parameters.small_side),
    ]
    found = fit_steps(problems, parameters, context, device)
    return Trained(
        weights=join({name: fit.best for name, fit in found.items()}),
        trainable_parameters=parts(structures[0], parameters),
        curves={f"{name}_{curve}": values for name, fit in found.items() for curve, values in fit.curves.items()},
        results={
            "side": images.side,
            "steps": found["large"].results["steps"],
            "shuffled_atoms": pictures.shuffled_atoms(),
            **{f"{name}_{key}": value for name, fit in found.items() for key, value in fit.results.items()},
        },
        config=images.config(),
    )
