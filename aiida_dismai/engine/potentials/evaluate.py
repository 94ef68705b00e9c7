"""The task ``potential.evaluate``."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..context import Context
from ..device import choose_device, limit_threads
from ..structures import load_structures
from .dft_check import find_pairs, table
from .folder import load_potential
from .labels import load_labelled
from .parameters import EvaluateParameters
from .predictions import errors_of, predict, write_parity
from .questionable import questionable, worst_frames

WHERE = "potential.evaluate"


def run(context: Context, parameters: EvaluateParameters) -> dict[str, Any]:
    """Measure a potential on labelled structures.

    Writes ``parity.npz`` (see :func:`~.predictions.write_parity`).

    Returns:
        ``mae_energy`` (meV/atom), ``mae_forces`` (meV/Å), ``mae_stress`` (GPa), the same as ``rmse_…``, and
        ``n_structures``, the ``worst_frames``, and frames whose labels are hardly right (``n_questionable``,
        ``questionable_frames``, ``warnings``; see :mod:`~.questionable`). With the input ``relaxed`` also ``table5``
        (see :func:`~.dft_check.table`), ``n_pairs``, and the trajectories left out of it: ``without_dft`` and
        ``not_matching``.

    Raises:
        BadInput: a checkpoint of another run, labels that are missing or NaN, elements that the potential does not
            know, or relaxed structures that match no trajectory.
        BadWeights: a damaged potential.
        Unfinished: the time was used up.
    """
    device = choose_device(parameters.device)
    limit_threads(parameters.threads)
    structures = load_labelled(context.inputs["structures"], WHERE)
    trained = load_potential(context.inputs["potential"], device)
    trained.builder.require_known(structures.numbers, WHERE)
    relaxed = pairs = None
    if "relaxed" in context.inputs:
        relaxed = load_structures(context.inputs["relaxed"]).require(f"{WHERE}: input 'relaxed'", periodic=True)
        pairs = find_pairs(relaxed, structures, parameters.match_tolerance, WHERE)

    started = time.monotonic()
    predictions = predict(trained, structures, parameters.micro_batch_size, context)
    write_parity(context.folder / "parity.npz", predictions, structures)
    results: dict[str, Any] = {"n_structures": len(structures), "device": device}
    results |= errors_of(predictions, structures, np.arange(len(structures)))
    results |= {**questionable(structures), "worst_frames": worst_frames(predictions, structures)}
    if relaxed is not None and pairs is not None:
        interface_energy = relaxed.values("interface_energy") if "interface_energy" in relaxed.properties else None
        results |= {
            "table5": table(pairs, structures, predictions.energy, interface_energy),
            "n_pairs": len(pairs.relaxed),
            "without_dft": pairs.without_dft,
            "not_matching": pairs.not_matching,
        }
    return results | {"timings": {"predict": time.monotonic() - started}}
