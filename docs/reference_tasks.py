"""The page of the tasks, from the task list and the parameter models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reference_tables import NOTE, section, table

from aiida_dismai.dft import StageSettings
from aiida_dismai.engine.generators.registry import parameter_model, registered
from aiida_dismai.engine.parameters import Parameters, known_parts
from aiida_dismai.engine.tasks import all_tasks


def resolve(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference of a JSON schema."""
    if "$ref" in field:
        return {**definitions[field["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in field.items() if k != "$ref"}}
    return field


def schema_type(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the type of a field in words."""
    field = resolve(field, definitions)
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        return " or ".join(schema_type(item, definitions) for item in field["anyOf"])
    kind = field.get("type", "any")
    if kind == "array":
        if "prefixItems" in field:
            items = [schema_type(item, definitions) for item in field["prefixItems"]]
            return f"{len(items)} × {items[0]}" if len(set(items)) == 1 else f"({', '.join(items)})"
        return f"list of {schema_type(field.get('items', {}), definitions)}"
    if kind == "object":
        values = field.get("additionalProperties")
        return f"names → {schema_type(values, definitions)}" if isinstance(values, Mapping) else "group"
    return {"string": "text", "boolean": "yes/no"}.get(kind, str(kind))


def bounds(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the bounds of a field, as a person writes them."""
    field = resolve(field, definitions)
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    for item in (field, *field.get("anyOf", []), *field.get("prefixItems", [])):
        found = [f"{sign} {number(item[key])}" for key, sign in signs.items() if key in item]
        if found:
            return ", ".join(found)
    return ""


def number(value: float) -> str:
    """Return a bound; whole numbers up to a thousand million digit by digit."""
    return str(int(value)) if value == int(value) and abs(value) <= 1e9 else f"{value:.4g}"


def inner_model(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """Return the schema of the model in a field, and what stands between their names (``.`` or ``[].``)."""
    for item in (field, *field.get("anyOf", [])):
        whole = resolve(item, definitions)
        if "properties" in whole:
            return whole, "."
        for key, between in (("items", "[]."), ("additionalProperties", ".NAME.")):
            inner = whole.get(key)
            if isinstance(inner, Mapping) and "properties" in resolve(inner, definitions):
                return resolve(inner, definitions), between
    return None, "."


def default(field: Mapping[str, Any], name: str, required: Iterable[str]) -> str:
    """Return the default of a field as code, ``required`` where it has none."""
    if name in required:
        return "required"
    value = field.get("default")
    if isinstance(value, Mapping) and value and all(isinstance(item, (Mapping, list)) for item in value.values()):
        return "see below"
    return "" if "default" not in field else f"`{value}`" if value is not None else "null"


def parameter_rows(schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str = "") -> list[Any]:
    """Return a row for each parameter, those of groups with dotted names."""
    rows: list[Any] = []
    for name, field in schema.get("properties", {}).items():
        inner, between = inner_model(field, definitions)
        shown = default(field, name, schema.get("required", []))
        if inner is not None and isinstance(field.get("default"), Mapping):
            shown = ""
        kind, limits = schema_type(field, definitions), bounds(field, definitions)
        rows.append((f"`{path}{name}`", kind, shown, limits, field.get("description", "")))
        if inner is not None:
            rows += parameter_rows(inner, definitions, f"{path}{name}{between}")
    return rows


PARAMETER_HEADS = ("parameter", "type", "default", "bounds", "")


def parameter_table(model: type[Parameters], without: type[Parameters] | None = None) -> str:
    """Return the table of a parameter model, without the parameters of another."""
    schema = model.model_json_schema()
    known = set(known_parts(without))
    schema["properties"] = {name: field for name, field in schema["properties"].items() if name not in known}
    return table(PARAMETER_HEADS, parameter_rows(schema, schema.get("$defs", {})))


def extended(model: type[Parameters]) -> tuple[str, type[Parameters]] | None:
    """Return the task whose parameters those of ``model`` extend, and its model; None where there is none."""
    for task in all_tasks().values():
        other = task.model()
        if other is not model and issubclass(model, other):
            return task.name, other
    return None


def leaves(outputs: Iterable[str]) -> str:
    """Return the files that a task leaves, in words."""
    *names, last = [f"`{name}`" for name in (*outputs, "results.json")]
    return f"{', '.join(names)} and {last}" if names else last


def tasks_page() -> str:
    """Return the page of the tasks and their parameters."""
    parts = [
        NOTE,
        "# Tasks and their parameters\n\nThe tasks of the engine, as `dismai run` and the CalcJobs take them. "
        "`dismai schema TASK` prints the same as JSON. A name that is not listed is refused, with the nearest "
        "right one.\n",
    ]
    for task in all_tasks().values():
        inputs = [(f"`{name}`", "yes" if needed else "no", what) for name, (what, needed) in task.inputs.items()]
        parts += [
            f"## `{task.name}`\n\n{task.summary[0].upper()}{task.summary[1:]}. "
            f"{'Needs a `seed`. ' if task.seeded else ''}Leaves {leaves(task.outputs)}.\n",
            table(("input", "required", ""), inputs),
        ]
        known = extended(task.model())
        if known is not None:
            parts.append(f"The parameters of [{known[0]}](#{known[0].replace('.', '')}), and:\n")
        parts.append(parameter_table(task.model(), None if known is None else known[1]))
    parts.append("## Hyper-parameters of the built-in models\n")
    for name, spec in registered().items():
        if not getattr(spec, "parameters", "").startswith("aiida_dismai."):
            continue  # a foreign model, or one that is broken
        parts += [
            f"### `{name}`\n\n{spec.summary[0].upper()}{spec.summary[1:]}.\n",
            parameter_table(parameter_model(spec)),
        ]
    parts += [
        "## Settings of a stage of `dismai.label`\n\nThe input `stage_1.settings` and `stage_2.settings`; no task of "
        "the engine, but checked in the same way.\n",
        parameter_table(StageSettings),
    ]
    return section(*parts)
