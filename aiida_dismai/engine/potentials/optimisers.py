"""Optimisers that are asked for one evaluation at a time, so that many relaxations can share each of them.

Each holds the state of one structure: it proposes positions, is given their energy and forces, and proposes the next.
Its numbers are those of its own structure in double precision, so that nothing depends on what shares the batch, and
its state can be kept and taken up again exactly.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class NoDescent(Exception):
    """No lower energy along the forces."""


class BatchOptimiser:
    """Base: proposes positions, learns their energy and forces.

    Args:
        positions: ``(m, 3)`` Å, where it begins.
        fmax: forces (norm) below which a state has converged, eV/Å.

    Attributes:
        trial: ``(m, 3)`` positions whose energy and forces it wants next.
        steps: taken.
        accepted: positions, energy and forces of the last step, set where :meth:`learn` returns True.
    """

    accepted: tuple[Array, float, Array]

    #: Names of the attributes that are its state.
    STATE: ClassVar[tuple[str, ...]] = ("trial", "steps")

    def __init__(self, positions: Array, fmax: float) -> None:
        self.trial = positions.copy()
        self.fmax = fmax
        self.steps = 0

    def learn(self, energy: float, forces: Array) -> bool:
        """Take energy and forces of :attr:`trial` and set the next; returns whether the trial was accepted as a step.

        Raises:
            NoDescent: there is no lower energy.
        """
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Return what is needed to continue from here: arrays and numbers by name."""
        return {name: getattr(self, name) for name in self.STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        for name in self.STATE:
            setattr(self, name, state[name])


class Fire(BatchOptimiser):
    """FIRE with the constants and steps of ASE's (Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006))."""

    STATE = (*BatchOptimiser.STATE, "velocities", "time_step", "mixing", "downhill", "begun")
    LONGEST_STEP, LONGEST_TIME = 0.2, 1.0
    WAIT, FASTER, SLOWER, MIXING, LESS_MIXING = 5, 1.1, 0.5, 0.1, 0.99

    def __init__(self, positions: Array, fmax: float) -> None:
        super().__init__(positions, fmax)
        self.velocities = np.zeros_like(positions)
        self.time_step, self.mixing, self.downhill, self.begun = 0.1, self.MIXING, 0, False

    def learn(self, energy: float, forces: Array) -> bool:
        """Take a step; the first forces are those of the beginning, all others of a step."""
        if self.begun:
            power = float(np.vdot(forces, self.velocities))
            if power > 0:
                scale = self.mixing * math.sqrt(np.vdot(self.velocities, self.velocities) / np.vdot(forces, forces))
                self.velocities = (1 - self.mixing) * self.velocities + scale * forces
                if self.downhill > self.WAIT:
                    self.time_step = min(self.time_step * self.FASTER, self.LONGEST_TIME)
                    self.mixing *= self.LESS_MIXING
                self.downhill += 1
            else:
                self.velocities = np.zeros_like(forces)
                self.mixing, self.downhill = self.MIXING, 0
                self.time_step *= self.SLOWER
        was_step, self.begun = bool(self.begun), True
        self.steps += was_step
        self.accepted = (self.trial, energy, forces)
        self.velocities = self.velocities + self.time_step * forces
        step = self.time_step * self.velocities
        length = math.sqrt(np.vdot(step, step))
        self.trial = self.trial + (step if length <= self.LONGEST_STEP else self.LONGEST_STEP / length * step)
        return True


class ConjugateGradient(BatchOptimiser):
    """Nonlinear conjugate gradient of Polak and Ribière with a line search on the slope.

    The direction's factor is never negative, and a direction that does not descend gives way to the forces. A line
    search ends where slope and energy satisfy the strong Wolfe conditions (Nocedal and Wright, Numerical Optimization,
    section 3.1); near a minimum, where differences of energies are lost in rounding, the energy may rise by
    :attr:`NOISE` (Hager and Zhang, SIAM J. Optim. 16, 170 (2005)). Trials are the zeros of the slope by the secant
    rule, kept inside the interval that holds a minimum.
    """

    STATE = (
        *BatchOptimiser.STATE,
        "begun",
        "origin",
        "energy",
        "forces",
        "direction",
        "slope",
        "length",
        "low",
        "high",
        "trials",
        "best_forces",
    )
    #: Sufficient decrease, and slope that remains; SciPy's fmin_cg has the same.
    DECREASE, CURVATURE = 1e-4, 0.4
    #: eV for each atom.
    NOISE = 1e-7
    #: Å² / eV of the first step along forces: the inverse of a stiffness, as ASE's BFGS begins with.
    SOFTNESS = 1 / 70
    #: No atom moves farther in one step, Å.
    LONGEST_STEP = 0.2
    #: Evaluations in one line search.
    TRIALS = 12

    def __init__(self, positions: Array, fmax: float) -> None:
        super().__init__(positions, fmax)
        self.begun = False
        self.origin, self.forces = positions.copy(), np.zeros_like(positions)
        self.direction, self.best_forces = np.zeros_like(positions), np.zeros_like(positions)
        self.energy = self.slope = self.length = 0.0
        self.trials = 0
        #: (length, energy, slope) where the slope still descends, and where the minimum is behind; length NaN: none yet
        self.low, self.high = np.zeros(3), np.full(3, math.nan)

    def learn(self, energy: float, forces: Array) -> bool:
        """Take the trial as a step, or set another on the same line."""
        if not self.begun:
            self.begun = True
            self._accept(energy, forces, None)
            return True
        slope = -float(np.vdot(forces, self.direction))
        self.trials += 1
        lower = energy <= self.energy + self.DECREASE * self.length * self.slope + self.NOISE * len(forces)
        flat = abs(slope) <= -self.CURVATURE * self.slope
        still = bool((np.linalg.norm(forces, axis=1) < self.fmax).all())
        at_limit = slope < 0 and self.length >= self._longest() * (1 - 1e-12)
        if lower and (flat or still or at_limit):
            self._take(energy, forces, slope)
            return True
        if not lower or slope >= 0:
            self.high = np.array([self.length, energy, slope])
        else:
            self.low, self.best_forces = np.array([self.length, energy, slope]), forces.copy()
        if self.trials >= self.TRIALS:
            return self._give_up()
        self.length = self._next_length()
        self.trial = self.origin + self.length * self.direction
        return False

    def _take(self, energy: float, forces: Array, slope: float) -> None:
        """Accept a point of the line."""
        self.steps += 1
        self.origin = self.origin + self.length * self.direction
        self._accept(energy, forces, self.length * self.slope)

    def _give_up(self) -> bool:
        """End a line search without a satisfying point: at the lowest of those that descend, or along the forces."""
        if self.low[0] > 0:
            self.length = float(self.low[0])
            self._take(float(self.low[1]), self.best_forces, float(self.low[2]))
            return True
        if np.array_equal(self.direction, self.forces):
            raise NoDescent
        self._accept(self.energy, self.forces, None)
        return False

    def _accept(self, energy: float, forces: Array, product: float | None) -> None:
        """Begin a line at :attr:`origin`; ``product`` is step length times slope of the last one, None at a restart."""
        factor = 0.0
        if product is not None:
            factor = max(0.0, float(np.vdot(forces, forces - self.forces) / np.vdot(self.forces, self.forces)))
        direction = forces + factor * self.direction
        slope = -float(np.vdot(forces, direction))
        if slope >= 0 or factor == 0:
            direction, slope = forces.copy(), -float(np.vdot(forces, forces))
        self.accepted = (self.origin, energy, forces)
        self.energy, self.forces, self.direction, self.slope = energy, forces.copy(), direction, slope
        self.low, self.high = np.array([0.0, energy, slope]), np.full(3, math.nan)
        self.best_forces, self.trials = forces.copy(), 0
        # the change of the energy is about that of the last step
        length = self.SOFTNESS if product is None or slope == 0 else product / slope
        self.length = min(length, self._longest())
        self.trial = self.origin + self.length * self.direction

    def _longest(self) -> float:
        farthest = float(np.sqrt(np.square(self.direction).sum(axis=1).max(initial=0.0)))
        return self.LONGEST_STEP / farthest if farthest > 0 else math.inf

    def _next_length(self) -> float:
        """Return the next trial's length: the slope's zero by the secant rule, not near the ends of the interval."""
        low, high = self.low, self.high
        if math.isnan(high[0]):  # still descending: further, twice to five times
            steeper = low[2] - self.slope
            guess = low[0] - low[2] * low[0] / steeper if steeper > 0 else math.inf
            return min(max(guess, 2 * low[0]), 5 * low[0], self._longest())
        width = high[0] - low[0]
        rise = high[2] - low[2]
        guess = low[0] - low[2] * width / rise if high[2] > 0 and rise > 0 else low[0] + 0.5 * width
        return float(min(max(guess, low[0] + 0.1 * width), low[0] + 0.9 * width))


#: By the name of ASE's optimiser.
OPTIMISERS: dict[str, type[BatchOptimiser]] = {"FIRE": Fire, "SciPyFminCG": ConjugateGradient}
