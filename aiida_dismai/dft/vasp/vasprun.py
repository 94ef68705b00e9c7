"""The ionic steps of a vasprun.xml, as far as they are complete.

aiida-vasp reads a file whole or not at all, so that a job killed in its 19th step would lose 18. Here the file is read
from front to back in bounded memory, and each ``<calculation>`` stands for itself: where a file is cut or damaged, the
step concerned is lost and no other. Density of states, eigenvalues and projections are passed over without being
understood. No document type is accepted and no entity but the five of XML is resolved, so nothing can be expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from ..printed import printed_number

#: Bytes read at once.
CHUNK = 1 << 18
#: Elements inside each other; VASP's deepest are the projections, with about ten.
MAX_DEPTH = 64
#: Characters of one leaf (a row of numbers) that are kept.
MAX_TEXT = 4096
#: Rows of an array (atoms), numbers of a row, and ionic steps; a calculation with more would never end.
MAX_ROWS, MAX_NUMBERS, MAX_STEPS = 100_000, 8, 100_000
#: Damaged places after which the rest of a file is given up.
MAX_DAMAGES = 200
#: What stands inside a step and is no concern of ours.
PASSED_OVER = frozenset(
    {"dos", "eigenvalues", "projected", "eigenvelocities", "dielectricfunction", "dynmat", "partialcharges"}
)
#: Tags of the header that are looked up; the first value counts, for later ones belong to linear response or GW.
TAGS = ("NELM", "ISIF", "PSTRESS", "ML_LMLFF")
#: Names by which VASP misspells elements in ``atominfo``.
MISSPELT = {"r": "Zr", "X": "Xe"}

_CONTROL = bytes.maketrans(bytes([*range(9), 11, 12, *range(14, 32)]), b"?" * 29)
_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)")
_STEP = b"<calculation"
_ROOT = b"<modeling>"
_BEGIN = re.compile(rb"<calculation[\s>]")


@dataclass
class Step:
    """One ``<calculation>``.

    Attributes:
        electronic: number of electronic steps.
        cell: rows are the lattice vectors, Å, ``(3, 3)``.
        fractional: positions, ``(m, 3)``.
        forces: eV/Å, ``(m, 3)``.
        stress: kB, positive under compression, ``(3, 3)``.
        energy: free energy, eV; NaN where the file has no number.
        damage: why the step cannot be read, or "".

    Arrays are None where the file has none, and NaN where it has no number (stars).
    """

    electronic: int = 0
    cell: NDArray[np.float64] | None = None
    fractional: NDArray[np.float64] | None = None
    forces: NDArray[np.float64] | None = None
    stress: NDArray[np.float64] | None = None
    energy: float | None = None
    damage: str = ""


@dataclass
class Vasprun:
    """What a vasprun.xml says about its ionic steps.

    Attributes:
        symbols: element of each atom, in the order of the file; "" where the file names none.
        tags: values of :data:`TAGS` as written, the effective ones before those of the INCAR.
        steps: all steps that the file closes, the damaged ones too.
        cut: whether the file ends before its document does.
        begun: whether it is cut inside a step.
        remark: what else is wrong with the file, or "".
    """

    symbols: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    cut: bool = False
    begun: bool = False
    remark: str = ""

    def number(self, name: str) -> int | None:
        """Return a tag as a whole number, None where it is missing or no number."""
        try:
            return int(self.tags[name])
        except (KeyError, ValueError):
            return None


class _Refused(Exception):
    """The file is something else than VASP's output."""


class _Handler:
    """Takes from a stream of elements what :class:`Vasprun` holds."""

    def __init__(self) -> None:
        self.found = Vasprun()
        self.incar: dict[str, str] = {}
        self.stack: list[str] = []
        self.passed = 0
        self.step: Step | None = None
        self.text: list[str] | None = None
        self.length = 0
        self.name = ""
        self.varray = ""
        self.rows: list[list[float]] = []
        self.atoms = False
        self.column = 0
        self.closed = False
        self.lost = False

    def parser(self) -> expat.XMLParserType:
        """Return a parser that tells this handler what it meets."""
        parser = expat.ParserCreate("iso-8859-1")  # whatever it declares: no byte is invalid then
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.data
        parser.StartDoctypeDeclHandler = self.doctype
        self.stack, self.passed, self.text, self.varray, self.atoms = [], 0, None, "", False
        return parser

    def doctype(self, *_: object) -> None:
        raise _Refused("it declares a document type, which VASP's files do not")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.passed:
            self.passed += 1
            return
        self.stack.append(tag)
        if len(self.stack) > MAX_DEPTH:
            raise _Refused(f"elements stand inside each other more than {MAX_DEPTH} deep")
        if len(self.stack) == 1 and tag != "modeling":
            raise _Refused(f"its root is <{tag[:40]}>, not <modeling>")
        if tag == "calculation":
            if self.step is not None:
                self.damaged("another step begins inside it")
            self.step = Step()
        elif tag in PASSED_OVER:
            self.passed = 1
            self.stack.pop()
        elif tag == "scstep":
            if self.step is not None:
                self.step.electronic += 1
            self.passed = 1
            self.stack.pop()
        elif tag == "array":
            self.atoms = attributes.get("name") == "atoms" and "atominfo" in self.stack
        elif tag == "varray":
            self.varray, self.rows = attributes.get("name", ""), []
        elif tag == "rc":
            self.column = 0
        elif tag in ("i", "v", "c"):
            self.name, self.text, self.length = attributes.get("name", ""), [], 0

    def data(self, text: str) -> None:
        if self.text is not None and not self.passed and self.length < MAX_TEXT:
            self.text.append(text)
            self.length += len(text)

    def end(self, tag: str) -> None:
        if self.passed:
            self.passed -= 1
            return
        self.stack.pop()
        text, self.text = ("".join(self.text) if self.text is not None else ""), None
        if tag == "v" and self.varray:
            if len(self.rows) <= MAX_ROWS:
                self.rows.append([printed_number(word) for word in text.split(maxsplit=MAX_NUMBERS)])
        elif tag == "varray":
            self._array()
            self.varray = ""
        elif tag == "i":
            self._item(text.strip())
        elif tag == "c" and self.atoms:
            if self.column == 0 and len(self.found.symbols) <= MAX_ROWS:
                name = text.strip()
                self.found.symbols.append(MISSPELT.get(name, name))
            self.column += 1
        elif tag == "array":
            self.atoms = False
        elif tag == "calculation" and self.step is not None:
            self.found.steps.append(self.step)
            self.step = None
            if len(self.found.steps) > MAX_STEPS:
                raise _Refused(f"it has more than {MAX_STEPS} ionic steps")
        elif tag == "modeling":
            self.closed = True

    def _array(self) -> None:
        """Keep an array of a step; one with rows of other than three numbers is no array."""
        step, parent = self.step, self.stack[-1] if self.stack else ""
        if step is None:
            return
        whole = 0 < len(self.rows) <= MAX_ROWS and all(len(row) == 3 for row in self.rows)
        array = np.array(self.rows, dtype=np.float64) if whole else np.full((1, 3), np.nan)
        if self.varray == "basis" and parent == "crystal":
            step.cell = array
        elif self.varray == "positions" and parent == "structure":
            step.fractional = array
        elif self.varray == "forces" and parent == "calculation":
            step.forces = array
        elif self.varray == "stress" and parent == "calculation":
            step.stress = array
        self.rows = []

    def _item(self, text: str) -> None:
        if self.step is not None:
            if self.name == "e_fr_energy" and self.stack[-2:] == ["calculation", "energy"]:
                self.step.energy = printed_number(text)
        elif self.name in TAGS and len(self.stack) > 1:
            if self.stack[1] == "parameters":
                self.found.tags.setdefault(self.name, text)
            elif self.stack[1] == "incar":
                self.incar.setdefault(self.name, text)

    def damaged(self, why: str) -> None:
        """Close the step in which the file cannot be read."""
        if self.step is not None:
            self.step.damage = why
            self.found.steps.append(self.step)
            self.step = None
        elif not self.found.remark:
            self.found.remark = f"vasprun.xml is damaged before step {len(self.found.steps) + 1}: {why}"


def read_vasprun(handle: BinaryIO) -> Vasprun:
    """Read the ionic steps of a vasprun.xml, whatever state the file is in.

    Args:
        handle: the open file, in binary mode.

    Returns:
        What could be read; of a file that is no vasprun.xml a remark and no steps.
    """
    handler = _Handler()
    try:
        _feed(handler, handle)
    except _Refused as refused:
        handler.found = Vasprun(remark=f"vasprun.xml is not VASP's: {refused}")
        return handler.found
    found = handler.found
    found.cut = not handler.closed and not handler.lost
    found.begun = handler.step is not None
    found.tags = {**handler.incar, **found.tags}
    return found


def _feed(handler: _Handler, handle: BinaryIO) -> None:
    """Feed the file to a parser, and where that fails to a new one, from the next step on."""
    parser: expat.XMLParserType | None = handler.parser()
    fed, damages, tail, header = 0, 0, b"", b""
    for chunk in _chunks(handle):
        if not handler.found.steps and len(header) < 16 * CHUNK:
            header += chunk
        while chunk:
            if parser is None:
                begin = _BEGIN.search(tail + chunk)
                if begin is None:
                    tail = (tail + chunk)[-len(_STEP) :]
                    break
                chunk, tail = (tail + chunk)[begin.start() :], b""
                parser, fed = handler.parser(), len(_ROOT)
                parser.Parse(_ROOT)
            try:
                parser.Parse(chunk)
                fed += len(chunk)
                break
            except expat.ExpatError as error:
                if handler.closed:
                    return
                where = max(0, min(parser.ErrorByteIndex - fed, len(chunk)))
                handler.damaged(expat.ErrorString(error.code))
                damages += 1
                if damages > MAX_DAMAGES:
                    handler.found.remark = f"vasprun.xml is damaged in more than {MAX_DAMAGES} places; the rest is left"
                    return
                # at least one character on, or the same place would be tried for ever
                chunk, parser = chunk[where + 1 :], None
    handler.lost = parser is None
    if handler.found.remark:
        _header_tags(handler, header)


def _header_tags(handler: _Handler, header: bytes) -> None:
    """Look up by their text the tags of a header that is no XML."""
    for name in TAGS:
        match = re.search(rb'name="' + name.encode() + rb'">\s*([^<\s]{1,20})', header)
        if match is not None and name not in handler.incar:
            handler.incar[name] = match.group(1).decode("latin-1")


def _chunks(handle: BinaryIO) -> Iterator[bytes]:
    """Yield the file in pieces that end behind an element, with what VASP does not escape made harmless."""
    rest = b""
    while piece := handle.read(CHUNK):
        piece = rest + piece
        end = piece.rfind(b">") + 1
        if end == 0 and len(piece) < 4 * CHUNK:
            rest = piece
            continue
        end = end or len(piece)
        piece, rest = piece[:end], piece[end:]
        yield _AMPERSAND.sub(b"&amp;", piece.translate(_CONTROL))
    if rest:
        yield _AMPERSAND.sub(b"&amp;", rest.translate(_CONTROL))
