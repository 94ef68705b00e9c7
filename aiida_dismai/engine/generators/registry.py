"""Find the generative models that are installed, ours and anyone's, and describe them."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ..parameters import Parameters, validate
from ..plugins import Broken as BrokenGenerator
from ..plugins import choose, load, load_parameters, read_specs
from .contract import GeneratorSpec

__all__ = ["BrokenGenerator", "describe", "find", "hyperparameters", "load", "parameter_model", "registered"]

GROUP = "dismai.generators"
#: Entries of a JSON schema that bound a value, under the names that a description uses.
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minItems", "maxItems", "enum")


def registered() -> dict[str, GeneratorSpec | BrokenGenerator]:
    """Return what is registered, by name; a plug-in that fails does not disturb the others."""
    return read_specs(entry_points(group=GROUP), GeneratorSpec)


def find(name: str) -> GeneratorSpec:
    """Return a model by name.

    Raises:
        BadInput: not registered (names the nearest), or registered and broken (says why).
    """
    return choose(registered(), name, "generative model")


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


def describe_parameters(model: type[Parameters]) -> dict[str, dict[str, Any]]:
    """Return default, description, type and bounds of every field, from its JSON schema."""
    schema = model.model_json_schema()
    fields = {}
    for name, field in schema.get("properties", {}).items():
        kinds = [field, *field.get("anyOf", []), *field.get("prefixItems", [])]
        types = list(dict.fromkeys(kind["type"] for kind in [field, *field.get("anyOf", [])] if "type" in kind))
        bounds = {key: kind[key] for kind in reversed(kinds) for key in BOUNDS if key in kind}
        fields[name] = {
            "default": field.get("default"),
            "description": field.get("description", ""),
            "type": types[0] if len(types) == 1 else types,
            "bounds": bounds,
        }
    return fields
