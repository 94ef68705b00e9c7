"""Training of UniMat: its network and videos for the shared training by steps."""

from __future__ import annotations

from ...context import Context
from ...structures import StructureSet
from ..contract import Trained
from ..training.randomness import seeded_weights
from ..training.steps import fit_steps
from ..unets.denoising import Denoising
from .config import UnimatParameters
from .data import prepare
from .model import build, parts

NETWORK = "network"


def train(
    structures: StructureSet,
    validation: StructureSet | None,
    parameters: UnimatParameters,
    context: Context,
    device: str,
) -> Trained:
    """Train UniMat; see ``TrainFunction`` for the contract.

    Returns the averaged weights at the validation with the lowest loss.

    Raises:
        BadInput: structures that the model cannot learn from, see :func:`~.data.prepare`.
        Diverged: a loss or a gradient became NaN or infinite; the last good checkpoint is kept.
        OutOfMemory: a batch did not fit; it is named.
        Unfinished: out of time; a checkpoint is written.
    """
    videos, pictures = prepare(structures, validation, parameters)
    with seeded_weights(context.required_seed()):
        network = build(parameters)
    found = fit_steps([Denoising(NETWORK, network, pictures)], parameters, context, device)[NETWORK]
    template = structures[0]
    return Trained(
        weights=found.best,
        trainable_parameters=parts(template, parameters),
        curves=dict(found.curves),
        results=found.results | {"shuffled_atoms": pictures.shuffled_atoms()},
        config=videos.config(template.numbers),
    )
