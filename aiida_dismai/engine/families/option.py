"""A family as an argument or option of a command."""

from __future__ import annotations

from typing import Any

import click

from ..errors import BadInput


class FamilyName(click.ParamType):
    """The name of a registered family; what is registered is read when a value is given."""

    name = "family"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse a name that is not registered, with the nearest."""
        from .registry import find

        try:
            return find(value).name
        except BadInput as error:
            self.fail(str(error), param, ctx)
