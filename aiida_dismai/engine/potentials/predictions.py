"""Predictions for a whole set, their errors, and the parity data that a chart is drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import write_arrays
from ..context import Context
from ..ownership import Owner
from ..store import Store
from ..structures import StructureSet
from .labels import SETS
from .references import count_elements

if TYPE_CHECKING:
    from .folder import TrainedPotential

#: In the checkpoint folder of a training: the newest two of it, and what earlier versions kept of their predictions.
BESIDE = ("train.safetensors", "train.previous.safetensors", "predictions.npz")


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


def predict(trained: TrainedPotential, structures: StructureSet, micro_batch: int, context: Context) -> Predictions:
    """Compute energies, forces and stresses of all structures.

    What was computed is kept in the checkpoint folder and used again.

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

    owner = Owner({"task": "predict", "potential": trained.config["sha256"], "structures": structures.content_hash})
    store = Store.in_folder(context.checkpoint, owner, BESIDE, context.warn)
    n = len(structures)
    result = Predictions(
        count_elements(structures, trained.builder.numbers) @ trained.references,
        np.zeros((len(structures.positions), 3), dtype=np.float32),
        np.zeros((n, 3, 3), dtype=np.float32),
    )
    done = 0
    while done < n:
        new = done not in store
        if new:
            frames = np.arange(done, min(done + micro_batch, n))
            output = compute(trained.potential, trained.builder, structures, frames)
            arrays = {name: getattr(output, name).detach().cpu().numpy() for name in ("energy", "forces", "stress")}
            store.put(done, **arrays)
        with store.reading():
            piece = store.get(done)
            end = done + len(piece["stress"])
            if end == done:
                raise ValueError("an empty piece")
            result.energy[done:end] += piece["energy"].astype(np.float64)
            result.forces[structures.offsets[done] : structures.offsets[end]] = piece["forces"]
            result.stress[done:end] = piece["stress"]
        done = end
        if new:
            context.progress("predict", done, n)
            if done < n:
                context.check_time(f"{done} of {n} structures predicted")
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
