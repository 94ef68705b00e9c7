"""Make the stored weights of a model or of a potential's network: ``python tests/data/weights/make.py cryingan``.

Beside the weights stands what they generate (``samples.npz``) or compute (``labels.npz``). Run once for each version,
before anything changes; ``test_stored_weights.py`` and ``test_stored_potentials.py`` ask for it. Folders of earlier
versions are never made again: that they can still be read is what the tests are about.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from ase.calculators.lj import LennardJones

from aiida_dismai.engine.checkpoint import load_weights, save_weights
from aiida_dismai.engine.generators.registry import find
from aiida_dismai.engine.potentials.architectures import ARCHITECTURES
from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.structures import StructureSet, from_ase, to_ase, write_npz
from aiida_dismai.engine.trained import CONFIG, GENERATOR, WEIGHTS

HERE = Path(__file__).parent
#: As small as the models allow.
HYPERPARAMETERS = {
    "cryingan": {
        "latent_dim": 4,
        "generator_channels": [8, 8, 8, 8],
        "critic_channels": [8, 8, 8],
        "critic_head": [8, 4, 4],
        "batch_size": 4,
        "epochs": 2,
    },
    "cdvae": {
        "latent_dim": 4,
        "cutoff": 4.0,
        "max_neighbours": 10,
        "encoder_graph": "radius",
        "encoder_channels": 8,
        "encoder_blocks": 1,
        "encoder_triplet_channels": 4,
        "encoder_output_channels": 8,
        "encoder_radial": 3,
        "n_spherical": 3,
        "decoder_channels": 8,
        "decoder_blocks": 1,
        "decoder_triplet_channels": 4,
        "decoder_radial": 8,
        "head_channels": 8,
        "fit_scale_factors": False,
        "noise_levels": 3,
        "langevin_steps": 2,
        "epochs": 2,
        "batch_size": 4,
    },
    "diffcsp": {
        "hidden_dim": 8,
        "num_layers": 2,
        "num_frequencies": 4,
        "time_dim": 8,
        "timesteps": 10,
        "epochs": 2,
        "batch_size": 4,
    },
    "crystens": {"width": 8, "small_side": 8, "steps": 2, "batch_size": 4, "sampling_steps": 2},
    "unimat": {"width": 8, "steps": 2, "batch_size": 4, "sampling_steps": 2, "accept": "all"},
    "random": {},
    "resample": {},
}
#: Models whose smallest network is large: of their weights every so many are kept and the others zero, so that the
#: repository stores little.
THINNED = {"crystens": 50, "unimat": 50}
NETWORKS = {
    "m3gnet": {
        "cutoff": 4.0,
        "threebody_cutoff": 3.0,
        "n_blocks": 1,
        "units": 8,
        "max_epochs": 3,
        "batch_size": 4,
        "device": "cpu",
    }
}


def crystals(seed: int) -> StructureSet:
    """Return eight cells of NaCl with thermal noise."""
    sites = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [2, 2, 2], [2, 0, 0], [0, 2, 0], [0, 0, 2]])
    noise = np.random.default_rng(seed).normal(0, 0.1, (8, 8, 3))
    return StructureSet.from_uniform([11] * 4 + [17] * 4, 1.25 * sites + 1.25 + noise, 5.0 * np.eye(3))


def run(folder: Path, task: str, parameters: dict, **inputs: Path) -> None:
    """Run a task on the CPU."""
    folder.mkdir()
    content = {"task": task, "seed": 1, "parameters": parameters, "inputs": {k: str(v) for k, v in inputs.items()}}
    (folder / "task.json").write_text(json.dumps(content))
    run_task(folder / "task.json", report=lambda line: None)
    results = json.loads((folder / "results.json").read_text())
    assert results["status"] == "finished", results


def model(name: str, scratch: Path, place: Path) -> None:
    """Train and sample a model."""
    training = {"structures": scratch / "structures.npz", "validation": scratch / "validation.npz"}
    for seed, file in enumerate(training.values()):
        write_npz(crystals(seed), file)
    parameters = {"model": name, "hyperparameters": HYPERPARAMETERS[name], "device": "cpu", "threads": 1}
    run(scratch / "train", "generator.train", parameters, **training)
    weights = scratch / "train" / "generator"
    thin(weights, THINNED.get(name, 1))
    run(scratch / "sample", "generator.sample", {"n_structures": 2, "threads": 1, "device": "cpu"}, generator=weights)
    shutil.copytree(weights, place)
    shutil.copy(scratch / "sample" / "structures.npz", place / "samples.npz")


def thin(folder: Path, interval: int) -> None:
    """Set all but every ``interval``-th number of a model's weights to zero."""
    if interval == 1:
        return
    weights = load_weights(folder / WEIGHTS)
    for values in weights.values():
        kept = values.flatten()[::interval].clone()
        values.zero_()
        values.view(-1)[::interval] = kept
    save_weights(folder / WEIGHTS, weights)
    record = json.loads((folder / CONFIG).read_text())
    GENERATOR.write_config(folder, {k: v for k, v in record.items() if k not in ("format", "version", "sha256")})


def network(name: str, scratch: Path, place: Path) -> None:
    """Train the network of a potential on energies and forces of a pair potential, and compute one structure."""
    frames = to_ase(crystals(0))
    for index, frame in enumerate(frames):
        frame.info |= {"trajectory": index, "step": 0}
        frame.calc = LennardJones(sigma=2.2, epsilon=0.1, rc=5.0)
        frame.get_stress()
    write_npz(from_ase(frames), scratch / "structures.npz")
    run(scratch / "train", "potential.train", NETWORKS[name], structures=scratch / "structures.npz")
    shutil.copytree(scratch / "train" / "potential", place)
    structure = crystals(1)[0]
    frame = to_ase(structure)[0]
    frame.calc = make_calculator(name, {}, place, "cpu", structure)
    frame.get_stress()
    write_npz(from_ase([frame]), place / "labels.npz")


def main(name: str) -> None:
    """Make what the installed version writes, and keep it."""
    networks = name in ARCHITECTURES
    place = HERE / f"{name}-{(ARCHITECTURES[name] if networks else find(name)).version}"
    if place.exists():
        sys.exit(f"{place} is there already, and is never made again")
    with tempfile.TemporaryDirectory() as scratch:
        (network if networks else model)(name, Path(scratch), place)


if __name__ == "__main__":
    main(*sys.argv[1:])
