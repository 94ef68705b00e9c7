"""Gaussian approximation potentials through QUIP's Python wheel, from the file that the user gives.

The paper relaxes its amorphous silicon with that of Bartók et al., Phys. Rev. X 8, 041048 (2018), which nobody may ship
but its authors: ``gp_iter6_sparse9k.xml`` and the files of sparse points beside it.

QUIP has potentials that run a program (``FilePot command=…``), and takes them from its initialisation string as well as
from the file. Both are read here first, and only Gaussian approximation potentials get through.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ase.data import chemical_symbols
from pydantic import Field

from ..errors import BadInput
from ..parameters import Parameters
from ..text import visible

INSTALL = "pip install 'aiida-dismai[gap]'"
#: Atomic numbers in the text of a descriptor: ``Z=14``, ``Z1=14``, ``species_Z={14 8}``.
SPECIES = re.compile(r"(?:^|\s)(?:species_)?Z\d*\s*=\s*\{*\s*(\d+(?:\s+\d+)*(?=[\s}]|$))")
#: Initialisation strings that name a GAP and nothing else; in a file also its sum with a pair potential of QUIP's.
ONE = r"IP (?:GAP|Glue)(?: label=[\w.-]+)?"
ARGUMENTS = r"^(IP GAP( label=[\w.-]+)?)?$"
IN_A_FILE = re.compile(rf"{ONE}|Sum init_args_pot1=\{{{ONE}\}} init_args_pot2=\{{{ONE}\}}", re.ASCII)
#: Characters of a descriptor at most, and of one piece of the file that is parsed.
MAX_TEXT = 65_536
PIECE = 2**20


class GapParameters(Parameters):
    """Keyword arguments of the calculator ``gap``."""

    param_filename: str = Field(description="the potential's XML file; its files of sparse points stand beside it")
    args_str: str = Field(
        "",
        pattern=ARGUMENTS,
        description="QUIP's initialisation string, 'IP GAP' or 'IP GAP label=NAME'; empty takes what the file says",
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
            raise BadInput(f"calculator 'gap': no such file: {visible(path)}; give param_filename, the path of the XML")
        found = _Reader(path)
        if not found.is_gap:
            raise BadInput(f"calculator 'gap': {path} is XML, but not a GAP (no GAP_params in it)")
        sparse = [path.parent / name for name in found.sparse]
        missing = [visible(item.name, 100) for item in sparse if not item.is_file()]
        if missing:
            raise BadInput(
                f"calculator 'gap': {path} needs {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''} beside it "
                f"({len(missing)} of {len(sparse)} files of sparse points are missing); copy them into {path.parent}"
            )
        return cls(path, frozenset(found.numbers), tuple(sparse))

    @property
    def digest(self) -> str:
        """SHA-256 of the XML and of the sparse points, in the XML's order."""
        digest = hashlib.sha256()
        for path in (self.path, *self.sparse):
            with path.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
        return digest.hexdigest()


class _Reader:
    """What is found in the XML file; read piece by piece, because files with the training set inside are large."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.numbers: set[int] = set()
        self.sparse: list[str] = []
        self.is_gap = False
        self._descriptor: str | None = None
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    parser.Parse(piece, False)
                parser.Parse(b"", True)
        except (expat.ExpatError, ValueError) as error:
            reason = visible(error, 160)
            raise BadInput(f"calculator 'gap': {path} is not a whole XML file ({reason}); copy it again") from error

    def _doctype(self, *_: Any) -> None:
        # entities and defaults of attributes would let QUIP read something else than is read here
        raise BadInput(f"calculator 'gap': {self.path} has a document type (DOCTYPE), which no GAP has")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.is_gap = self.is_gap or tag in ("GAP_data", "GAP_params")
        if tag == "e0" and float(attributes.get("value", "0")):
            self.numbers.add(_atomic_number(attributes.get("Z", "0")))
        for name, value in attributes.items():
            if "init_args" in name.lower() and not IN_A_FILE.fullmatch(" ".join(value.split())):
                raise BadInput(
                    f"calculator 'gap': {self.path} asks QUIP for '{visible(value, 80)}'; only 'IP GAP' is allowed, "
                    "because other potentials of QUIP can run programs"
                )
        if tag == "descriptor":
            self._descriptor = ""
        sparse = attributes.get("sparseX_filename")
        if sparse:
            if Path(sparse).name != sparse:
                raise BadInput(
                    f"calculator 'gap': {self.path} names a file of sparse points in another folder, "
                    f"'{visible(sparse, 80)}'"
                )
            self.sparse.append(sparse)

    def _text(self, text: str) -> None:
        if self._descriptor is not None and len(self._descriptor) < MAX_TEXT:
            self._descriptor += text

    def _end(self, tag: str) -> None:
        if tag == "descriptor" and self._descriptor is not None:
            found = SPECIES.findall(self._descriptor[:MAX_TEXT])
            self.numbers |= {_atomic_number(item) for text in found for item in text.split()}
            self._descriptor = None


def _atomic_number(text: str) -> int:
    number = int(text)
    if not 0 < number < len(chemical_symbols):
        raise ValueError(f"Z {visible(text, 20)} is no element")
    return number


def gap(given: GapParameters, numbers: Any) -> Any:
    """Build QUIP's ASE calculator.

    Args:
        given: its arguments.
        numbers: atomic numbers of what will be computed.

    Raises:
        BadInput: quippy, the potential's file or its sparse points are missing, it is damaged, or does not know an
            element.
    """
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
