"""The base of all parameter models, and one readable error for what does not fit them.

A task has one model of its parameters. The AiiDA side validates with it before a submission,
the engine validates again before it computes, and ``dismai schema`` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import BadInput, nearest

Model = TypeVar("Model", bound="Parameters")
#: Entries of a JSON schema that bound a value, under the names that a description uses.
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minItems", "maxItems", "enum")


class Parameters(BaseModel):
    """Base of the parameter models: unknown names are refused, values are finite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True)

    #: Names that may differ between two runs that share a checkpoint, see :mod:`.ownership`.
    FREE: ClassVar[frozenset[str]] = frozenset()

    def free(self) -> frozenset[str]:
        """Return the dotted names of all that may change with a checkpoint, those of models inside included."""
        return self.FREE

    @classmethod
    def tables(cls) -> dict[str, type[Parameters]]:
        """Return the tables that plug-ins add to the fields, by name: their models."""
        return {}


def known_parts(model: Any) -> dict[str, Any]:
    """Return what a model takes by name: the types of its fields, and the models of the tables that plug-ins add."""
    if model is None:
        return {}
    tables = model.tables() if issubclass(model, Parameters) else {}
    return {name: field.annotation for name, field in model.model_fields.items()} | tables


def _known_names(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the (sub-)model in which the error at ``location`` lies."""
    current: Any = model
    for part in location[:-1]:
        if isinstance(part, int):
            continue  # the place in a list; its model was found with the list's own name
        current = _sub_model(known_parts(current).get(part))
    return list(known_parts(current))


def _sub_model(annotation: Any) -> Any:
    """Return the model in ``Model``, ``Model | None`` or ``list[Model]``; None when there is none."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next(filter(None, map(_sub_model, get_args(annotation))), None)


def validate(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """Build the parameter model from plain values.

    Args:
        model: the task's parameter model.
        values: what the user gave.
        where: named in the error, for instance the task.

    Raises:
        BadInput: one line for everything that is wrong; a misspelt name gets the nearest right one.
    """
    if not isinstance(values, Mapping):
        raise BadInput(f'{where}: parameters must be an object such as {{"name": value}}, not {values!r}')
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                hint = nearest(str(item["loc"][-1]), _known_names(model, item["loc"]))
                lines.append(f"unknown parameter '{name}'{hint}")
            else:
                # what concerns several parameters names them itself, and would be given all of them
                whole = item["type"] == "missing" or isinstance(item["input"], Mapping)
                given = "" if whole else f" (given: {item['input']!r})"
                lines.append(f"{name or 'parameters'}: {item['msg'].removeprefix('Value error, ')}{given}")
        raise BadInput(f"{where}: " + "; ".join(lines)) from error


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
