"""What denoising the species does to compositions: CDVAE with and without it on alloys of 32 atoms.

    OMP_NUM_THREADS=1 python benchmarks/species_denoising.py [--folder species]

The paper leaves species denoising out because it ruins the composition of large structures. Here two CDVAEs that
differ in `denoise_species` alone learn alloys of one composition (Cr6Fe20Ni6, the paper's cluster expansion at 300 K),
and the compositions of what they generate are counted: the share of structures with the right one, and how many atoms
of a structure would have to be another element.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from learning import CDVAE, alloy, run, split

from aiida_dismai.engine.structures import StructureSet, load_structures

GENERATED = 32
#: 4 × 4 × 2 primitive cells of fcc, in cubic cells.
CELL = [[0, 2, 2], [2, 0, 2], [1, 1, 0]]


def wrong_atoms(structures: StructureSet, right: StructureSet) -> list[int]:
    """Return how many atoms of each structure has to change, gain or lose for the first one's composition."""
    wanted = np.bincount(right[0].numbers, minlength=120)
    found = []
    for index in range(len(structures)):
        difference = np.bincount(structures[index].numbers, minlength=120) - wanted
        found.append(int(max(difference[difference > 0].sum(), -difference[difference < 0].sum())))
    return found


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("species"), help="Where everything is written.")
@click.option("--epochs", default=20, help="Passes over 512 structures.")
def main(folder: Path, epochs: int) -> None:
    """Print a table of two rows."""
    made = alloy(300.0, CELL, {"Cr": 6, "Fe": 20, "Ni": 6})(folder)
    files = split(load_structures(made), folder, {"training": 512, "validation": 32}, seed=1)
    right = load_structures(files["training"])
    print("| species | right composition, % | wrong atoms of 32: mean (least, most) |\n|---|---|---|")
    for name, denoise in (("of the head", False), ("denoised", True)):
        place = folder / ("denoised" if denoise else "head")
        hyper = CDVAE | {
            "composition": "head", "denoise_species": denoise, "epochs": epochs, "teacher_forcing_epochs": epochs,
            "langevin_steps": 20, "weight_kl": 1.0,
        }  # fmt: skip
        inputs = {"structures": files["training"], "validation": files["validation"]}
        run(place / "train", "generator.train", {"model": "cdvae", "hyperparameters": hyper, "threads": 1}, inputs)
        asked = {"n_structures": GENERATED, "batch_size": 8, "threads": 1}
        run(place / "sample", "generator.sample", asked, {"generator": place / "train" / "generator"}, seed=2)
        wrong = wrong_atoms(load_structures(place / "sample" / "structures.npz"), right)
        share = 100 * np.mean(np.array(wrong) == 0)
        print(f"| {name} | {share:.0f} | {np.mean(wrong):.1f} ({min(wrong)}, {max(wrong)}) |", flush=True)


if __name__ == "__main__":
    main()
