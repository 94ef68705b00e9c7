"""Predictions for a whole set, their errors, and the parity data that a chart is drawn from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..context import Context
from ..errors import Unfinished
from ..files import write_atomically
from ..ownership import Owner
from ..structures import StructureSet
from .labels import SETS
from .references import count_elements

if TYPE_CHECKING:
    from .folder import TrainedPotential

#: In the checkpoint folder: what was predicted so far.
PREDICTIONS = "predictions.npz"


@dataclass
class Predictions:
    """What a potential says about ``n`` structures with ``N`` atoms in all.

    Attributes:
        energy: total energies, eV, ``(n,)`` float64.
        forces: eV/Å, ``(N, 3)`` float32.
        stress: GPa, ``(n, 3, 3)`` float32.
    """

    energy: NDArray[np.float64]
    forces: NDArray[np.float32]
    stress: NDArray[np.float32]


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write a ``.npz`` atomically."""

    def write(handle: BinaryIO) -> None:
        np.savez(handle, allow_pickle=False, **arrays)

    write_atomically(path, write)


def predict(trained: TrainedPotential, structures: StructureSet, micro_batch: int, context: Context) -> Predictions:
    """Compute energies, forces and stresses of all structures.

    What was computed is kept in the checkpoint folder when the time runs out, and used again.

    Args:
        trained: the potential.
        structures: any structures of known elements.
        micro_batch: structures at once.
        context: of the running task.

    Raises:
        BadInput: the checkpoint is that of another potential or other structures.
        Unfinished: the time is used up.
    """
    from .losses import compute  # with torch, which those who only write arrays do without

    path = context.checkpoint / PREDICTIONS
    owner = Owner({"task": "predict", "potential": trained.config["sha256"], "structures": structures.content_hash})
    n = len(structures)
    result = Predictions(
        count_elements(structures, trained.builder.numbers) @ trained.references,
        np.zeros((len(structures.positions), 3), dtype=np.float32),
        np.zeros((n, 3, 3), dtype=np.float32),
    )
    done = 0
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            owner.require(json.loads(str(kept["owner"])) if "owner" in kept else None, path)
            done = int(kept["done"])
            result = Predictions(kept["energy"], kept["forces"], kept["stress"])
    while done < n:
        chosen = np.arange(done, min(done + micro_batch, n))
        output = compute(trained.potential, trained.builder, structures, chosen)
        result.energy[chosen] += output.energy.detach().double().cpu().numpy()
        result.forces[structures.offsets[chosen[0]] : structures.offsets[chosen[-1] + 1]] = (
            output.forces.detach().cpu().numpy()
        )
        result.stress[chosen] = output.stress.detach().cpu().numpy()
        done = int(chosen[-1]) + 1
        context.progress("predict", done, n)
        if done < n and context.out_of_time():
            write_arrays(path, {"owner": json.dumps(owner.record()), "done": done, **vars(result)})
            raise Unfinished(f"{done} of {n} structures predicted; run again to resume")
    return result


def errors_of(predictions: Predictions, structures: StructureSet, frames: NDArray[np.integer]) -> dict[str, float]:
    """Return mean absolute and root mean squared errors over some frames.

    Returns:
        ``mae_energy`` and ``rmse_energy`` in meV/atom, ``…_forces`` in meV/Å (components), ``…_stress`` in
        GPa (components); empty when there are no frames.
    """
    if not len(frames):
        return {}
    atoms = np.concatenate([np.arange(*structures.offsets[i : i + 2]) for i in frames])
    differences = {
        "energy": 1000 * (predictions.energy - structures.values("energy"))[frames] / structures.n_atoms[frames],
        "forces": 1000 * (predictions.forces[atoms] - structures.values("forces")[atoms]),
        "stress": predictions.stress[frames] - structures.values("stress")[frames],
    }
    result = {}
    for name, difference in differences.items():
        result[f"mae_{name}"] = float(np.abs(difference).mean())
        result[f"rmse_{name}"] = float(np.sqrt(np.square(difference).mean()))
    return result


def write_parity(
    path: Path, predictions: Predictions, structures: StructureSet, split: NDArray[np.uint8] | None = None
) -> None:
    """Write predicted beside reference values.

    The file holds ``energy_reference`` and ``energy_predicted`` (eV/atom, one a frame), ``forces_…`` (eV/Å, one
    row an atom, frames after each other as ``offsets`` says), ``stress_…`` (GPa, 3×3 a frame), and with a
    split the number of each frame's set in ``split`` and the names of the sets in ``sets``.
    """
    sizes = structures.n_atoms
    arrays: dict[str, Any] = {
        "offsets": structures.offsets,
        "energy_reference": structures.values("energy") / sizes,
        "energy_predicted": predictions.energy / sizes,
        "forces_reference": structures.values("forces").astype(np.float32),
        "forces_predicted": predictions.forces,
        "stress_reference": structures.values("stress").astype(np.float32),
        "stress_predicted": predictions.stress,
    }
    if split is not None:
        arrays |= {"split": split, "sets": np.array(SETS)}
    write_arrays(path, arrays)
