"""What files that are shared name people, files and checksums by: bundles of data sets, and results."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..parameters import Parameters

#: Names of files in a shared folder: no folders, no hidden files, nothing that a shell or another system takes amiss.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,120}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Text = Annotated[str, Field(max_length=20_000)]


class Author(Parameters):
    """A person; there is no place for an e-mail address.

    Attributes:
        given: given names; may be empty.
        family: family name, or that of a group.
        orcid: 0000-0002-1825-0097, or None.
        affiliation: or None.
    """

    given: Text = ""
    family: Text
    orcid: Annotated[str, Field(pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")] | None = None
    affiliation: Text | None = None

    @property
    def name(self) -> str:
        """Given and family name."""
        return f"{self.given} {self.family}".strip()
