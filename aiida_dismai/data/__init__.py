"""The nodes of the project: a set of structures, a trained potential, a trained generative model."""

from .generator import GeneratorData
from .potential import PotentialData
from .structures import StructureSetData

__all__ = ["GeneratorData", "PotentialData", "StructureSetData"]
