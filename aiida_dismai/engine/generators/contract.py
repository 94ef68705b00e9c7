"""What a generative model gives to the frame, and what it is given: see README.md beside this file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from ..context import Context
from ..parameters import Parameters
from ..structures import StructureSet

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GeneratorSpec:
    """A generative model as it registers itself; the object that its entry point names.

    The module that holds it imports no torch, nor does the module of the parameter model: the AiiDA
    host reads both. The functions are named, not given, for the same reason.

    Attributes:
        name: the name of the entry point.
        summary: one line for ``dismai generators``.
        parameters: ``module:Class`` of its hyper-parameters, a subclass of
            :class:`~aiida_dismai.engine.parameters.Parameters` in which every field has a default.
        train: ``module:function``, see :class:`TrainFunction`.
        sample: ``module:function``, see :class:`SampleFunction`.
        parts: ``module:function``, see :class:`PartsFunction`; empty for a model without a network.
        statistics: ``module:function``, see :class:`StatisticsFunction`; empty for a model that has none.
        readme: path of its README: source, what was changed, cost, when to use it.
        stage: ``experimental`` (its weights may be unreadable for the next version) or ``stable``.
        same_atoms: whether all its training structures must have the same atoms in the same order; the host then
            refuses others before a submission.
        version: of its weights; raised whenever earlier weights would be read wrongly.
        upgrades: how weights of earlier versions are read: ``module:function`` by the version that the function starts
            from, see :class:`~aiida_dismai.engine.upgrades.UpgradeFunction`. Versions without one are refused with
            :class:`~aiida_dismai.engine.errors.BadWeights`.
    """

    name: str
    summary: str
    parameters: str
    train: str
    sample: str
    parts: str = ""
    statistics: str = ""
    readme: str = ""
    stage: str = "experimental"
    same_atoms: bool = False
    version: int = 1
    upgrades: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """What training gives back; the frame writes it down.

    Attributes:
        weights: a ``state_dict``: all that sampling needs, and nothing else.
        trainable_parameters: by part, as trained (critics and encoders too).
        curves: name → one number per epoch (or another axis that the name says).
        results: scalars for ``results.json``, the final losses among them.
        config: plain numbers and strings that sampling needs besides weights, hyper-parameters and
            template, for instance the constants of a normalisation.
    """

    weights: dict[str, Tensor]
    trainable_parameters: dict[str, int]
    curves: dict[str, NDArray[Any]]
    results: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainedGenerator:
    """A trained model as it is read from its folder; what sampling is given.

    Attributes:
        model: name of the model.
        model_version: the version of the model that wrote the weights.
        parameters: its hyper-parameters, validated.
        config: as :attr:`Trained.config`.
        template: one training structure: atoms, cell, periodicity, and the region of each atom where
            all training structures agree on it.
        weights: on the device that was asked for.
        record: all of ``config.json`` (seed, hash of the training set, versions, …).
    """

    model: str
    model_version: int
    parameters: Parameters
    config: Mapping[str, Any]
    template: StructureSet
    weights: dict[str, Tensor]
    record: Mapping[str, Any]


class TrainFunction(Protocol):
    """``train``: fit the model to structures."""

    def __call__(
        self, structures: StructureSet, validation: StructureSet | None, parameters: Any, context: Context, device: str
    ) -> Trained:
        """Train, resuming from ``context.checkpoint`` when it holds a checkpoint of this run.

        The frame has made sure that a checkpoint found there belongs to the same model, parameters,
        seed and structures. The function reports with ``context.progress``, draws every random number
        from ``context.required_seed()``, and asks ``context.out_of_time()`` at every step.

        Args:
            structures: not empty, finite, with volume; everything else is for the model to check.
            validation: the same, or None.
            parameters: an instance of the model's own parameter class.
            context: folder, seed, time limit.
            device: ``cpu`` or ``cuda``.

        Raises:
            BadInput: structures that the model cannot learn from.
            Diverged: a loss became NaN or infinite.
            Unfinished: out of time, after a checkpoint has been written.
        """
        ...


class SampleFunction(Protocol):
    """``sample``: generate structures."""

    def __call__(self, generator: TrainedGenerator, indices: Sequence[int], seed: int, device: str) -> StructureSet:
        """Generate one batch.

        Structure ``i`` may depend on the weights, the seed and ``i``, and on nothing else, so that any
        division of the work into batches and jobs gives the same structures (:func:`stream` helps).

        Args:
            generator: what was trained.
            indices: of the structures wanted, at most one batch.
            seed: of the whole set.
            device: ``cpu`` or ``cuda``; the weights are there already.

        Returns:
            One structure per index, in order. Coordinates may be non-finite: the frame counts them. A model may reject
            structures of its own: those whose property ``rejected`` (bool) is true are left out and counted.
        """
        ...


class PartsFunction(Protocol):
    """``parts``: count the trainable parameters without training."""

    def __call__(self, template: StructureSet, parameters: Any) -> dict[str, int]:
        """Return the number of trainable parameters of each part for structures like ``template``."""
        ...


class StatisticsFunction(Protocol):
    """``statistics``: numbers about generated structures that only the model knows."""

    def __call__(self, structures: StructureSet) -> dict[str, Any]:
        """Return scalars for ``results.json``.

        Args:
            structures: all that were asked for, with the properties that :class:`SampleFunction` gave them, those
                that are left out afterwards among them.
        """
        ...
