"""What a training of the paper's CDVAE and DiffCSP would take on this machine: 264-atom interfaces, 1000 epochs.

    python benchmarks/training_cost.py [--device cuda] [--steps 200] [--precision bf16] [--model diffcsp]

Trains with the paper's networks and batches for some steps through the task `generator.train`, which reports seconds
per step and peak memory, samples with a few diffusion steps, and scales both to 1000 epochs of 1200 structures and to
1000 sampled structures. A first step that compiles or warms up counts, so take more steps on a GPU. Wall seconds.
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
from aiida_dismai.engine.generators.diffcsp.config import DiffcspParameters
from aiida_dismai.engine.interfaces.build import Builder
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.interfaces.parameters import InterfaceParameters
from aiida_dismai.engine.interfaces.protocol import lsc_lco
from aiida_dismai.engine.structures import StructureSet, write_npz

#: The paper's settings; batches and evaluations of the network are theirs.
PAPER: dict[str, CdvaeParameters | DiffcspParameters] = {"cdvae": CdvaeParameters(), "diffcsp": DiffcspParameters()}
#: Fewer evaluations, for the time of a generated structure.
FEW: dict[str, dict[str, Any]] = {
    "cdvae": {"noise_levels": 2, "langevin_steps": 5, "composition": "template"},
    "diffcsp": {"timesteps": 10},
}
EPOCHS, TRAINING, SAMPLED = 1000, 1200, 1000


def interfaces(count: int) -> StructureSet:
    """Return interfaces of 264 atoms as the project builds them."""
    builder = Builder(licoo2(), li3sccl6(), InterfaceParameters.model_validate(lsc_lco(count)))
    made = [builder.build(0, index) for index in range(count)]
    return builder.collect([one for one in made if one is not None])


def evaluations(parameters: CdvaeParameters | DiffcspParameters) -> int:
    """Return to what the time of a generated structure is proportional."""
    if isinstance(parameters, CdvaeParameters):
        return parameters.noise_levels * parameters.langevin_steps
    return parameters.timesteps


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
@click.option("--precision", "precisions", multiple=True, default=["32"], help="32, tf32 or bf16; several.")
@click.option("--compile/--no-compile", "translate", default=False, help="Train with torch.compile.")
def main(models: tuple[str, ...], device: str, steps: int | None, precisions: tuple[str, ...], translate: bool) -> None:
    """Print seconds per step, memory, and what the whole would take."""
    device = choose_device(device)
    steps = steps or (200 if device == "cuda" else 2)
    for model in models or PAPER:
        paper = PAPER[model]
        batch = paper.batch_size
        assert isinstance(batch, int)
        structures = interfaces(batch)
        for precision in precisions:
            with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as name:
                folder = Path(name)
                # the same structures again and again: only their number matters here
                many = structures[np.arange(steps * batch) % len(structures)]
                write_npz(many, folder / "structures.npz")
                hyper = FEW[model] | {"epochs": 1, "batch_size": batch, "precision": precision}
                parameters = {"model": model, "device": device, "hyperparameters": hyper | {"compile": translate}}
                inputs = {"structures": folder / "structures.npz"}
                trained = run(folder / "train", "generator.train", parameters, inputs)
                asked = {"n_structures": 2, "device": device}
                sampled = run(
                    folder / "sample", "generator.sample", asked, {"generator": folder / "train" / "generator"}
                )
            step = trained["seconds_per_step"]
            whole = step * EPOCHS * TRAINING / batch
            each = sampled["seconds_per_structure"] * evaluations(paper) / evaluations(type(paper)(**FEW[model]))
            how = f"{model}, {trained['device']}, precision {precision}{', compiled' * translate}"
            print(
                f"{how}: {step:.3g} s a step of {batch} structures ({steps} steps), "
                f"{trained['peak_memory_mb']:.0f} MB; "
                f"{EPOCHS} epochs of {TRAINING} structures: {duration(whole)}; a structure: {duration(each)}, "
                f"{SAMPLED} of them: {duration(SAMPLED * each)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
