"""The course of a network from diamond to amorphous, in blocks after each of which it can be stored.

Some transpositions are made whatever they cost, then Metropolis' rule decides at a falling temperature, then all
transpositions are tried in turn and those that lower the energy are made. It is over as soon as the deviation of the
bond angles is small enough; as long as it is not, more rounds follow, which begin less hot. Where rings of four are
unwanted, they are not made from the second round on, and it goes on until the last one is gone: not to make them from
the beginning left the angles of 256 atoms at 13° and more, as the way to better networks leads through such rings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import write_arrays
from ...structures.npz import open_arrays
from ...untrusted import STATE
from .diamond import Network, diamond_network
from .geometry import angle_sigma, four_rings
from .keating import best_scale, constants_of, owned_energies, relax
from .parameters import NetworkParameters
from .switching import ACCEPTED, advance

#: Transpositions between two looks at the clock and at the angles; part of the result, since it may end there.
BLOCK = 4096
RANDOMISE, ANNEAL, QUENCH, OVER = "randomise", "anneal", "quench", "over"
#: What is counted on the way.
COUNTS = ("round", "tried", "accepted", "trials", "sweeps", "sweep_accepted")

#: Relaxation near a transposition: atoms up to two bonds from its four move, at most three steps, and the forecast
#: counts from the second. With three bonds and thirty steps the same transpositions were accepted, in twice the time.
SHELLS, NEAR_STEPS, PATIENCE = 2, 3, 2
#: Sums of squared forces, (eV/Å)²: a relaxation that decides is right to about 1e-4 eV, the last one to 1e-9 eV.
NEAR_FORCES, FORCES, LAST_FORCES = 1e-2, 1e-3, 1e-8
FAR_STEPS, LAST_STEPS = 300, 10_000
#: A quench only counts what lowers the energy by more than the relaxations are uncertain, eV.
GAIN = 1e-3
#: Chains whose dihedral angle has a cosine above this are left alone while it anneals. They are two thirds of all, but
#: without this rule were 7 % of those accepted at 0.25–0.4 eV (52 of 746): their bonds would have to cross. [own]
FOLDED = -0.4
#: No transposition costs this much, eV.
ANY = 1e6


class Course:
    """A network on its way.

    Attributes:
        phase: what is being done.
        round: of annealing and quench, from 0.
        tried: transpositions tried in this phase.
        accepted: transpositions made, in all phases.
        trials: transpositions tried, in all phases.
        energy: Keating energy of all atoms, eV.
    """

    def __init__(self, parameters: NetworkParameters, rng: np.random.Generator) -> None:
        """Begin with diamond.

        Raises:
            ValueError: no diamond with this number of atoms.
        """
        self.parameters = parameters
        self.rng = rng
        self.phase = RANDOMISE
        self.round = self.tried = self.accepted = self.trials = self.sweeps = 0
        #: transpositions of the running sweep that are still to be tried, and how many of it were made
        self.pending: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.sweep_accepted = 0
        self.constants = constants_of(parameters.alpha, parameters.beta_ratio, parameters.bond_length)
        self._take(diamond_network(parameters.n_atoms, parameters.edge))
        self._relax(FORCES, FAR_STEPS)

    # ------------------------------------------------------------------ the network
    @property
    def network(self) -> Network:
        """The network of the moment."""
        return Network(self.positions, self.bonded, self.images, self.box)

    @property
    def sigma(self) -> float:
        """Standard deviation of its bond angles, degrees."""
        return angle_sigma(self.network)

    def _take(self, network: Network) -> None:
        """Make a network that of the moment."""
        n = len(network.positions)
        self.positions, self.bonded, self.images = (
            network.positions.copy(),
            network.bonded.copy(),
            network.images.copy(),
        )
        self.box = network.box
        self.everyone = np.arange(n)
        room = np.zeros((n, 3))
        self.rooms = (np.zeros(n), room, np.zeros((n, 3)), np.full(n, -1), np.zeros((n, 3)))
        self.energy = self._own()

    def _own(self) -> float:
        """Compute what every atom owns, and return the energy, eV."""
        return float(
            owned_energies(
                self.everyone, self.positions, self.bonded, self.images, self.box, self.constants, self.rooms[0]
            )
        )

    def _relax(self, forces: float, steps: int, free: bool = False) -> None:
        """Relax all atoms, and the box where it is ``free``."""
        limits = np.array([forces, steps, steps + 1, np.inf, 0.0])
        for _ in range(100):
            relax(
                self.everyone, self.everyone, self.positions, self.bonded, self.images, self.box, self.constants, 0.0,
                limits, self.rooms[1], self.rooms[2],
            )  # fmt: skip
            if not free:
                break
            scale = best_scale(self.positions, self.bonded, self.images, self.box, self.constants)
            self.positions *= scale
            self.box *= scale
            # the energy changes with the square of this
            if abs(scale - 1) < np.sqrt(forces) * 1e-3:
                break
        self.energy = self._own()

    # ------------------------------------------------------------------ the course
    def go_on(self) -> None:
        """Do the next block of transpositions, or the step to the next phase."""
        do = {RANDOMISE: self._randomise, ANNEAL: self._anneal, QUENCH: self._quench}[self.phase]
        if do():
            self._next_phase()
        if self.phase in (ANNEAL, QUENCH) and self.trials and self.sigma <= self.parameters.angle_sigma:
            # Earlier than this a free box is of no use: nothing keeps a network of bad angles from crumpling.
            if self.free:
                self._relax(FORCES, FAR_STEPS, free=True)
            if self.sigma > self.parameters.angle_sigma:
                return
            if not self.short_rings:
                self.phase = OVER
            elif not self.round:
                self.phase = QUENCH
                self._next_phase()

    def _next_phase(self) -> None:
        """Go to the next phase, or round."""
        self.tried = self.sweeps = 0
        self.pending = np.zeros(0, dtype=np.int64)
        if self.phase == QUENCH:
            self.round += 1
            self.phase = ANNEAL if self.round < self.parameters.rounds else OVER
        else:
            self.phase = {RANDOMISE: ANNEAL, ANNEAL: QUENCH}[self.phase]

    @property
    def short_rings(self) -> int:
        """Number of rings that are unwanted."""
        if self.parameters.smallest_ring == 4:
            return 0
        return four_rings(self.network)

    def finish(self) -> None:
        """Relax to the last digit."""
        self._relax(LAST_FORCES, LAST_STEPS, self.free)

    @property
    def free(self) -> bool:
        """Whether the box takes the size of least energy in the end."""
        return self.parameters.volume == "relaxed"

    @property
    def planned(self) -> int:
        """Transpositions to be tried in this phase, at most."""
        n, parameters = self.parameters.n_atoms, self.parameters
        return {
            RANDOMISE: round(parameters.randomise * n),
            ANNEAL: parameters.annealing * n,
            QUENCH: parameters.quench_sweeps * 18 * n,
            OVER: 0,
        }[self.phase]

    def _randomise(self) -> bool:
        """Make transpositions whatever they cost; say whether this is over."""
        wanted = self.planned - self.tried
        if wanted > 0:
            numbers = self.rng.integers(36 * self.parameters.n_atoms, size=min(wanted, BLOCK))
            self._switch(numbers, np.full(len(numbers), ANY))
        return self.tried >= self.planned

    def _anneal(self) -> bool:
        """Try transpositions at the falling temperature; say whether this is over."""
        size = min(self.planned - self.tried, BLOCK)
        if size > 0:
            hot, cold = self.parameters.hot, self.parameters.cold
            if self.round:
                hot = (hot * cold) ** 0.5
            done = (self.tried + np.arange(size)) / self.planned
            numbers = self.rng.integers(36 * self.parameters.n_atoms, size=size)
            # 1 - u is never 0
            heights = -hot * (cold / hot) ** done * np.log(1.0 - self.rng.random(size))
            self._switch(numbers, heights, FOLDED)
        return self.tried >= self.planned

    def _quench(self) -> bool:
        """Try a part of all transpositions; say whether there is none left that lowers the energy."""
        if not len(self.pending):
            if self.sweeps and not self.sweep_accepted:
                return True
            if self.sweeps == self.parameters.quench_sweeps:
                return True
            self.sweeps += 1
            self.sweep_accepted = 0
            # every chain has a number from either end: once is enough
            numbers = np.arange(36 * self.parameters.n_atoms)
            forward = self.bonded[numbers // 36, numbers % 36 // 9] > numbers // 36
            self.pending = self.rng.permutation(numbers[forward])
        before = self.accepted
        now, self.pending = self.pending[:BLOCK], self.pending[BLOCK:]
        self._switch(now, np.full(len(now), -GAIN))
        self.sweep_accepted += self.accepted - before
        return False

    def _switch(self, numbers: NDArray[np.int64], heights: NDArray[np.float64], folded: float = 1.0) -> None:
        """Try transpositions; ``heights`` (eV) is how far above the energy of the moment each may end."""
        forecast = self.parameters.forecast
        patience = FAR_STEPS if forecast is None else PATIENCE
        near = np.array([NEAR_FORCES, NEAR_STEPS, patience, 0.0, forecast or 0.0])
        far = np.array([FORCES, FAR_STEPS, FAR_STEPS if forecast is None else 0, 0.0, forecast or 0.0])
        counts = np.zeros(5, dtype=np.int64)
        network = (self.positions, self.bonded, self.images, self.box, self.constants)
        self.energy = float(
            advance(
                numbers,
                heights,
                self.energy,
                folded,
                self.parameters.smallest_ring if self.round else 4,
                SHELLS,
                near,
                far,
                network,
                self.rooms,
                counts,
            )
        )
        self.tried += len(numbers)
        self.trials += len(numbers)
        self.accepted += int(counts[ACCEPTED])

    # ------------------------------------------------------------------ stops
    def save(self, path: Path) -> None:
        """Store everything that determines how it continues."""
        scalars: dict[str, Any] = {"phase": self.phase} | {name: getattr(self, name) for name in COUNTS}
        plain = json.dumps({**scalars, "rng": self.rng.bit_generator.state})
        arrays = {name: getattr(self, name) for name in ("positions", "bonded", "images", "pending")}
        write_arrays(path, {"plain": np.array(plain), "box": np.array(self.box), **arrays})

    def load(self, path: Path) -> None:
        """Resume from what :meth:`save` wrote.

        Raises:
            BadInput: a bad copy has damaged it, or it is of something else; then nothing has changed.
        """
        n = self.parameters.n_atoms
        with open_arrays(path, "a half-way state of a network") as found:
            scalars = found.json("plain", STATE)
            counts = {name: int(scalars[name]) for name in COUNTS}
            arrays = [found.read(name) for name in ("positions", "bonded", "images", "box", "pending")]
            positions, bonded, images, box, pending = arrays
            # compiled code looks at no bounds: what points outside would be read and written there
            if (
                scalars["phase"] not in (RANDOMISE, ANNEAL, QUENCH, OVER)
                or min(counts.values()) < 0
                or [array.shape for array in arrays[:4]] != [(n, 3), (n, 4), (n, 4, 3), ()]
                or [array.dtype.kind for array in arrays] != ["f", "i", "i", "f", "i"]
                or not (np.isfinite(positions).all() and np.isfinite(box) and box > 0)
                or not ((bonded >= 0) & (bonded < n)).all()
                or pending.ndim != 1
                or not ((pending >= 0) & (pending < 36 * n)).all()
            ):
                raise ValueError("not the state of this network")
            self.rng.bit_generator.state = scalars["rng"]
        self.phase = scalars["phase"]
        for name, value in counts.items():
            setattr(self, name, value)
        self.pending = pending
        self._take(Network(positions, bonded, images, float(box)))
