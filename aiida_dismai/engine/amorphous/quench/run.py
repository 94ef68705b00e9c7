"""The task ``amorphous.quench``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...context import Context
from ...device import choose_device
from ...potentials.calculators import make_calculator
from ...potentials.lammps import LammpsCalculator
from ...potentials.parameters import LAMMPS_CALCULATORS
from ...structures import StructureSet
from ..making import Attempt, Made, make_structures
from .course import Course, quench_one
from .dynamics import AseDynamics, BrokeDown, Dynamics, LammpsDynamics, State
from .estimate import check_cost
from .parameters import QuenchParameters

#: Timesteps that the measurement of their cost takes: LAMMPS, and a calculator of ASE.
MEASURED = {LammpsDynamics: 200, AseDynamics: 2}


def run(context: Context, parameters: QuenchParameters) -> dict[str, Any]:
    """Quench structures.

    Writes ``structures.npz``, with ``melt_time`` (ps), ``melt_displacement`` (root mean square since the beginning,
    Å), ``quench_energy`` (eV, by the potential of the quench) and ``quench_relax_steps`` beside what
    :func:`~..making.make_structures` gives every structure.

    Returns:
        What :func:`~..making.make_structures` does, ``timesteps`` (of a structure), ``estimated_hours`` (where the run
        began here) and ``potential_file`` (``name`` and ``sha256``, for a potential that reads one).

    Raises:
        BadInput: a potential that cannot be had or does not know the element; a run that would take too long.
        NothingLeft: not one structure passed the gate.
        Unfinished: out of time; run again in the same folder to resume.
    """
    check_cost(parameters)
    dynamics = choose_dynamics(parameters)
    extra: dict[str, Any] = {"timesteps": parameters.melt_steps + parameters.quench_steps}
    # A run that has begun goes on even where it is slower than it was.
    if not any(context.checkpoint.iterdir()):
        extra["estimated_hours"] = check_cost(parameters, seconds_per_step(dynamics, parameters))
    file = getattr(dynamics.calculator, "potential_file", None)
    if file is not None:
        extra["potential_file"] = file
    key = {"potential_file": file}
    make_one = partial(quench_one, parameters=parameters, dynamics=dynamics)
    return make_structures(context, parameters, key, make_one, "quench", (_maker, (parameters,))) | extra


def _maker(parameters: QuenchParameters) -> Callable[[Attempt], Made]:
    return partial(quench_one, parameters=parameters, dynamics=choose_dynamics(parameters))


def choose_dynamics(parameters: QuenchParameters) -> Dynamics:
    """Return what runs the molecular dynamics: LAMMPS for its own potentials, else ASE.

    Raises:
        BadInput: a potential that cannot be had, or does not know the element.
    """
    one = StructureSet.from_uniform([parameters.number], np.zeros((1, 1, 3)), parameters.edge * np.eye(3))
    device = "cpu" if parameters.potential in ("gap", *LAMMPS_CALCULATORS) else choose_device()
    calculator = make_calculator(parameters.potential, parameters.potential_kwargs, None, device, one)
    if isinstance(calculator, LammpsCalculator):
        return LammpsDynamics(calculator, parameters)
    return AseDynamics(calculator, parameters)


def seconds_per_step(dynamics: Dynamics, parameters: QuenchParameters) -> float:
    """Measure what a timestep costs, on atoms that no structure begins with."""
    steps = MEASURED[type(dynamics)]
    course = Course.begin(parameters, np.random.default_rng(0))
    state = State(course.positions, course.velocities, course.edge)
    temperatures = parameters.melt_temperature, parameters.melt_temperature
    started = time.monotonic()
    with contextlib.suppress(BrokeDown):  # the attempts will say so, and count
        dynamics.run(state, steps, temperatures, 1)
    return (time.monotonic() - started) / steps
