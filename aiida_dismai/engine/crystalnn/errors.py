"""What goes wrong at a site."""

from __future__ import annotations


class CrystalNNError(Exception):
    """A site whose neighbours are not defined.

    Attributes:
        site: index of the atom in its structure; None when it is about the whole structure.
        reason: what is wrong and what to do about it.
    """

    def __init__(self, site: int | None, reason: str) -> None:
        """Keep both; ``str()`` gives ``site 3: …``."""
        super().__init__(site, reason)
        self.site = site
        self.reason = reason

    def __str__(self) -> str:
        """Return site and reason."""
        return self.reason if self.site is None else f"site {self.site}: {self.reason}"
