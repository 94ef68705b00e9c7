"""The folder of a trained generative model: ``config.json``, ``weights.safetensors``, ``template.npz``.

Loadable without executing code. ``config.json`` is written last and carries the hash of the other two
files, so a folder that was cut short anywhere is refused.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from ..checkpoint import load_weights, save_weights
from ..errors import BadInput, BadWeights
from ..files import write_json
from ..structures import StructureSet, read_npz, write_npz
from ..task import versions
from .contract import GeneratorSpec, Trained, TrainedGenerator
from .registry import find, hyperparameters

FORMAT = "dismai-generator"
VERSION = 1
CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
TEMPLATE = "template.npz"
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
        "format": FORMAT,
        "version": VERSION,
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
        "sha256": {name: _sha256(folder / name) for name in (WEIGHTS, TEMPLATE)},
    }
    write_json(folder / CONFIG, config)


def load_generator(folder: Path, device: str = "cpu") -> TrainedGenerator:
    """Read the folder of a trained model.

    Raises:
        BadWeights: the folder or a file of it is missing, truncated, changed, a pickle, of a newer
            version, of a model that is not installed, or holds NaN.
    """
    record = _read_config(folder)
    weights = load_weights(folder / WEIGHTS, device)
    for name, expected in record["sha256"].items():
        if not (folder / name).is_file():
            raise BadWeights(f"{folder / name}: no such file; give the folder as the training task wrote it")
        if _sha256(folder / name) != expected:
            raise BadWeights(
                f"{folder / name}: not the file that {CONFIG} was written with; copy the whole folder again"
            )
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise BadWeights(f"{folder / WEIGHTS}: '{name}' holds NaN or infinite numbers; train again")
    try:
        spec = find(record["model"])
        parameters = hyperparameters(spec, record["hyperparameters"])
        template = read_npz(folder / TEMPLATE)
    except BadInput as error:
        raise BadWeights(f"{folder}: {error}") from error
    if record["model_version"] > spec.version:
        raise BadWeights(
            f"{folder}: written by version {record['model_version']} of the model '{spec.name}', installed is "
            f"{spec.version}; update the package that gives this model"
        )
    return TrainedGenerator(
        model=spec.name,
        model_version=record["model_version"],
        parameters=parameters,
        config=record["model_config"],
        template=template,
        weights=weights,
        record=record,
    )


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise BadWeights(f"{folder}: not a folder; give the folder 'generator' that the training task wrote")
    path = folder / CONFIG
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise BadWeights(f"{path}: no such file; give the folder 'generator' that the training task wrote") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadWeights(f"{path}: truncated or not JSON ({error}); copy the folder again") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadWeights(f"{path}: not the folder of a generative model (format '{FORMAT}')")
    if record.get("version", 0) > VERSION:
        raise BadWeights(f"{path}: format version {record['version']} is newer than {VERSION}; update aiida-dismai")
    needed = ("model", "model_version", "hyperparameters", "model_config", "sha256")
    missing = [name for name in needed if name not in record]
    if missing or set(record["sha256"]) != {WEIGHTS, TEMPLATE}:
        raise BadWeights(f"{path}: incomplete ({', '.join(missing) or 'sha256'} is missing); copy the folder again")
    return record


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
