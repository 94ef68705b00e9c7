"""Parameters of ``potential.train``, ``potential.evaluate`` and ``relax``; imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ..parameters import Parameters
from ..workers import WORKERS, Workers
from .registry import find, is_factory, require_calculator

#: Calculators of LAMMPS: silicon by the name of the potential, and any other by its file.
LAMMPS_CALCULATORS = ("edip", "sw", "sw_vink", "tersoff", "lammps")
#: Calculators that come with the project; others are registered by plug-ins.
CALCULATORS = ("m3gnet", "chgnet", *LAMMPS_CALCULATORS, "gap")

Device = Literal["auto", "cpu", "cuda"]

_DEVICE = "where to compute: a GPU when there is one (auto), cpu or cuda"
_THREADS = "CPU threads of torch; None leaves OMP_NUM_THREADS or torch's own choice"


class NetworkParameters(Parameters):
    """Size of the M3GNet; the defaults are the paper's (science notes, section 3)."""

    cutoff: float = Field(5.0, gt=0, le=12, description="two-body cutoff, Å")
    threebody_cutoff: float = Field(4.0, gt=0, le=12, description="three-body cutoff, Å, at most the two-body one")
    n_blocks: int = Field(3, ge=1, le=10, description="number of three-body and graph convolution blocks")
    units: int = Field(64, ge=1, le=1024, description="width of the embeddings and of the hidden layers")
    max_n: int = Field(3, ge=1, le=8, description="radial basis functions per degree")
    max_l: int = Field(3, ge=1, le=4, description="degrees of the angular basis")
    use_smooth: bool = Field(True, description="radial basis whose first two derivatives vanish at the cutoff")

    @model_validator(mode="after")
    def _cutoffs_in_order(self) -> Self:
        if self.threebody_cutoff > self.cutoff:
            raise ValueError(f"threebody_cutoff ({self.threebody_cutoff} Å) must not exceed cutoff ({self.cutoff} Å)")
        return self


class TrainParameters(NetworkParameters):
    """Training of an M3GNet on labelled structures, with the loss of the paper's eq. 7."""

    # When the training stops, how fast it goes and where; the learning rate is the remedy after a divergence.
    FREE: ClassVar[frozenset[str]] = frozenset(
        {
            "device",
            "threads",
            "micro_batch_size",
            "checkpoint_interval",
            "patience",
            "max_epochs",
            "learning_rate",
        }
    )

    repulsion: bool = Field(
        False,
        description="add a screened Coulomb repulsion below the sum of the covalent radii, where training structures "
        "have no pairs and the network may have a hole (not in the paper)",
    )
    energy_weight: float = Field(1.0, ge=0, description="weight of the squared error of the energy per atom, eV²")
    forces_weight: float = Field(1.0, ge=0, description="weight of the squared error of the force components, eV²/Å²")
    stress_weight: float = Field(0.1, ge=0, description="weight of the squared error of the stress components, GPa²")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="learning rate of Adam")
    schedule: Literal["constant", "cosine"] = Field(
        "constant", description="learning rate over the epochs: constant, or cosine to a hundredth at max_epochs"
    )
    batch_size: int = Field(32, ge=1, description="structures per step of the optimiser")
    micro_batch_size: int = Field(
        4,
        ge=1,
        description="structures computed at once; gradients are added up to batch_size, so this changes only the "
        "memory (about 3.5 GB per structure of 264 atoms at the default network size) and the speed",
    )
    max_epochs: int = Field(1000, ge=1, description="epochs at most")
    patience: int = Field(
        200,
        ge=1,
        description="stop after so many epochs without a better validation score; the score is the sum of the mean "
        "absolute errors (eV/atom, eV/Å, GPa) with the weights of the loss",
    )
    mixed_labels: bool = Field(
        False,
        description="train on labels of several DFT engines, functionals, values of U or sets of potentials, which are "
        "refused otherwise; the results then say so in their warnings",
    )
    train_fraction: float = Field(0.9, gt=0, le=1, description="share of the trajectories to train on")
    validation_fraction: float = Field(0.05, ge=0, lt=1, description="share of the trajectories for validation")
    test_fraction: float = Field(0.05, ge=0, lt=1, description="share of the trajectories for the test errors")
    checkpoint_interval: float = Field(300.0, ge=0, description="seconds between checkpoints; 0 is after every step")
    device: Device = Field("auto", description=_DEVICE)
    threads: int | None = Field(None, ge=1, description=_THREADS)

    @model_validator(mode="after")
    def _sums(self) -> Self:
        total = self.train_fraction + self.validation_fraction + self.test_fraction
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train_fraction + validation_fraction + test_fraction must be 1, not {total:g}")
        if self.energy_weight + self.forces_weight + self.stress_weight == 0:
            raise ValueError("one of energy_weight, forces_weight and stress_weight must be above 0")
        return self


class EvaluateParameters(Parameters):
    """Errors of a potential on labelled structures, and against DFT relaxations when ``relaxed`` is given."""

    FREE: ClassVar[frozenset[str]] = frozenset({"micro_batch_size", "match_tolerance", "device", "threads"})

    micro_batch_size: int = Field(4, ge=1, description="structures computed at once")
    match_tolerance: float = Field(
        0.05,
        gt=0,
        description="a DFT trajectory starts from a relaxed structure when no atom is farther from it, Å",
    )
    device: Device = Field("auto", description=_DEVICE)
    threads: int | None = Field(None, ge=1, description=_THREADS)


class RelaxParameters(Parameters):
    """Relaxation of structures: one by one through ASE, or many at once on one device."""

    FREE: ClassVar[frozenset[str]] = frozenset({"device", "threads", "workers", "batch_atoms", "compile"})

    calculator: str = Field(
        "m3gnet",
        description="'m3gnet' (needs the input 'potential'), 'chgnet', a potential of LAMMPS ('edip', 'sw', 'sw_vink' "
        "or 'tersoff' for silicon, 'lammps' with pair_style, file and elements), 'gap' with param_filename, that of a "
        "plug-in, or 'module:factory' of an ASE calculator that is allowed where the task runs (DISMAI_ALLOW_FACTORY)",
    )
    calculator_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="keyword arguments of the calculator; `dismai calculators NAME` prints them",
    )
    mode: Literal["sequential", "batched"] = Field(
        "sequential",
        description="sequential: ASE's optimisers, one structure at a time in each worker, as the paper; batched: many "
        "structures at once on one device, by 'm3gnet' at a fixed cell",
    )
    optimizer: Literal["SciPyFminCG", "FIRE", "BFGS", "LBFGS"] = Field(
        "SciPyFminCG",
        description="optimiser, by ASE's name; the paper's is SciPyFminCG. In batches FIRE is ASE's, and SciPyFminCG "
        "stands for a conjugate gradient with a line search that is written for them",
    )
    fmax: float = Field(0.05, gt=0, description="converged when the force on every atom is below this, eV/Å (norm)")
    steps: int = Field(1000, ge=0, description="steps of the optimiser at most, per structure")
    relax_cell: bool = Field(False, description="relax the cell, too (exponential cell filter of ASE)")
    batch_atoms: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto",
        description="atoms at once in the mode 'batched'; auto: what a dry run says will fit. Halved when the memory "
        "runs out",
    )
    precision: Literal["float32", "float64", "tf32", "bf16"] = Field(
        "float32",
        description="precision of the network of 'm3gnet'; others than float32 are compared with it for the first "
        "structure (results: precision_difference)",
    )
    compile: bool = Field(
        False, description="let torch.compile fuse the network of 'm3gnet'; it takes a minute and a C++ compiler"
    )
    workers: Workers = Field("auto", description=f"{WORKERS}; one in the mode 'batched' and, with auto, on a GPU")
    device: Device = Field("auto", description=_DEVICE)
    threads: int | None = Field(
        None, ge=1, description="CPU threads of each worker; None leaves OMP_NUM_THREADS, or one where it is not set"
    )

    @model_validator(mode="after")
    def _known_calculator(self) -> Self:
        require_calculator(self.calculator, self.calculator_kwargs)
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.calculator != "m3gnet" and (self.precision != "float32" or self.compile):
            raise ValueError(f"precision and compile are of the calculator 'm3gnet', not of '{self.calculator}'")
        if self.mode == "sequential":
            if self.batch_atoms != "auto":
                raise ValueError("batch_atoms is of the mode 'batched'; give it, or drop batch_atoms")
            return self
        if not can_batch(self.calculator):
            raise ValueError(
                f"mode: calculator '{self.calculator}' computes structures one by one; give 'sequential', with "
                "workers for more at once"
            )
        if self.optimizer not in ("SciPyFminCG", "FIRE"):
            raise ValueError(f"optimizer: '{self.optimizer}' is not written for batches; give SciPyFminCG or FIRE")
        if self.relax_cell:
            raise ValueError("relax_cell: batches are relaxed at a fixed cell; give the mode 'sequential'")
        if self.workers not in ("auto", 1):
            raise ValueError("workers: a batch is computed by one process; give 1 or 'auto', or mode 'sequential'")
        return self


def can_batch(calculator: str) -> bool:
    """Whether a calculator evaluates batches of structures."""
    return not is_factory(calculator) and bool(find(calculator).evaluator)
