"""What a training of the paper's CDVAE, DiffCSP, CrysTens and UniMat would take on this machine: 264-atom interfaces.

    python benchmarks/training_cost.py [--device cuda] [--steps 200] [--precision bf16] [--model diffcsp] [--batch 2]

Trains with the paper's networks and batches for some steps through the task `generator.train`, which reports seconds
per step and peak memory, samples with a few diffusion steps, and scales both to 1000 epochs of 1200 structures (CDVAE,
DiffCSP) or 150,001 steps of each network (CrysTens, UniMat), and to 1000 sampled structures. A first step that compiles
or warms up counts, so take more steps on a GPU. With `--batch` steps see fewer structures, for a CPU; the time of the
paper's batch is then taken in proportion. Wall seconds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from learning import run

from aiida_dismai.engine.device import choose_device
from aiida_dismai.engine.generators.cdvae.config import CdvaeParameters
from aiida_dismai.engine.generators.crystens.config import CrystensParameters
from aiida_dismai.engine.generators.diffcsp.config import DiffcspParameters
from aiida_dismai.engine.generators.training.parameters import StepTrainingParameters
from aiida_dismai.engine.generators.unimat.config import UnimatParameters
from aiida_dismai.engine.interfaces.build import Builder
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.parameters import InterfaceParameters
from aiida_dismai.engine.interfaces.protocol import lsc_lco
from aiida_dismai.engine.structures import StructureSet, write_npz

Paper = CdvaeParameters | DiffcspParameters | CrystensParameters | UnimatParameters
#: The paper's settings; batches and evaluations of the network are theirs.
PAPER: dict[str, Paper] = {
    "cdvae": CdvaeParameters(),
    "diffcsp": DiffcspParameters(),
    "crystens": CrystensParameters(),
    "unimat": UnimatParameters(),
}
#: Fewer evaluations, for the time of a generated structure.
FEW: dict[str, dict[str, Any]] = {
    "cdvae": {"noise_levels": 2, "langevin_steps": 5, "composition": "template"},
    "diffcsp": {"timesteps": 10},
    "crystens": {"sampling_steps": 5},
    "unimat": {"sampling_steps": 5, "accept": "all"},
}
EPOCHS, TRAINING, SAMPLED = 1000, 1200, 1000


def interfaces(count: int) -> StructureSet:
    """Return interfaces of 264 atoms as the project builds them."""
    builder = Builder(licoo2(), li3sccl6(), InterfaceParameters.model_validate(lsc_lco(count)))
    made = [builder.build(0, index) for index in range(count)]
    return builder.collect([one for one in made if one is not None])


def evaluations(parameters: Paper) -> int:
    """Return to what the time of a generated structure is proportional."""
    if isinstance(parameters, CdvaeParameters):
        return parameters.noise_levels * parameters.langevin_steps
    if isinstance(parameters, DiffcspParameters):
        return parameters.timesteps
    return parameters.sampling_steps


def length(parameters: Paper, batch: int) -> tuple[int, str]:
    """Return the steps of the paper's training, of each network, and what to call them."""
    if isinstance(parameters, StepTrainingParameters):
        return parameters.steps, f"{parameters.steps:,} steps of {batch} structures"
    return EPOCHS * TRAINING // batch, f"{EPOCHS} epochs of {TRAINING} structures"


def per_network(results: dict[str, Any], name: str) -> dict[str, float]:
    """Return a result of a training by network: CrysTens has two."""
    return {key.removesuffix(name).strip("_"): float(value) for key, value in results.items() if key.endswith(name)}


def duration(seconds: float) -> str:
    """Return seconds in words."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


@click.command()
@click.option("--model", "models", multiple=True, type=click.Choice(list(PAPER)), help="All if none is given.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--steps", type=click.IntRange(1), help="Steps of training; 200 on a GPU, 2 on a CPU if not given.")
@click.option(
    "--batch", type=click.IntRange(1), help="Structures of a step that is measured; the paper's if not given."
)
@click.option("--precision", "precisions", multiple=True, default=["32"], help="32, tf32 or bf16; several.")
@click.option("--compile/--no-compile", "translate", default=False, help="Train with torch.compile.")
def main(
    models: tuple[str, ...],
    device: str,
    steps: int | None,
    batch: int | None,
    precisions: tuple[str, ...],
    translate: bool,
) -> None:
    """Print seconds per step, memory, and what the whole would take."""
    device = choose_device(device)
    steps = steps or (200 if device == "cuda" else 2)
    for model in models or PAPER:
        for precision in precisions:
            print(measure(model, device, steps, batch, precision, translate), flush=True)


def measure(model: str, device: str, steps: int, batch: int | None, precision: str, translate: bool) -> str:
    """Train and sample for a moment; return a line about it."""
    paper = PAPER[model]
    assert isinstance(paper.batch_size, int)
    size = batch or paper.batch_size
    structures = interfaces(max(size, 2))
    by_steps = isinstance(paper, StepTrainingParameters)
    with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as name:
        folder = Path(name)
        # the same structures again and again: only their number matters here
        many = structures[np.arange(max(steps * size, 2)) % len(structures)]
        write_npz(many, folder / "structures.npz")
        whole = {"steps": steps} if by_steps else {"epochs": 1}
        hyper = FEW[model] | whole | {"batch_size": size, "precision": precision, "compile": translate}
        parameters = {"model": model, "device": device, "hyperparameters": hyper}
        trained = run(folder / "train", "generator.train", parameters, {"structures": folder / "structures.npz"})
        asked = {"n_structures": 2, "device": device}
        sampled = run(folder / "sample", "generator.sample", asked, {"generator": folder / "train" / "generator"})
    seconds = per_network(trained, "seconds_per_step")
    memory = max(per_network(trained, "peak_memory_mb").values())
    times, what = length(paper, paper.batch_size)
    total = sum(seconds.values()) * times * paper.batch_size / size
    each = sampled["seconds_per_structure"] * evaluations(paper) / evaluations(type(paper)(**FEW[model]))
    step = ", ".join(f"{network} {value:.3g} s".strip() for network, value in seconds.items())
    return (
        f"{model}, {trained['device']}, precision {precision}{', compiled' * translate}: {step} a step of {size} "
        f"structures ({steps} steps), {memory:.0f} MB; {what}: {duration(total)}; a structure: {duration(each)}, "
        f"{SAMPLED} of them: {duration(SAMPLED * each)}"
    )


if __name__ == "__main__":
    main()
