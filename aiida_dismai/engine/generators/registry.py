"""Find the generative models that are installed, ours and anyone's, and describe them."""

from __future__ import annotations

from collections.abc import Mapping
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


def describe(name: str, template: Path | str | None = None, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Describe a model, or a variant of it.

    Args:
        name: of the model.
        template: file with a structure that the model is to generate; its parts are sized for the first one.
        values: hyper-parameters that differ from the defaults.

    Returns:
        ``name``, ``summary``, ``stage``, ``version``, ``readme``, ``parameters`` (name → default,
        description, type, bounds), with values ``hyperparameters`` (these, as the model takes them) and, with a
        template, ``trainable_parameters`` (part → number).

    Raises:
        BadInput: no such model, wrong values, or a template that it cannot generate.
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
    if values:
        chosen = hyperparameters(spec, dict(values))
        description["hyperparameters"] = chosen.model_dump(mode="json", include=set(values))
    if template is not None:
        from ..structures import load_structures

        structures = load_structures(template).require(str(template))
        description["trainable_parameters"] = (
            load(spec.parts)(structures[0], hyperparameters(spec, dict(values or {}))) if spec.parts else {}
        )
    return description
