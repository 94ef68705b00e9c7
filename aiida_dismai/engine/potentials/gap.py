"""Gaussian approximation potentials through QUIP's Python wheel, from the file that the user gives.

The paper relaxes its amorphous silicon with that of Bartók et al., Phys. Rev. X 8, 041048 (2018), which nobody may ship
but its authors: ``gp_iter6_sparse9k.xml`` and the files of sparse points beside it.
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols
from pydantic import Field

from ..errors import BadInput
from ..parameters import Parameters, validate

INSTALL = "pip install 'aiida-dismai[gap]'"
#: Atomic numbers in the text of a descriptor: ``Z=14``, ``Z1=14``, ``species_Z={14 8}``.
SPECIES = re.compile(r"(?:^|\s)(?:species_)?Z\d*\s*=\s*\{*\s*(\d+(?:\s+\d+)*(?=[\s}]|$))")


class GapParameters(Parameters):
    """Keyword arguments of the calculator ``gap``."""

    param_filename: str = Field(description="the potential's XML file; its files of sparse points stand beside it")
    args_str: str = Field(
        "", description="QUIP's initialisation string, for instance 'IP GAP'; empty takes what the file says"
    )


@dataclass(frozen=True)
class GapFile:
    """What the XML file of a potential says of itself.

    Attributes:
        path: of the XML file.
        numbers: atomic numbers that its descriptors name, or that have an energy as isolated atoms; the table of these
            energies alone lists all elements, with zeros. Empty when the file names none.
        sparse: files of sparse points.
    """

    path: Path
    numbers: frozenset[int]
    sparse: tuple[Path, ...]

    @classmethod
    def read(cls, path: Path) -> GapFile:
        """Read the file.

        Raises:
            BadInput: it or a file of sparse points is missing, or it is not a GAP.
        """
        if not path.is_file():
            raise BadInput(f"calculator 'gap': no such file: {path}; give param_filename, the path of the XML")
        numbers: set[int] = set()
        sparse: list[Path] = []
        found = False
        try:
            # Files with the training set inside are large: element by element.
            for _, element in ElementTree.iterparse(path, events=("end",)):
                found = found or element.tag in ("GAP_data", "GAP_params")
                if element.tag == "e0" and float(element.get("value", "0")):
                    numbers.add(int(element.get("Z", "0")))
                if element.tag == "descriptor":
                    numbers |= {int(item) for text in SPECIES.findall(element.text or "") for item in text.split()}
                name = element.get("sparseX_filename")
                if name:
                    sparse.append(path.parent / name)
                element.clear()
        except (ElementTree.ParseError, ValueError) as error:
            raise BadInput(f"calculator 'gap': {path} is not a whole XML file ({error}); copy it again") from error
        if not found:
            raise BadInput(f"calculator 'gap': {path} is XML, but not a GAP (no GAP_params in it)")
        missing = [item.name for item in sparse if not item.is_file()]
        if missing:
            raise BadInput(
                f"calculator 'gap': {path} needs {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''} beside it "
                f"({len(missing)} of {len(sparse)} files of sparse points are missing); copy them into {path.parent}"
            )
        return cls(path, frozenset(numbers), tuple(sparse))

    @property
    def digest(self) -> str:
        """SHA-256 of the XML and of the sparse points, in the XML's order."""
        digest = hashlib.sha256()
        for path in (self.path, *self.sparse):
            with path.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
        return digest.hexdigest()


def gap(arguments: Mapping[str, Any], numbers: Any) -> Any:
    """Build QUIP's ASE calculator.

    Args:
        arguments: of :class:`GapParameters`.
        numbers: atomic numbers of what will be computed.

    Raises:
        BadInput: quippy, the potential's file or its sparse points are missing, it is damaged, or does not know an
            element.
    """
    given = validate(GapParameters, arguments, "calculator 'gap'")
    file = GapFile.read(Path(given.param_filename).expanduser().resolve())
    unknown = sorted({chemical_symbols[int(number)] for number in set(numbers) - file.numbers}) if file.numbers else []
    if unknown:
        known = ", ".join(sorted(chemical_symbols[number] for number in file.numbers))
        raise BadInput(f"relax: the GAP {file.path.name} does not know {', '.join(unknown)}; it knows {known}")
    try:
        from quippy.potential import Potential
    except (ImportError, OSError) as error:
        raise BadInput(f"calculator 'gap' needs quippy, which is not installed here ({error}): `{INSTALL}`") from error
    try:
        calculator = Potential(args_str=given.args_str, param_filename=str(file.path))
    except RuntimeError as error:
        reason = re.sub(r"\s+", " ", str(error)).strip()
        raise BadInput(f"calculator 'gap': QUIP cannot read {file.path}: {reason}") from error
    calculator.potential_file = {"name": file.path.name, "sha256": file.digest}
    return calculator
