"""Choosing the structures of a data set among the snapshots of a sampling: by order, decorrelated, distinct.

The rule, in this order:

1. Runs whose mean energy is further than ``run_deviation`` standard deviations (of the energy within runs) from the
   median of all runs' are left out. At low temperature a run may freeze in an arrangement of higher energy that it
   does not leave; its snapshots are not of the ensemble, however many they are.
2. Snapshots that repeat an arrangement of species on the sites that came before (in any run) are left out.
3. With a ``width``, those are kept of which every chosen Warren–Cowley parameter is within ± width of its average over
   all snapshots of the runs that were not left out, repeated ones too: the average is one of the ensemble.
4. Within a run, two snapshots are at least ``spacing`` passes apart. Without one given it is twice the integrated
   autocorrelation time of the energy of these runs, 1 + 2 Σ ρ(t). Going through a run from its begin and taking each
   snapshot that is far enough from the last keeps as many as can be kept.
5. Of these, ``count`` are drawn by seed, equally many of each run as far as the runs have them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..errors import BadInput, nearest
from ..parameters import Parameters
from .monte_carlo.statistics import autocorrelation_time

#: Integrated autocorrelation times between two structures of a run.
INDEPENDENT = 2.0


class SelectionParameters(Parameters):
    """Which snapshots may be in a data set."""

    width: float | None = Field(
        None,
        gt=0,
        le=100,
        description="Largest deviation of a short-range order parameter from its average; None takes all snapshots "
        "(the wide sets of the paper), 0.1 makes its narrow ones.",
    )
    shells: list[Annotated[int, Field(ge=1)]] = Field(
        [1, 2], min_length=1, description="Shells whose parameters count, the nearest is 1."
    )
    pairs: list[str] | None = Field(None, min_length=1, description="Pairs that count, such as Cr-Fe; None is all.")
    spacing: float | None = Field(
        None,
        ge=0,
        le=1e9,
        description="Passes between two structures of a run, at least; None takes twice the measured "
        "autocorrelation time of the energy, or one structure of a run where the energy does not change.",
    )
    run_deviation: float | None = Field(
        1.0,
        gt=0,
        le=1e6,
        description="Runs are left out whose mean energy is further than this from the median of the runs', in "
        "standard deviations of the energy within runs; None takes all runs.",
    )

    def check(self, n_shells: int, pairs: Sequence[str]) -> None:
        """Refuse shells and pairs that an expansion does not have.

        Raises:
            BadInput: names them.
        """
        self.columns(n_shells, pairs)

    def columns(self, n_shells: int, pairs: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the indices of the chosen shells and pairs, each once.

        Raises:
            BadInput: shells or pairs that there are none of.
        """
        missing = [shell for shell in self.shells if shell > n_shells]
        if missing:
            raise BadInput(f"shells: there is no shell {missing[0]}, the cluster expansion has {n_shells}")
        places = {name: place for place, name in enumerate(pairs)}
        places |= {"-".join(reversed(name.split("-"))): place for name, place in places.items()}
        for name in self.pairs or []:
            if name not in places:
                raise BadInput(f"pairs: the cluster expansion has no pair '{name}'{nearest(name, pairs)}")
        chosen = range(len(pairs)) if self.pairs is None else [places[name] for name in self.pairs]
        return np.unique(np.array(self.shells)) - 1, np.unique(np.array(chosen, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Snapshots:
    """What a sampling has kept, in the order of runs and passes.

    Attributes:
        numbers: atomic numbers on the sites, ``(n, sites)``.
        run: of each, ``(n,)``.
        passes: pass at which each was taken, ``(n,)``.
        sro: Warren–Cowley parameters, ``(n, shells, pairs)``.
        pairs: names of the pairs.
        energy: formation energy after every pass of every run from the first snapshot's on, eV/atom, ``(runs, steps)``.
    """

    numbers: NDArray[np.uint8]
    run: NDArray[np.int64]
    passes: NDArray[np.int64]
    sro: NDArray[np.float64]
    pairs: tuple[str, ...]
    energy: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of snapshots."""
        return len(self.run)


@dataclass(frozen=True, eq=False)
class Selection:
    """What was chosen, and what there was.

    Attributes:
        chosen: indices of the chosen snapshots, sorted.
        trapped: runs that were left out.
        looked_at: snapshots of the others.
        members: indices of these.
        distinct: how many of these differ from all before them.
        passed: how many of these the filter lets pass.
        apart: how many of these are left after the thinning.
        autocorrelation: of the energy of these runs, passes; None where it does not change.
        spacing: that was kept, passes; None where only one of each run was taken.
        nearest: deviation of the snapshot that is nearest to the average; None without a filter.
        needed: smallest width with which there would be enough; None without a filter, or where no width would do.
    """

    chosen: NDArray[np.int64]
    trapped: list[int]
    looked_at: int
    members: NDArray[np.int64]
    distinct: int
    passed: int
    apart: int
    autocorrelation: float | None
    spacing: float | None
    nearest: float | None
    needed: float | None


def select(snapshots: Snapshots, parameters: SelectionParameters, count: int, seed: int) -> Selection:
    """Choose up to ``count`` snapshots, see the module.

    Args:
        snapshots: of one sampling.
        parameters: the filter and the spacing.
        count: how many are wanted.
        seed: of the draw.

    Raises:
        BadInput: shells or pairs that the snapshots do not have.
    """
    trapped = trapped_runs(snapshots.energy, parameters.run_deviation)
    members = np.flatnonzero(~np.isin(snapshots.run, trapped))
    autocorrelation = autocorrelation_time(np.delete(snapshots.energy, trapped, axis=0))
    spacing = parameters.spacing
    if spacing is None:
        spacing = math.inf if autocorrelation is None else INDEPENDENT * autocorrelation
    deviation = largest_deviation(snapshots, members, parameters)
    first = members[_first_of_each(snapshots.numbers[members])]
    candidates = first
    if deviation is not None and parameters.width is not None:
        candidates = first[deviation[first] <= parameters.width]
    apart = thin(snapshots, candidates, spacing)
    return Selection(
        chosen=draw(snapshots.run, apart, count, seed),
        trapped=trapped,
        looked_at=len(members),
        members=members,
        distinct=len(first),
        passed=len(candidates),
        apart=len(apart),
        autocorrelation=autocorrelation,
        spacing=spacing if math.isfinite(spacing) else None,
        nearest=None if deviation is None else float(deviation[first].min()),
        needed=None if deviation is None else _width_needed(snapshots, first, deviation, spacing, count),
    )


def trapped_runs(energy: NDArray[np.float64], limit: float | None) -> list[int]:
    """Return the runs whose mean energy is more than ``limit`` standard deviations from the median of the runs'.

    Args:
        energy: series of all runs, ``(runs, steps)``.
        limit: None finds none.

    Returns:
        None of them, too, where no run is near the median (two runs that disagree): there is nothing to choose by.
    """
    means = energy.mean(axis=1)
    apart = np.abs(means - np.median(means))
    spread = float(np.median(energy.std(axis=1)))  # that of a run on its way down would be too wide
    if limit is None or (apart > limit * spread).all():
        return []
    return [int(run) for run in np.flatnonzero(apart > limit * spread)]


def _first_of_each(numbers: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the sorted indices of the snapshots that are like none before them."""
    rows = np.ascontiguousarray(numbers).view(np.dtype((np.void, numbers.shape[1] * numbers.itemsize)))[:, 0]
    return np.sort(np.unique(rows, return_index=True)[1])


def largest_deviation(
    snapshots: Snapshots, members: NDArray[np.int64], parameters: SelectionParameters
) -> NDArray[np.float64] | None:
    """Return how far the parameter that deviates most is from its average over ``members``, ``(n,)``.

    None without a filter.
    """
    shells, pairs = parameters.columns(snapshots.sro.shape[1], snapshots.pairs)
    if parameters.width is None:
        return None
    order = snapshots.sro[:, shells][:, :, pairs]
    return np.asarray(np.abs(order - order[members].mean(axis=0)).max(axis=(1, 2)))


def thin(snapshots: Snapshots, candidates: NDArray[np.int64], spacing: float) -> NDArray[np.int64]:
    """Return the most candidates of which no two of one run are less than ``spacing`` passes apart."""
    kept = []
    for run in np.unique(snapshots.run[candidates]):
        last = -math.inf
        for index in candidates[snapshots.run[candidates] == run]:
            if last == -math.inf or snapshots.passes[index] - last >= spacing:
                kept.append(index)
                last = float(snapshots.passes[index])
    return np.sort(np.array(kept, dtype=np.int64))


def draw(run: NDArray[np.int64], candidates: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Return at most ``count`` candidates by seed, sorted: equally many of each run as far as the runs have them."""
    random = np.random.default_rng(seed)
    of_runs = [random.permutation(candidates[run[candidates] == one]) for one in np.unique(run[candidates])]
    # deal in rounds; in the last one, which runs still give is drawn
    rounds = [
        np.array([members[turn] for members in of_runs if turn < len(members)])
        for turn in range(max(map(len, of_runs), default=0))
    ]
    dealt = [random.permutation(members) for members in rounds]
    return np.sort(np.concatenate([np.array([], dtype=np.int64), *dealt])[:count])


def _width_needed(
    snapshots: Snapshots, first: NDArray[np.int64], deviation: NDArray[np.float64], spacing: float, count: int
) -> float | None:
    """Return the smallest width with which ``count`` are left; more candidates never leave fewer, so by bisection."""
    widths = np.sort(deviation[first])
    if len(thin(snapshots, first, spacing)) < count:
        return None
    low, high = min(count, len(widths)) - 1, len(widths) - 1
    while low < high:
        middle = (low + high) // 2
        if len(thin(snapshots, first[deviation[first] <= widths[middle]], spacing)) >= count:
            high = middle
        else:
            low = middle + 1
    return float(widths[low])
