"""`GeneratorData`: a trained generative model."""

from __future__ import annotations

from .weights import CONFIG, WEIGHTS, WeightsData

TEMPLATE = "template.npz"


class GeneratorData(WeightsData):
    """Weights, configuration and template structure of a model, as ``generator.train`` writes them.

    Attributes ``model``, ``model_version``, ``elements``, ``n_atoms``, ``trained_on``, ``seed`` and
    ``versions`` can be queried.
    """

    FORMAT = "dismai-generator"
    FILES = (CONFIG, WEIGHTS, TEMPLATE)
    ATTRIBUTES = ("model", "model_version", "elements", "n_atoms", "trained_on", "seed", "versions", "version")

    @property
    def model(self) -> str:
        """Name of the model in the entry-point group ``dismai.generators``."""
        return str(self.base.attributes.get("model"))
