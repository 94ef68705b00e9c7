"""`ClusterExpansionData`: a two-body cluster expansion on its lattice."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida.common.exceptions import ValidationError
from aiida.orm import SinglefileData

from ..engine.alloys.expansion import Expansion, ExpansionFile, packaged_file, read_file
from ..engine.errors import BadInput
from ..engine.untrusted import DEFAULT, read_object

FILE_NAME = "expansion.json"


class ClusterExpansionData(SinglefileData):
    """The coefficients of a cluster expansion with their source, one checked JSON file.

    The attributes ``name``, ``source``, ``species``, ``lattice``, ``radii`` (Å, of the shells), ``n_coefficients`` and
    ``content_hash`` can be queried. The format is described in :mod:`aiida_dismai.engine.alloys.expansion`.

    Example:
        >>> node = ClusterExpansionData.packaged()                    # doctest: +SKIP
        >>> node = ClusterExpansionData("cu_au.json")                 # doctest: +SKIP
        >>> node = ClusterExpansionData(from_icet(cluster_expansion)) # doctest: +SKIP
    """

    def __init__(self, expansion: ExpansionFile | Mapping[str, Any] | Path | str | None = None, **kwargs: Any) -> None:
        """Build a node.

        Args:
            expansion: checked content, plain values, or the path of a JSON file.
            kwargs: those of :class:`aiida.orm.Data` (``label``, ``user``, …).

        Raises:
            BadInput: unreadable, incomplete, or shells that the lattice does not have.
        """
        super().__init__(**kwargs)
        if expansion is not None:
            self._fill(expansion if isinstance(expansion, ExpansionFile) else read_file(expansion))

    def _fill(self, content: ExpansionFile) -> None:
        built = Expansion.build(content)
        text = content.model_dump_json(indent=2, exclude_none=True) + "\n"
        self.set_file(io.BytesIO(text.encode()), FILE_NAME)
        self.base.attributes.set_many(
            {
                "name": content.name,
                "source": content.source,
                "species": list(content.species),
                "lattice": content.lattice.model_dump(exclude_none=True),
                "radii": [shell.radius for shell in content.shells],
                "n_coefficients": 1 + built.site_terms.size + built.pair_terms.size,
                "content_hash": hashlib.sha256(text.encode()).hexdigest(),
            }
        )

    @classmethod
    def packaged(cls) -> ClusterExpansionData:
        """Return the Fe–Ni–Cr expansion of the paper."""
        return cls(packaged_file())

    def _validate(self) -> bool:
        super()._validate()
        try:
            _ = self.file
        except (BadInput, ValueError) as error:
            raise ValidationError(f"{FILE_NAME}: {error}") from error
        return True

    @property
    def file(self) -> ExpansionFile:
        """The content, checked.

        Raises:
            BadInput: the node came with an archive, and its content is none.
        """
        with self.open(mode="rb") as handle:
            return read_file(read_object(handle.read(DEFAULT.size + 1), f"{type(self).__name__}<{self.pk}>"))

    @property
    def expansion(self) -> Expansion:
        """The expansion on its lattice."""
        return Expansion.build(self.file)
