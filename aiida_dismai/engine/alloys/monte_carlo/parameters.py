"""Parameters of ``alloys.sample``; light, imports no Numba."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from ...parameters import Parameters
from ..expansion import ExpansionFile

Repeat = Annotated[int, Field(strict=True)]
Row = Annotated[list[Repeat], Field(min_length=3, max_length=3)]


class SampleParameters(Parameters):
    """Canonical Metropolis sampling of a lattice alloy with swaps of atoms; defaults are the paper's.

    A pass is as many attempted swaps as there are sites; a swap of two atoms of one species counts as an attempt that
    is not accepted (as in the paper's acceptance of 2.6 % at 300 K).
    """

    # finished runs are lengthened, and others added
    FREE: ClassVar[frozenset[str]] = frozenset({"passes", "runs", "workers", "max_structures"})

    temperature: float = Field(gt=0, le=1e6, description="Temperature, K; the paper has 300 and 1500.")
    passes: int = Field(50_000, ge=1, le=10**9, description="Passes of every run, burn-in included.")
    burn_in: int = Field(
        10_000, ge=0, description="Passes after the random start that are left out of averages and snapshots."
    )
    start_temperature: float | None = Field(
        1500.0,
        gt=0,
        le=1e6,
        description="Temperature, K, from which the first half of the burn-in cools down. Without it (None, as "
        "in the paper) one run in six at 300 K is trapped in an arrangement of domains, 3 meV/atom too high, for "
        "longer than 30,000 passes. Nothing is cooled when the temperature is higher.",
    )
    snapshot_interval: int = Field(10, ge=1, le=10**6, description="Passes between two snapshots after the burn-in.")
    runs: int = Field(10, ge=1, le=10_000, description="Independent runs, each from its own random arrangement.")
    supercell: Row | Annotated[list[Row], Field(min_length=3, max_length=3)] = Field(
        [4, 4, 4],
        description="Repeats of the expansion's cell (fcc, bcc, sc, diamond: the cube; hcp: the hexagonal cell; else "
        "the cell as given), or a 3 × 3 matrix of whole numbers whose rows are the supercell's vectors.",
    )
    composition: dict[str, float] = Field(
        {"Cr": 51, "Fe": 154, "Ni": 51},
        description="Atoms of each species in the supercell, or shares that add up to 1 and give whole numbers.",
    )
    expansion: ExpansionFile | None = Field(
        None,
        description="A two-body cluster expansion with its lattice, if none is given as input; without either it is "
        "Fe–Ni–Cr as in the paper.",
    )
    lattice_constant: float | None = Field(
        None, gt=0.5, le=100, description="Lattice constant instead of the expansion's, Å."
    )
    max_structures: int = Field(
        5000,
        ge=0,
        le=1_000_000,
        description="Maximum number of snapshots, chosen evenly from all runs, that are also written as structures; "
        "all of them are in snapshots.npz, which is far smaller.",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Threads, one run each at a time; None takes the cores that the job may use. Results do not "
        "depend on it.",
    )

    @model_validator(mode="after")
    def _snapshot_left(self) -> SampleParameters:
        if self.passes - self.burn_in < self.snapshot_interval:
            raise ValueError(
                f"passes ({self.passes}) must exceed burn_in ({self.burn_in}) by snapshot_interval "
                f"({self.snapshot_interval}) or more: there would be no snapshot"
            )
        return self
