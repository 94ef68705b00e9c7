"""`GeneratorData`: a trained generative model."""

from __future__ import annotations

from ..engine.trained import GENERATOR
from .weights import WeightsData


class GeneratorData(WeightsData):
    """Weights, configuration and template structure of a model, as ``generator.train`` writes them.

    Attributes ``model``, ``model_version``, ``elements``, ``n_atoms``, ``trained_on``, ``seed`` and
    ``versions`` can be queried.
    """

    FORMAT = GENERATOR
    ATTRIBUTES = ("model", "model_version", "elements", "n_atoms", "trained_on", "seed", "versions", "version")

    @property
    def model(self) -> str:
        """Name of the model in the entry-point group ``dismai.generators``."""
        return str(self.base.attributes.get("model"))
