"""The folder of a trained generative model: ``config.json``, ``weights.safetensors``, ``template.npz``.

Loadable without executing code. ``config.json`` is written last and carries the hash of the other two
files, so a folder that was cut short anywhere is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..checkpoint import load_weights, save_weights
from ..errors import BadInput, BadWeights
from ..structures import StructureSet, read_npz, write_npz
from ..trained import CONFIG, GENERATOR, TEMPLATE, WEIGHTS
from ..upgrades import Stored, upgrade
from ..versions import versions
from .contract import GeneratorSpec, Trained, TrainedGenerator
from .registry import find, hyperparameters

#: Per-atom properties that generated structures inherit when all training structures share them.
INHERITED = ("region",)


def make_template(structures: StructureSet) -> StructureSet:
    """Return the first structure, with the per-atom properties of :data:`INHERITED` that all structures share."""
    first = structures[0]
    n_atoms = len(first.numbers)
    drop = []
    for name, prop in structures.properties.items():
        shared = (
            name in INHERITED
            and bool((structures.n_atoms == n_atoms).all())
            and bool(
                (
                    prop.values.reshape(len(structures), n_atoms, -1) == prop.values[:n_atoms].reshape(1, n_atoms, -1)
                ).all()
            )
        )
        if not shared:
            drop.append(name)
    return first.without_properties(*drop) if drop else first


def save_generator(
    folder: Path,
    spec: GeneratorSpec,
    parameters: dict[str, Any],
    trained: Trained,
    template: StructureSet,
    trained_on: str,
    seed: int,
) -> None:
    """Write the folder of a trained model.

    Args:
        folder: made when it is not there; a folder of an earlier run is replaced file by file.
        spec: the model.
        parameters: all its hyper-parameters, as JSON.
        trained: what training gave.
        template: from :func:`make_template`.
        trained_on: content hash of the training structures.
        seed: of the training.
    """
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    save_weights(folder / WEIGHTS, trained.weights)
    write_npz(template, folder / TEMPLATE)
    config = {
        "model": spec.name,
        "model_version": spec.version,
        "hyperparameters": parameters,
        "model_config": trained.config,
        "trainable_parameters": trained.trainable_parameters,
        "elements": template.elements,
        "formula": template.formulas[0],
        "n_atoms": len(template.numbers),
        "trained_on": trained_on,
        "seed": seed,
        "versions": versions(),
    }
    GENERATOR.write_config(folder, config)


def load_generator(folder: Path, device: str = "cpu") -> TrainedGenerator:
    """Read the folder of a trained model.

    Raises:
        BadWeights: the folder or a file of it is missing, truncated, changed, a pickle, of a newer
            version, of a model that is not installed, or holds NaN.
    """
    record = GENERATOR.read_config(folder)
    weights = load_weights(folder / WEIGHTS, device)
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise BadWeights(f"{folder / WEIGHTS}: '{name}' holds NaN or infinite numbers; train again")
    try:
        spec = find(record["model"])
        template = read_npz(folder / TEMPLATE)
    except BadInput as error:
        raise BadWeights(f"{folder}: {error}") from error
    stored = upgrade(
        Stored(record["hyperparameters"], record["model_config"], weights),
        record["model_version"],
        spec.version,
        spec.upgrades,
        f"{folder}: model '{spec.name}'",
    )
    try:
        parameters = hyperparameters(spec, dict(stored.parameters))
    except BadInput as error:
        raise BadWeights(f"{folder}: {error}") from error
    return TrainedGenerator(
        model=spec.name,
        model_version=record["model_version"],
        parameters=parameters,
        config=stored.config,
        template=template,
        weights=dict(stored.weights),
        record=record,
    )
