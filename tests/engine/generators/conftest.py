"""A toy crystal on which a GAN learns in seconds, a runner of tasks, and a foreign model."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.plugins import install

from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import StructureSet, write_npz

LENGTH = 5.0
#: Rock salt, the sites away from the faces of the cell.
SITES = np.array(
    [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0], [0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
)
SITES = SITES + 0.25
NUMBERS = [11] * 4 + [17] * 4
TINY = {
    "latent_dim": 8,
    "generator_channels": [8, 16, 16, 8],
    "critic_channels": [16, 16, 16],
    "critic_head": [16, 8, 4],
    "batch_size": 4,
    "epochs": 3,
}

FOREIGN = '''
import numpy as np
import torch
from pydantic import Field
from aiida_dismai.engine.generators.contract import GeneratorSpec, Trained
from aiida_dismai.engine.generators.seeds import stream
from aiida_dismai.engine.parameters import Parameters

class Noise(Parameters):
    """How far the atoms of the mean structure are moved."""

    width: float = Field(0.1, ge=0, le=1, description="standard deviation, Å")
    spoil: int = Field(-1, ge=-1, description="index of the structure that becomes NaN")

def train(structures, validation, parameters, context, device):
    positions = structures.positions.reshape(len(structures), -1, 3)
    context.progress("train", 1, 1)
    return Trained({"mean": torch.tensor(positions.mean(axis=0))}, {"mean": 3}, {"loss": np.array([1.0])},
                   {"epochs": 1, "n_held_out": 0 if validation is None else len(validation)}, {"scale": 1.0})

def sample(generator, indices, seed, device):
    template = generator.template
    mean, width = generator.weights["mean"].numpy(), generator.parameters.width
    positions = np.stack([mean + width * stream(seed, i).normal(size=mean.shape) for i in indices])
    positions[[k for k, i in enumerate(indices) if i == generator.parameters.spoil]] = np.nan
    return type(template).from_uniform(template.numbers, positions * generator.config["scale"], template.cells[0])

def parts(template, parameters):
    return {"mean": 3 * len(template.numbers)}

SPEC = GeneratorSpec("meanfield", "the mean structure and noise", "foreign_model:Noise", "foreign_model:train",
                     "foreign_model:sample", "foreign_model:parts")
'''


def toy_crystals(n: int = 8, seed: int = 0, sigma: float = 0.05) -> StructureSet:
    """Return rock-salt cells with thermal noise."""
    noise = np.random.default_rng(seed).normal(0, sigma, (n, 8, 3))
    return StructureSet.from_uniform(NUMBERS, SITES * LENGTH + noise, np.eye(3) * LENGTH)


@pytest.fixture(scope="session")
def toy() -> StructureSet:
    return toy_crystals()


@pytest.fixture(scope="session")
def crystals() -> Callable[..., StructureSet]:
    return toy_crystals


@pytest.fixture
def tiny() -> dict[str, Any]:
    return dict(TINY)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Add entry points to the installed ones: ``register(name="module:object")``."""
    return partial(install, monkeypatch, tmp_path / "plug-ins", "dismai.generators")


@pytest.fixture
def foreign_source() -> str:
    """Return the source of a model that is not ours."""
    return FOREIGN


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, register: Callable[..., None]) -> str:
    """Install a model that is not ours; returns its name."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "foreign_model.py").write_text(FOREIGN)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "foreign_model", raising=False)
    register(meanfield="foreign_model:SPEC")
    return "meanfield"


def runner(folders: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that runs a task in a folder and returns its results; sets among the inputs become files."""

    def execute(task: str, folder: str, parameters: dict[str, Any], seed: int = 1, **inputs: Any) -> dict[str, Any]:
        place = folders / folder
        place.mkdir(exist_ok=True)
        limit = inputs.pop("max_seconds", None)
        for name, value in inputs.items():
            if isinstance(value, StructureSet):
                write_npz(value, place / f"{name}.npz")
                inputs[name] = f"{name}.npz"
        content = {
            "task": task,
            "seed": seed,
            "parameters": parameters,
            "inputs": {k: str(v) for k, v in inputs.items()},
        }
        (place / "task.json").write_text(json.dumps(content | ({} if limit is None else {"max_seconds": limit})))
        run_task(place / "task.json", report=lambda line: None)
        return dict(json.loads((place / "results.json").read_text()), folder=place)

    return execute


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run a task in a folder of the test."""
    return runner(tmp_path)


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Run a task whose results several tests of a module look at; they change nothing in its folder."""
    return runner(tmp_path_factory.mktemp("once"))
