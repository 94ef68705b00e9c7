"""The task ``potential.train``."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from ..arrays import write_arrays
from ..context import Context
from ..device import choose_device, limit_threads
from ..errors import BadInput
from ..methods import methods_of, mixed
from ..store import PIECES
from ..structures import StructureSet
from ..versions import versions
from .folder import build_potential, load_potential, save_potential
from .graphs import GraphBuilder
from .labels import SETS, Split, load_labelled, split_by_trajectory
from .losses import Labels
from .parameters import NetworkParameters, TrainParameters
from .predictions import errors_of, predict, write_parity
from .questionable import questionable, worst_frames
from .references import count_elements, fit_references
from .training import Training

WHERE = "potential.train"
#: The scale of the network's output is the forces' root mean square, but not below this, eV/Å.
LEAST_SCALE = 1e-3


def run(context: Context, parameters: TrainParameters) -> dict[str, Any]:
    """Train a potential and measure it.

    Writes ``potential/`` (the weights with the best score), ``potential_last/``, ``curves.npz`` (one row an
    epoch: losses, mean absolute errors in meV/atom, meV/Å and GPa, learning rate) and ``parity.npz``.

    Returns:
        ``test_mae_energy`` (meV/atom), ``test_mae_forces`` (meV/Å), ``test_mae_stress`` (GPa), ``test_rmse_…``,
        the same for ``train_`` and ``validation_`` (a set without frames has no errors), the counts of frames and
        trajectories, ``epochs``, ``best_epoch``, ``stopped`` (``patience`` or ``max_epochs``), ``n_parameters``,
        ``elements``, ``reference_energies`` (eV per atom), the trajectories of each set in ``split``, frames whose
        labels are hardly right (see :func:`~.questionable.questionable`: ``n_questionable``, ``questionable_frames``,
        ``warnings``) and the ``worst_frames``, with the set that each is in.

    Raises:
        BadInput: structures that cannot be trained on, or a checkpoint of another training.
        Diverged: loss, gradients or errors became NaN.
        Unfinished: the time was used up.
    """
    seed = context.required_seed()
    device = choose_device(parameters.device)
    limit_threads(parameters.threads)
    structures = load_labelled(context.inputs["structures"], WHERE)
    several = mixed(methods_of(structures))
    if several and not parameters.mixed_labels:
        raise BadInput(f"{WHERE}: {several}; train on one of them, or set mixed_labels to true")
    fractions = (parameters.train_fraction, parameters.validation_fraction, parameters.test_fraction)
    split = split_by_trajectory(structures, fractions, seed, WHERE)
    config = _configuration(structures, split, parameters, seed)
    numbers = tuple(int(number) for number in np.unique(structures.numbers))
    references = np.array(list(config["reference_energies"].values()))

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        potential = build_potential(config).to(device)
    builder = GraphBuilder(numbers, parameters.cutoff)
    labels = Labels.above(structures, count_elements(structures, numbers) @ references)
    training = Training(potential, builder, labels, split, parameters, seed)
    training.resume(context.checkpoint, context.warn)
    if training.stopped() is None:  # predictions of weights that are trained further are no longer of any use
        (context.checkpoint / PIECES).unlink(missing_ok=True)
    started = time.monotonic()
    stopped = training.run(context)
    trained_for = time.monotonic() - started

    write_arrays(context.folder / "curves.npz", {name: np.array(rows) for name, rows in training.curves.items()})
    save_potential(
        context.folder / "potential_last", training.network.state_dict(), config | {"epoch": training.epoch - 1}
    )
    best = context.folder / "potential"
    save_potential(best, training.best_weights, config | {"epoch": training.best_epoch})

    started = time.monotonic()
    trained = load_potential(best, device)
    predictions = predict(trained, structures, parameters.micro_batch_size, context)
    sets = split.labels(len(structures))
    write_parity(context.folder / "parity.npz", predictions, structures, sets)
    results: dict[str, Any] = {}
    for name in SETS:
        errors = errors_of(predictions, structures, getattr(split, name))
        results |= {f"{name}_{quantity}": value for quantity, value in errors.items()}
    worst = [item | {"set": SETS[sets[item["frame"]]]} for item in worst_frames(predictions, structures)]
    doubts = questionable(structures)
    if several:
        doubts["warnings"] = [*doubts["warnings"], several]
    return results | {
        **doubts,
        "worst_frames": worst,
        "device": device,
        "stopped": stopped,
        "epochs": training.epoch - 1,
        "best_epoch": training.best_epoch,
        "n_parameters": sum(p.numel() for p in training.network.parameters()),
        "elements": config["elements"],
        "reference_energies": config["reference_energies"],
        "split": {name: _trajectories(structures, getattr(split, name)) for name in SETS},
        **{key: value for key, value in config["trained_on"].items() if key != "content_hash"},
        "timings": {
            "train": trained_for,
            "predict": time.monotonic() - started,
            "per_step": training.step_seconds / training.steps_run if training.steps_run else None,
        },
    }


def _trajectories(structures: StructureSet, frames: Any) -> list[Any]:
    return [value.item() for value in np.unique(structures.values("trajectory")[frames])]


def _configuration(structures: StructureSet, split: Split, parameters: TrainParameters, seed: int) -> dict[str, Any]:
    """Return what goes into ``config.json``; references and scale come from the training frames alone."""
    train = structures[split.train]
    numbers = [int(number) for number in np.unique(structures.numbers)]
    references = fit_references(train, numbers)
    scale = float(np.sqrt(np.square(train.values("forces")).mean()))
    return {
        "architecture": "m3gnet",
        "network": parameters.model_dump(include=set(NetworkParameters.model_fields)),
        "elements": structures.elements,
        "reference_energies": dict(zip(structures.elements, references.tolist(), strict=True)),
        "data_std": max(scale, LEAST_SCALE),
        "repulsion": parameters.repulsion,
        "trained_on": {
            "content_hash": structures.content_hash,
            "n_structures": len(structures),
            "n_trajectories": len(np.unique(structures.values("trajectory"))),
            **{f"n_{name}": len(getattr(split, name)) for name in SETS},
            "methods": methods_of(structures),
            "mixed_labels": mixed(methods_of(structures)),
        },
        "seed": seed,
        "versions": versions(),
        "parameters": parameters.model_dump(),
    }
