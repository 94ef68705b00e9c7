"""Find the generative models that are installed, ours and anyone's, and describe them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ..errors import BadInput, nearest
from ..parameters import Parameters, validate
from .contract import GeneratorSpec

GROUP = "dismai.generators"
#: Entries of a JSON schema that bound a value, under the names that a description uses.
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minItems", "maxItems", "enum")


@dataclass(frozen=True)
class BrokenGenerator:
    """A registered model that cannot be imported; listed, so that its owner sees why.

    Attributes:
        name: of the entry point.
        summary: the reason.
    """

    name: str
    summary: str


def registered() -> dict[str, GeneratorSpec | BrokenGenerator]:
    """Return what is registered, by name; a plug-in that fails does not disturb the others."""
    found: dict[str, GeneratorSpec | BrokenGenerator] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        if point.name in found:
            found[point.name] = BrokenGenerator(
                point.name, f"broken: registered twice, the second time as {point.value}; uninstall one"
            )
            continue
        try:
            spec = point.load()
        except Exception as error:  # a foreign module may raise anything when it is imported
            found[point.name] = BrokenGenerator(point.name, f"broken: {type(error).__name__}: {error}")
            continue
        if not isinstance(spec, GeneratorSpec):
            found[point.name] = BrokenGenerator(
                point.name, f"broken: {point.value} is a {type(spec).__name__}, not a GeneratorSpec"
            )
        elif spec.name != point.name:
            found[point.name] = BrokenGenerator(point.name, f"broken: calls itself '{spec.name}' in {point.value}")
        else:
            found[point.name] = spec
    return found


def find(name: str) -> GeneratorSpec:
    """Return a model by name.

    Raises:
        BadInput: not registered (names the nearest), or registered and broken (says why).
    """
    models = registered()
    if name not in models:
        raise BadInput(f"no generative model '{name}' is registered{nearest(name, models)}")
    spec = models[name]
    if isinstance(spec, BrokenGenerator):
        raise BadInput(f"generative model '{name}': {spec.summary}")
    return spec


def load(reference: str) -> Any:
    """Import ``module:name``.

    Raises:
        BadInput: there is no such thing, or a library that it needs is not installed.
    """
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInput(f"{reference} cannot be loaded ({error}); `pip install aiida-dismai[engine]`?") from error


def parameter_model(spec: GeneratorSpec) -> type[Parameters]:
    """Import the model of the hyper-parameters.

    Raises:
        BadInput: it is missing, or not a ``Parameters``.
    """
    model = load(spec.parameters)
    if not (isinstance(model, type) and issubclass(model, Parameters)):
        raise BadInput(f"generative model '{spec.name}': {spec.parameters} is not a subclass of Parameters")
    return model


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
        description["trainable_parameters"] = load(spec.parts)(structures[0], hyperparameters(spec, {}))
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
