"""Find the generative models that are installed, ours and anyone's, and describe them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..parameters import Parameters, describe_parameters, validate
from ..plugins import Registry, load, load_parameters
from .contract import GeneratorSpec

GENERATORS = Registry("dismai.generators", GeneratorSpec, "generative model")
registered, find = GENERATORS.registered, GENERATORS.find


def parameter_model(spec: GeneratorSpec) -> type[Parameters]:
    """Import the model of the hyper-parameters.

    Raises:
        BadInput: it is missing, or not a ``Parameters``.
    """
    return load_parameters(spec.parameters, f"generative model '{spec.name}'")


def hyperparameters(spec: GeneratorSpec, values: dict[str, Any]) -> Parameters:
    """Check hyper-parameters with the model's own parameter class, and fill in its defaults.

    Raises:
        BadInput: misspelt (names the nearest), out of range, of another type.
    """
    return validate(parameter_model(spec), values, f"model '{spec.name}'")


def describe(name: str, template: Path | str | None = None) -> dict[str, Any]:
    """Describe a model.

    Args:
        name: of the model.
        template: file with a structure that the model is to generate; its parts are sized for the first one.

    Returns:
        ``name``, ``summary``, ``stage``, ``version``, ``readme``, ``parameters`` (name → default,
        description, type, bounds) and, with a template, ``trainable_parameters`` (part → number).

    Raises:
        BadInput: no such model, or a template that it cannot generate.
    """
    spec = find(name)
    description: dict[str, Any] = {
        "name": spec.name,
        "summary": spec.summary,
        "stage": spec.stage,
        "version": spec.version,
        "readme": spec.readme,
        "parameters": describe_parameters(parameter_model(spec)),
    }
    if template is not None:
        from ..structures import load_structures

        structures = load_structures(template).require(str(template))
        description["trainable_parameters"] = (
            load(spec.parts)(structures[0], hyperparameters(spec, {})) if spec.parts else {}
        )
    return description
