"""The restarting WorkChains around single tasks, and how builders fill their ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import AbstractCode, Dict

from ..calculations.alloys import SampleAlloyCalculation
from ..calculations.amorphous import (
    CarveCalculation,
    MeasureAmorphousCalculation,
    NetworkCalculation,
    QuenchCalculation,
)
from ..calculations.evaluation import (
    CompareCalculation,
    DescribeCalculation,
    MetricsCalculation,
    PostprocessCalculation,
)
from ..calculations.generators import SampleGeneratorCalculation
from ..calculations.interfaces import BuildInterfacesCalculation
from ..calculations.potentials import EvaluatePotentialCalculation, TrainPotentialCalculation
from ..calculations.relax import RelaxCalculation
from .protocols import merge
from .restart import RestartTaskWorkChain


class RelaxChunkWorkChain(RestartTaskWorkChain):
    """Relax one chunk of structures, from checkpoint to checkpoint."""

    _process_class = RelaxCalculation


class BuildInterfacesWorkChain(RestartTaskWorkChain):
    """Build random interfaces, from checkpoint to checkpoint."""

    _process_class = BuildInterfacesCalculation


class SampleAlloyWorkChain(RestartTaskWorkChain):
    """Sample an alloy at one temperature, from checkpoint to checkpoint."""

    _process_class = SampleAlloyCalculation


class NetworkChunkWorkChain(RestartTaskWorkChain):
    """Make one chunk of networks by bond switching, from checkpoint to checkpoint."""

    _process_class = NetworkCalculation


class QuenchChunkWorkChain(RestartTaskWorkChain):
    """Quench one chunk of structures from the melt, from checkpoint to checkpoint."""

    _process_class = QuenchCalculation


class CarveChunkWorkChain(RestartTaskWorkChain):
    """Carve one chunk of structures out of a large cell, from checkpoint to checkpoint."""

    _process_class = CarveCalculation


class MeasureAmorphousWorkChain(RestartTaskWorkChain):
    """Measure amorphous structures, from checkpoint to checkpoint."""

    _process_class = MeasureAmorphousCalculation


class TrainPotentialWorkChain(RestartTaskWorkChain):
    """Train a potential, from checkpoint to checkpoint."""

    _process_class = TrainPotentialCalculation
    _memory_parameter = "micro_batch_size"
    _rate_parameter = "learning_rate"


class EvaluatePotentialWorkChain(RestartTaskWorkChain):
    """Compute the errors of a potential, from checkpoint to checkpoint."""

    _process_class = EvaluatePotentialCalculation


class SampleChunkWorkChain(RestartTaskWorkChain):
    """Generate one chunk of structures, from checkpoint to checkpoint."""

    _process_class = SampleGeneratorCalculation
    _memory_parameter = "batch_size"


class PostprocessWorkChain(RestartTaskWorkChain):
    """Push atoms apart, from checkpoint to checkpoint."""

    _process_class = PostprocessCalculation


class DescribeChunkWorkChain(RestartTaskWorkChain):
    """Describe one chunk of structures for the metrics, from checkpoint to checkpoint."""

    _process_class = DescribeCalculation


class MetricsJobWorkChain(RestartTaskWorkChain):
    """Compute metrics in one job, from checkpoint to checkpoint."""

    _process_class = MetricsCalculation


class CompareJobWorkChain(RestartTaskWorkChain):
    """Compare surroundings of cations in one job, from checkpoint to checkpoint."""

    _process_class = CompareCalculation


def fill_job(port: Any, code: AbstractCode, entry: Mapping[str, Any], options: Mapping[str, Any] | None) -> None:
    """Fill the ports of a restarting WorkChain in a builder.

    Args:
        port: the builder, or the namespace in which the WorkChain is exposed.
        code: the ``dismai`` code.
        entry: the job's part of a protocol: ``parameters`` and ``options``.
        options: laid over the protocol's scheduler options, for all jobs alike.
    """
    port["code"] = code
    if "parameters" in entry:
        port["parameters"] = Dict(dict(entry["parameters"]))
    port["options"] = Dict(merge(entry["options"], options or {}))
