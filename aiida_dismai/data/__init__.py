"""The nodes of the project: sets of structures, cluster expansions, trained potentials and generative models."""

from .expansion import ClusterExpansionData
from .generator import GeneratorData
from .potential import PotentialData
from .structures import StructureSetData

__all__ = ["ClusterExpansionData", "GeneratorData", "PotentialData", "StructureSetData"]
