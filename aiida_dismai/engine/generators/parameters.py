"""Parameters of the tasks ``generator.train`` and ``generator.sample``; no torch here."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ..parameters import Parameters
from .registry import find, hyperparameters


class _OnDevice(Parameters):
    FREE: ClassVar[frozenset[str]] = frozenset({"device", "threads"})

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="device; auto uses a GPU if there is one")
    threads: int | None = Field(
        None, ge=1, le=1024, description="CPU threads of torch; null leaves it to OMP_NUM_THREADS"
    )


class TrainParameters(_OnDevice):
    """Parameters of ``generator.train``."""

    model: str = Field(description="name of a registered generative model; `dismai generators` lists them")
    hyperparameters: dict[str, Any] = Field(
        default_factory=dict,
        description="hyper-parameters that differ from the model's defaults; `dismai generators describe MODEL` "
        "lists them all",
    )

    @model_validator(mode="after")
    def _fill_hyperparameters(self) -> Self:
        """Check the hyper-parameters with the model's own class and write down its defaults too.

        Raises BadInput, which pydantic lets through, so that the message names the model.
        """
        complete = hyperparameters(find(self.model), self.hyperparameters)
        self.hyperparameters = complete.model_dump(mode="json")
        return self

    def free(self) -> frozenset[str]:
        """Return the names of all that may change with a checkpoint, those of the model included."""
        chosen = hyperparameters(find(self.model), self.hyperparameters)
        return self.FREE | {f"hyperparameters.{name}" for name in chosen.free()}


class SampleParameters(_OnDevice):
    """Parameters of ``generator.sample``."""

    # more may be asked for of the same; a structure does not depend on its batch
    FREE: ClassVar[frozenset[str]] = _OnDevice.FREE | {"n_structures", "batch_size"}

    n_structures: int = Field(1000, ge=1, le=10_000_000, description="number of structures to generate")
    first: int = Field(
        0,
        ge=0,
        description="index of the first structure: jobs over 0–499 and 500–999 together give what one over 0–999 gives",
    )
    batch_size: int = Field(
        100, ge=1, description="structures generated at once; limits memory and does not change the result"
    )
