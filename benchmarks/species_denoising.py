"""What denoising the species does to compositions: CDVAE with and without it on alloys of 32 atoms.

    OMP_NUM_THREADS=1 python benchmarks/species_denoising.py [--folder species]

The paper leaves species denoising out because it ruins the composition of large structures, although the heads
predict it correctly. Here two CDVAEs that differ in `denoise_species` alone learn alloys of one composition
(Cr6Fe20Ni6, the paper's cluster expansion at 300 K), and the compositions of what they generate are counted: the share
of structures with the right one, and how many atoms of a structure would have to be another element. A strong
`weight_kl` and few latents make the heads right after minutes: with the published 0.01, latents drawn from the prior
are not those of the training yet. A quarter of an hour on one core.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from learning import CDVAE, alloy, run, split
from numpy.typing import NDArray

from aiida_dismai.engine.generators.cdvae.config import CdvaeParameters
from aiida_dismai.engine.generators.cdvae.sample import draw_latents, load_network, predicted_species
from aiida_dismai.engine.generators.seeds import stream
from aiida_dismai.engine.generators.weights import load_generator
from aiida_dismai.engine.structures import load_structures

GENERATED, SEED = 32, 2
#: 4 × 4 × 2 primitive cells of fcc, in cubic cells.
CELL = [[0, 2, 2], [2, 0, 2], [1, 1, 0]]


def wrong_atoms(species: NDArray[Any], right: NDArray[Any]) -> int:
    """Return how many atoms have to change, to come or to go for the right composition."""
    difference = np.bincount(species, minlength=120) - np.bincount(right, minlength=120)
    return int(max(difference[difference > 0].sum(), -difference[difference < 0].sum()))


@torch.no_grad()
def said_by_the_heads(folder: Path) -> list[NDArray[np.int64]]:
    """Return the species with which the denoising of each structure begins."""
    trained = load_generator(folder)
    assert isinstance(trained.parameters, CdvaeParameters)
    network = load_network(trained, "cpu")
    streams = [stream(SEED, index) for index in range(GENERATED)]
    return predicted_species(network, network.heads(draw_latents(network, trained.parameters, streams)), streams)


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("species"), help="Where everything is written.")
@click.option("--epochs", default=20, help="Passes over 512 structures.")
def main(folder: Path, epochs: int) -> None:
    """Print a table."""
    made = alloy(300.0, CELL, {"Cr": 6, "Fe": 20, "Ni": 6})(folder)
    files = split(load_structures(made), folder, {"training": 512, "validation": 32}, seed=1)
    right = load_structures(files["training"])[0].numbers
    print("| denoise_species | species | right composition, % | wrong atoms of 32: mean (least, most) |")
    print("|---|---|---|---|")
    for name, denoise in (("false", False), ("true", True)):
        place = folder / name
        hyper = CDVAE | {
            "composition": "head", "denoise_species": denoise, "epochs": epochs, "teacher_forcing_epochs": epochs,
            "latent_dim": 2, "weight_kl": 1.0, "plateau_patience": 0, "langevin_steps": 20,
        }  # fmt: skip
        inputs = {"structures": files["training"], "validation": files["validation"]}
        run(place / "train", "generator.train", {"model": "cdvae", "hyperparameters": hyper, "threads": 1}, inputs)
        generator = place / "train" / "generator"
        asked = {"n_structures": GENERATED, "batch_size": 8, "threads": 1}
        run(place / "sample", "generator.sample", asked, {"generator": generator}, seed=SEED)
        generated = load_structures(place / "sample" / "structures.npz")
        generated_species = [generated[index].numbers for index in range(len(generated))]
        for origin, species in (("of the heads", said_by_the_heads(generator)), ("generated", generated_species)):
            wrong = [wrong_atoms(each, right) for each in species]
            share = 100 * np.mean(np.array(wrong) == 0)
            print(
                f"| {name} | {origin} | {share:.0f} | {np.mean(wrong):.1f} ({min(wrong)}, {max(wrong)}) |", flush=True
            )


if __name__ == "__main__":
    main()
