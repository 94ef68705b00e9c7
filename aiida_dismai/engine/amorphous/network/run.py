"""The task ``amorphous.network``."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ...context import Context
from ...errors import BadInput
from ..making import Attempt, Made, Rejected, make_structures
from .annealing import OVER, Course
from .geometry import angle_sigma, four_rings, otherwise_bonded, structure_of
from .parameters import NetworkParameters

#: Half-way states are written this often, s; a stop in good order writes one, too.
SAVE_EVERY = 30.0
STATE = "network.npz"
#: A final relaxation may bring the angles this much above the wanted deviation, degrees.
SLACK = 0.05
UNITS = {"keating_energy": "eV", "keating_sigma": "degree"}


def run(context: Context, parameters: NetworkParameters) -> dict[str, Any]:
    """Make amorphous networks by bond switching.

    Writes ``structures.npz``: networks at their minimum of the Keating energy, with the properties
    ``keating_energy`` (eV per atom), ``keating_sigma`` (standard deviation of the angles between bonds of the network,
    degrees), ``transpositions`` and ``trials`` (made and tried), ``four_rings`` (of the network) and
    ``otherwise_bonded`` (atoms whose neighbours within ``measures.bond_cutoff`` are not their four bonds) beside what
    :func:`~..making.make_structures` gives every structure.

    Returns:
        What :func:`~..making.make_structures` does.

    Raises:
        BadInput: a number of atoms for which there is no diamond to start from.
        NothingLeft: not one structure reached the angle deviation and passed the gate.
        Unfinished: out of time; run again in the same folder to resume.
    """
    return make_structures(context, parameters, {}, _maker(parameters), "network", (_maker, (parameters,)))


def _maker(parameters: NetworkParameters) -> Callable[[Attempt], Made]:
    return partial(make_network, parameters=parameters)


def make_network(attempt: Attempt, parameters: NetworkParameters) -> Made:
    """Make one network.

    Raises:
        Rejected: the angle deviation was not reached, or unwanted rings are left.
        BadInput: a number of atoms for which there is no diamond to start from.
        Unfinished: out of time; the half-way state is in the attempt's scratch folder.
    """
    course = anneal(attempt, parameters)
    course.finish()
    sigma = angle_sigma(course.network)
    if sigma > parameters.angle_sigma + SLACK:
        raise Rejected("angle sigma not reached")
    if course.short_rings:
        raise Rejected("rings of four left")
    numbers: dict[str, float | int] = {
        "keating_energy": course.energy / parameters.n_atoms,
        "keating_sigma": sigma,
        "transpositions": course.accepted,
        "trials": course.trials,
        "four_rings": four_rings(course.network),
        "otherwise_bonded": otherwise_bonded(course.network, parameters.measures.bond_cutoff),
    }
    return Made(structure_of(course.network, parameters.number), numbers, UNITS)


def anneal(attempt: Attempt, parameters: NetworkParameters) -> Course:
    """Take a network through its course, from where a stop left it."""
    try:
        course = Course(parameters, attempt.rng)
    except ValueError as error:
        raise BadInput(f"n_atoms: {error}") from error
    state = attempt.scratch / STATE
    if state.is_file():
        with suppress(BadInput):  # damaged by a bad copy: from its beginning, to the same end
            course.load(state)
    saved = time.monotonic()
    while course.phase != OVER:
        out = attempt.out_of_time()
        if out or time.monotonic() - saved > SAVE_EVERY:
            course.save(state)
            saved = time.monotonic()
            attempt.progress(
                course.phase,
                course.tried,
                course.planned,
                keating_energy=course.energy / parameters.n_atoms,
                keating_sigma=course.sigma,
            )
        if out:
            attempt.check_time()
        course.go_on()
    return course
