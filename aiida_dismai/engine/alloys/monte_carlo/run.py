"""The task ``alloys.sample``."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ...context import Context
from ...errors import Diverged
from .outputs import Traces, collect_traces, write_outputs
from .parameters import SampleParameters
from .sampler import Sampler
from .statistics import autocorrelation_time, blocked_error, split_r_hat
from .system import System, build_system, find_file

#: Largest difference between energies as changed and as recomputed, per eV of the bonds of an atom.
DRIFT = 1e-10
#: Runs count as agreeing up to here (Gelman and others, 2013).
R_HAT = 1.1
#: A run should be so many correlation times long for the correlation time to be trusted (as emcee advises).
LONG = 50


def run(context: Context, parameters: SampleParameters) -> dict[str, Any]:
    """Sample and write ``snapshots.npz``, ``structures.npz`` and ``traces.npz``.

    Raises:
        BadInput: a system that cannot be sampled, see :func:`~.system.build_system`.
        Diverged: the energy has drifted from the structure.
        Unfinished: out of time; every run goes on from its records.
    """
    began = time.monotonic()
    seed = context.required_seed()
    system = build_system(parameters, find_file(parameters, context.inputs.get("expansion")))
    sampler = Sampler(system, parameters, seed, context.checkpoint)
    prepared = time.monotonic()
    attempts = _sample(context, sampler)
    sampled = time.monotonic()

    traces = collect_traces(sampler)
    _check_drift(system, traces)
    n_snapshots, n_structures = write_outputs(context.folder, sampler, traces)
    written = time.monotonic()
    results = describe(sampler, traces)
    return results | {
        "n_snapshots": n_snapshots,
        "n_structures": n_structures,
        "n_sites": system.n_sites,
        "composition": dict(zip(system.expansion.species, system.amounts.tolist(), strict=True)),
        "expansion": {"name": system.expansion.name, "source": system.expansion.source},
        "temperature": parameters.temperature,
        "runs": parameters.runs,
        "workers": sampler.workers,
        "swaps": attempts,
        "swaps_per_second": attempts / max(sampled - prepared, 1e-9) if attempts else None,
        "timings": {
            "prepare": prepared - began,
            "sample": sampled - prepared,
            "write": written - sampled,
            "analyse": time.monotonic() - written,
        },
    }


def _sample(context: Context, sampler: Sampler) -> int:
    """Run to the end; returns the swaps attempted now (not those before an interruption)."""
    total = sampler.samples * len(sampler.files)
    attempts = 0
    started = time.monotonic()
    pieces = sampler.go_on()
    for more in pieces:
        attempts += more
        done = sampler.done()
        spent = max(time.monotonic() - started, 1e-9)
        context.progress("sample", done, total, swaps_per_second=attempts / spent)
        if done < total and context.out_of_time():
            pieces.close()
            context.check_time(f"{sampler.done()} of {total} snapshots (burn-in included) are made")
    return attempts


def _check_drift(system: System, traces: Traces) -> None:
    scale = 1.0 + float((np.abs(system.expansion.pair_terms).max(axis=1) * system.expansion.bonds).sum())
    if not traces.drift <= DRIFT * scale:
        raise Diverged(
            f"the energy has drifted by {traces.drift:.2g} eV/atom from that of the structures (a bug, or a damaged "
            "checkpoint); remove the checkpoint, run again, and report it if it recurs"
        )


def describe(sampler: Sampler, traces: Traces) -> dict[str, Any]:
    """Return averages after the burn-in with errors, and how far they can be trusted."""
    parameters = sampler.parameters
    energy = traces.energy[:, parameters.burn_in + 1 :]
    order = traces.sro[:, traces.first :]
    time_ = autocorrelation_time(energy)
    slowest = _slowest(order, sampler.interval)
    error, order_error = blocked_error(energy), blocked_error(order)
    r_hat = split_r_hat(energy)
    swaps = traces.accepted[:, -1] - _accepted_before(traces)
    acceptance = float(swaps.sum()) / energy.size / sampler.system.n_sites
    means = order.mean(axis=(0, 1))
    pairs = sampler.system.expansion.pair_labels()
    return {
        "formation_energy": {
            "mean": float(energy.mean()),
            "error": None if error is None else float(error),
            "std": float(energy.std()),
        },
        "acceptance": acceptance,
        "sro": {
            f"{shell + 1}NN": {
                pair: {
                    "mean": float(means[shell, column]),
                    "error": None if order_error is None else float(order_error[shell, column]),
                }
                for column, pair in enumerate(pairs)
            }
            for shell in range(len(means))
        },
        "autocorrelation_passes": time_,
        "sro_autocorrelation_passes": slowest,
        "effective_samples": None if time_ is None else energy.size / time_,
        "r_hat": r_hat,
        "drift": traces.drift,
        "warnings": _warnings(energy.shape[1], acceptance, time_, r_hat),
    }


def _slowest(order: np.ndarray, interval: int) -> float | None:
    """Return the longest autocorrelation time of the short-range order parameters, passes."""
    flat = order.reshape(*order.shape[:2], -1)
    times = [autocorrelation_time(flat[:, :, column]) for column in range(flat.shape[2])]
    return max((time * interval for time in times if time is not None), default=None)


def _accepted_before(traces: Traces) -> np.ndarray:
    """Return the swaps accepted in the burn-in, ``(runs,)``; its end is a sampled pass."""
    return traces.accepted[:, traces.first - 1]


def _warnings(steps: int, acceptance: float, time_: float | None, r_hat: float | None) -> list[str]:
    found = []
    if acceptance == 0:
        found.append("no swap was accepted after the burn-in: the runs are frozen; raise the temperature")
    elif time_ is None:
        found.append("the energy does not change: no autocorrelation time")
    elif steps < LONG * time_:
        found.append(
            f"each run has {steps} passes after the burn-in, less than {LONG} autocorrelation times "
            f"({time_:.3g} passes): the autocorrelation time and the errors are rough; take more passes"
        )
    if r_hat is not None and r_hat > R_HAT:
        found.append(f"r_hat is {r_hat:.3g}: the runs disagree; take a longer burn-in and more passes")
    return found
