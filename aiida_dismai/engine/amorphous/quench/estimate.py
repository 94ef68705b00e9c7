"""What a quench will cost, before anything runs; imports no torch, no LAMMPS."""

from __future__ import annotations

import math

from ...errors import BadInput
from .parameters import QuenchParameters

#: Microseconds per timestep and atom, 256 atoms of silicon on one core in 2026. ``lammps`` stands for a potential that
#: nobody has measured here, taken to be as expensive as the most expensive of the named ones.
MICROSECONDS = {"edip": 1.4, "sw": 2.3, "sw_vink": 2.3, "tersoff": 2.9, "lammps": 2.9, "gap": 5e3, "chgnet": 2e4}


def estimate_hours(parameters: QuenchParameters) -> float | None:
    """Return roughly how long a run takes on one core; None for a calculator that nobody has measured."""
    cost = MICROSECONDS.get(parameters.potential)
    return None if cost is None else hours(parameters, 1e-6 * cost * parameters.n_atoms)


def hours(parameters: QuenchParameters, seconds_per_step: float) -> float:
    """Return how long the molecular dynamics of all structures takes, without attempts that are rejected."""
    steps = parameters.melt_steps + parameters.quench_steps
    return parameters.n_structures * steps * seconds_per_step / 3600


def check_cost(parameters: QuenchParameters, seconds_per_step: float | None = None) -> float | None:
    """Return the estimate in hours, if there is one.

    Args:
        parameters: of the run.
        seconds_per_step: measured; without it, the table's.

    Raises:
        BadInput: it is above ``max_hours``; says the estimate first, and what would fit.
    """
    if seconds_per_step is None:
        if parameters.potential not in MICROSECONDS:
            return None
        seconds_per_step = 1e-6 * MICROSECONDS[parameters.potential] * parameters.n_atoms
    estimate = hours(parameters, seconds_per_step)
    if estimate <= parameters.max_hours:
        return estimate
    steps = parameters.melt_steps + parameters.quench_steps
    allowed = 3600 * parameters.max_hours / seconds_per_step / parameters.n_structures - parameters.melt_steps
    days = f" ({estimate / 24:.3g} days)" if estimate > 48 else ""
    several = f" for each of {parameters.n_structures} structures" if parameters.n_structures > 1 else ""
    if allowed >= 10:
        span = parameters.melt_temperature - parameters.final_temperature
        fitting = span * 1e15 / parameters.timestep / allowed
        advice = f"a rate of {_round_up(fitting):.2g} K/s or more fits"
    else:
        advice = "not even the melt fits: fewer structures or atoms, or a cheaper potential"
    raise BadInput(
        f"amorphous.quench: estimated to take {estimate:.3g} hours{days}: {steps:.3g} timesteps of "
        f"{1e3 * seconds_per_step:.2g} ms{several}, more than max_hours, {parameters.max_hours:g}; {advice}, or raise "
        "max_hours"
    )


def _round_up(value: float) -> float:
    """Return ``value`` rounded up to two digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit
