"""The tasks ``generator.train`` and ``generator.sample``, the same for every model."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import write_arrays
from ..context import Context
from ..device import choose_device, limit_threads
from ..errors import NothingLeft
from ..ownership import Owner
from ..plugins import load
from ..store import Store
from ..structures import StructureSet, load_structures, write_npz
from ..structures.set_npz import from_bytes, to_bytes
from ..trained import WEIGHTS
from .contract import SampleFunction, TrainFunction
from .parameters import SampleParameters, TrainParameters
from .registry import find, hyperparameters
from .watched import check_batch, check_trained, watched
from .weights import load_generator, make_template, save_generator

#: In the checkpoint folder: whose checkpoint it is.
OWNER = "run.json"


def train(context: Context, parameters: TrainParameters) -> dict[str, Any]:
    """Train a model; writes ``generator/`` and ``curves.npz``.

    Returns:
        ``model``, ``trainable_parameters`` by part, ``n_training``, ``n_validation``, ``trained_on``, and
        the model's own results (epochs, final losses, seconds per step and epoch, …).

    Raises:
        BadInput: structures the model cannot use, or a checkpoint of another run.
        Diverged: a loss became NaN or infinite.
        Unfinished: out of time; run again in the same folder to resume.
    """
    limit_threads(parameters.threads)
    device = choose_device(parameters.device)
    seed = context.required_seed()
    structures = load_structures(context.inputs["structures"]).require("training structures")
    validation = None
    if "validation" in context.inputs:
        validation = load_structures(context.inputs["validation"]).require("validation structures")
    spec = find(parameters.model)
    chosen = hyperparameters(spec, parameters.hyperparameters)
    free = chosen.free()
    owner = Owner(
        {
            "task": "generator.train",
            "model": spec.name,
            "model_version": spec.version,
            "seed": seed,
            "hyperparameters": chosen.model_dump(mode="json", exclude=set(free)),
            "structures": structures.content_hash,
            "validation": validation.content_hash if validation is not None else None,
        },
        parameters.FREE | free,
    )
    owner.claim(context.checkpoint / OWNER)
    function: TrainFunction = load(spec.train)
    started = time.monotonic()
    given = function(
        structures=structures,
        validation=validation,
        parameters=chosen,
        context=watched(context),
        device=device,
    )
    trained = check_trained(given, spec.name)
    seconds = time.monotonic() - started
    save_generator(
        context.folder / "generator",
        spec,
        parameters.hyperparameters,
        trained,
        make_template(structures),
        structures.content_hash,
        seed,
    )
    write_arrays(context.folder / "curves.npz", trained.curves)
    return {
        "model": spec.name,
        "device": device,
        "n_training": len(structures),
        "n_validation": len(validation) if validation is not None else 0,
        "n_atoms": len(structures[0].numbers),
        "trained_on": structures.content_hash,
        "trainable_parameters": trained.trainable_parameters,
        **trained.results,
        "timings": {"train": seconds},
    }


def sample(context: Context, parameters: SampleParameters) -> dict[str, Any]:
    """Generate structures batch by batch; writes ``structures.npz``.

    Every structure carries its index as the property ``sample``. A structure with a non-finite coordinate
    or one that its model rejected is left out and counted. A finished batch is kept in the checkpoint folder and not
    made again.

    Returns:
        ``n_requested``, ``n_structures`` (written), ``n_nonfinite``, ``n_rejected`` (by the model, of the finite ones),
        ``seconds_per_structure``, ``model``, and the model's own statistics of all that were requested.

    Raises:
        BadWeights: a generator folder that cannot be used.
        NothingLeft: not one structure was finite and accepted by its model.
        Unfinished: out of time; run again in the same folder to resume.
    """
    limit_threads(parameters.threads)
    device = choose_device(parameters.device)
    seed = context.required_seed()
    generator = load_generator(context.inputs["generator"], device)
    spec = find(generator.model)
    function: SampleFunction = load(spec.sample)
    owner = Owner.of_parameters(
        "generator.sample", parameters, seed=seed, generator=generator.record["sha256"][WEIGHTS]
    )
    store = Store.in_folder(context.checkpoint, owner, warn=context.warn)
    batches: list[StructureSet] = []
    spent, made, done = 0.0, 0, 0
    while done < parameters.n_structures:
        left, first = parameters.n_structures - done, parameters.first + done
        if first in store:
            with store.reading():
                batch = from_bytes(store.read(first))[:left]
                if not len(batch):
                    raise ValueError("an empty batch")
        else:
            context.check_time(f"{done} of {parameters.n_structures} structures are generated")
            size = min(parameters.batch_size, left)
            indices = range(first, first + size)
            started = time.monotonic()
            batch = check_batch(function(generator, indices, seed, device), size, generator.model)
            spent += time.monotonic() - started
            made += size
            batch = batch.with_property("sample", np.arange(indices.start, indices.stop), "structure", "")
            store.add(first, to_bytes(batch))
            context.progress("sample", done + size, parameters.n_structures)
        batches.append(batch)
        done += len(batch)
    structures = StructureSet.concatenate(batches)
    statistics = load(spec.statistics)(structures) if spec.statistics else {}
    bad = _nonfinite(structures)
    rejected = np.zeros_like(bad)
    if "rejected" in structures.properties:
        rejected = structures.values("rejected").astype(bool) & ~bad
        structures = structures.without_properties("rejected")
    if (bad | rejected).all():
        raise NothingLeft(_nothing_left(generator.model, int(bad.sum()), int(rejected.sum())))
    structures = structures[np.flatnonzero(~(bad | rejected))]
    write_npz(structures, context.folder / "structures.npz")
    return {
        "model": generator.model,
        "device": device,
        "trained_on": generator.record["trained_on"],
        "n_requested": parameters.n_structures,
        "n_structures": len(structures),
        "n_nonfinite": int(bad.sum()),
        "n_rejected": int(rejected.sum()),
        **statistics,
        "seconds_per_structure": spent / made if made else None,
        "timings": {"sample": spent},
    }


def _nothing_left(model: str, n_nonfinite: int, n_rejected: int) -> str:
    if not n_rejected:
        return f"all {n_nonfinite} structures that '{model}' generated are non-finite"
    return (
        f"of {n_nonfinite + n_rejected} structures that '{model}' generated it rejected {n_rejected} and the others "
        "are non-finite; train longer, or see its README for options that reject less"
    )


def _nonfinite(structures: StructureSet) -> NDArray[np.bool_]:
    """Return which structures have a NaN or infinite coordinate or lattice vector, ``(n,)`` bool."""
    bad_atoms = ~np.isfinite(structures.positions).all(axis=1)
    bad_cells = ~np.isfinite(structures.cells).all(axis=(1, 2))
    return np.asarray(bad_cells | (np.bincount(structures.atom_structure[bad_atoms], minlength=len(structures)) > 0))
