"""Parameters of what is computed of every structure: a family, and the table of parameters that the family brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from ..errors import BadInput
from ..parameters import Parameters, known_parts
from ..workers import WORKERS, Workers
from . import registry
from .contract import FamilySpec

Own = TypeVar("Own", bound="DescribeParameters")


class DescribeParameters(Parameters):
    """What is computed of every structure by itself.

    The family's own parameters are in a table of its name, which is read with the family's own model. In Python the
    table is an attribute: ``DescribeParameters(kind="alloy").alloy``, or :attr:`table` whatever the family.
    """

    model_config = ConfigDict(extra="allow")  # the tables; all other names are refused below

    kind: str = Field(
        "interface", description="Family of structures, which decides what is computed; `dismai families` lists them."
    )
    compat: bool = Field(
        False,
        description="Reproduce the authors' numbers also where their scripts are peculiar (docs/metrics.md lists "
        "where), as far as these do not depend on the order of the atoms.",
    )
    workers: Workers = Field(1, description=WORKERS)

    @classmethod
    def tables(cls) -> dict[str, type[Parameters]]:
        """Return the tables of the families that are installed."""
        found = {}
        for name in registry.names():
            try:
                found[name] = registry.table_model(registry.find(name))
            except BadInput:
                continue  # said where that family is asked for
        return found

    @classmethod
    def part_of(cls, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return those parameters of the task ``metrics`` that are about single structures."""
        known = known_parts(DescribeParameters)
        return {name: value for name, value in parameters.items() if name in known}

    @property
    def family(self) -> FamilySpec:
        """The family that is asked for."""
        return registry.find(self.kind)

    @property
    def table(self) -> Any:
        """The family's own parameters."""
        return getattr(self, self.kind)

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        try:
            registry.table_model(registry.find(kind))
        except BadInput as error:
            raise ValueError(str(error)) from error
        return kind

    @model_validator(mode="after")
    def _read_table(self: Own) -> Own:
        """Read the family's table, and refuse all names that are neither a parameter nor that table."""
        extra = self.__pydantic_extra__
        assert extra is not None  # by the configuration
        details: list[InitErrorDetails] = []
        try:
            value = extra.get(self.kind, {})
            extra[self.kind] = registry.table_model(self.family).model_validate(value)
        except ValidationError as error:
            for item in error.errors():
                place = (self.kind, *item["loc"])
                details.append({**_kept(item), "loc": place})  # type: ignore[typeddict-item]
        families = registry.names()
        for name in extra:
            if name == self.kind:
                continue
            if name in families:
                text = f"'{name}' holds parameters of the kind '{name}', but kind is '{self.kind}'"
                details.append(InitErrorDetails(type=PydanticCustomError("other_family", text), input=extra))
            else:
                details.append(InitErrorDetails(type="extra_forbidden", loc=(name,), input=extra[name]))
        if details:
            raise ValidationError.from_exception_data(type(self).__name__, details)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the tables to the schema."""
        schema = handler(core_schema)
        model = handler.resolve_ref_schema(schema)
        for name, table in cls.tables().items():
            entry = handler(table.__pydantic_core_schema__)
            model["properties"][name] = {**entry, "default": {}, "description": f"Parameters of the family '{name}'."}
        model["additionalProperties"] = False
        return schema


def _kept(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a new error can be made of."""
    return {key: item[key] for key in ("type", "input", "ctx") if key in item}
