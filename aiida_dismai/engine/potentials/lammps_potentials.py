"""Potentials that LAMMPS computes: by a name of ours, or by pair style and file.

============ ==========================================================================================
``edip``     silicon, Justo et al., Phys. Rev. B 58, 2539 (1998); ``Si.edip``
``sw``       silicon, Stillinger and Weber, Phys. Rev. B 31, 5262 (1985); ``Si.sw``
``sw_vink``  silicon, the same fitted to amorphous silicon, Vink et al., J. Non-Cryst. Solids 282, 248 (2001)
``tersoff``  silicon, Tersoff, Phys. Rev. B 38, 9902 (1988) ("T3"); ``SiCGe.tersoff``, there ``Si(C)``
``lammps``   the pair styles of :data:`STYLES`, which are given a file and the names of the elements
============ ==========================================================================================

The files are those that LAMMPS ships, but for ``sw_vink``, which stands beside this module. EDIP is computed by the
pair style ``edip/multi``: the style ``edip`` reads its functions from tables, which is faster in molecular dynamics but
gives the energy small steps, on which line searches get stuck near a minimum.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers, chemical_symbols
from pydantic import Field, field_validator

from ..errors import BadInput, nearest
from ..parameters import Parameters
from ..text import visible
from .lammps_library import open_lammps, potentials_folder
from .registry import arguments_of, find

#: Pair styles that read one file of numbers by ``pair_coeff * * FILE NAMES``, and do nothing else. LAMMPS has others
#: that load pickles or run Python (``mliap``, ``python``), programs that somebody compiled (``kim``) or further styles.
STYLES = frozenset(
    ("adp", "agni", "airebo", "airebo/morse", "bop", "eam/alloy", "eam/cd", "eam/cd/old", "eam/fs", "eam/he", "edip",
     "edip/multi", "extep", "gw", "gw/zbl", "lcbop", "meam/spline", "meam/sw/spline", "nb3b/harmonic", "nb3b/screened",
     "pace", "polymorphic", "rebo", "rebomos", "sw", "sw/mod", "tersoff", "tersoff/mod", "tersoff/mod/c",
     "tersoff/table", "tersoff/zbl", "uf3", "vashishta", "vashishta/table")
)  # fmt: skip
#: Ending of the same styles made faster; those with other endings need a command besides.
FASTER = "/opt"
#: A number or a word behind the name of a style, and the name of an element in a file.
WORD = re.compile(r"[A-Za-z0-9_.+-]+", re.ASCII)
NAME = re.compile(r"[A-Za-z0-9_.+*()/-]+", re.ASCII)


class PairParameters(Parameters):
    """Keyword arguments of the calculator ``lammps``."""

    pair_style: str = Field(description="LAMMPS's pair style with its arguments, for instance 'sw' or 'eam/alloy'")
    file: str = Field(description="potential file: a path, or the name of one that LAMMPS ships, as 'Si.sw'")
    elements: list[str] | dict[str, str] = Field(
        min_length=1,
        description="chemical symbols that the potential knows; with other names in the file: {'Si': 'Si(B)'}",
    )

    @field_validator("pair_style")
    @classmethod
    def _safe_style(cls, text: str) -> str:
        name, *words = text.split(" ")
        if name.removesuffix(FASTER) not in STYLES:
            raise ValueError(
                f"'{visible(name, 40)}' is none of the pair styles that are given one file of numbers"
                f"{nearest(name, STYLES)}"
            )
        for word in words:
            if not WORD.fullmatch(word):
                raise ValueError(f"'{visible(word, 40)}' behind the pair style is neither a number nor a plain word")
        return text

    @field_validator("file")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if not text.strip() or re.search(r"[\x00-\x1f\x7f]", text):
            raise ValueError("must be the path of a file, in one line")
        return text

    @field_validator("elements")
    @classmethod
    def _elements(cls, elements: list[str] | dict[str, str]) -> list[str] | dict[str, str]:
        for symbol in elements:
            if symbol not in atomic_numbers:
                raise ValueError(
                    f"'{visible(symbol, 40)}' is not a chemical symbol{nearest(symbol, chemical_symbols[1:])}"
                )
        if len(set(elements)) != len(elements):
            raise ValueError("an element appears twice")
        for name in elements.values() if isinstance(elements, dict) else ():
            if not NAME.fullmatch(name) or name == "NULL":
                raise ValueError(f"'{visible(name, 40)}' cannot be a name in a potential file")
        return elements


def quoted(path: Path) -> str:
    """Return a path as one word of a LAMMPS command, in which nothing is replaced or continued.

    Inside quotation marks LAMMPS takes every character as it is, but for the marks themselves, and it knows ASCII only:
    any other path is reached through a link.
    """
    text = str(path)
    mark = next((mark for mark in ('"', "'") if mark not in text), None)
    if mark is None or not (text.isascii() and text.isprintable()):
        return f'"{_link(path)}"'
    return f"{mark}{text}{mark}"


@functools.cache
def _link(path: Path) -> Path:
    """Return a link to a file with a plain path, in a folder that is removed when this process ends."""
    folder = tempfile.TemporaryDirectory(prefix="dismai-", dir=None if tempfile.gettempdir().isascii() else "/tmp")
    atexit.register(folder.cleanup)
    link = Path(folder.name) / "potential"
    link.symlink_to(path)
    return link


@dataclass(frozen=True)
class PairPotential:
    """A potential of LAMMPS.

    Attributes:
        name: of the calculator.
        style: pair style with its arguments.
        file: potential file.
        labels: chemical symbol → name in the file.
    """

    name: str
    style: str
    file: Path
    labels: Mapping[str, str]

    @property
    def numbers(self) -> frozenset[int]:
        """Atomic numbers that it knows."""
        return frozenset(atomic_numbers[symbol] for symbol in self.labels)

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def commands(self, symbols: Iterable[str]) -> list[str]:
        """Return the LAMMPS commands for atom types of these elements."""
        names = " ".join(self.labels[symbol] for symbol in symbols)
        return [f"pair_style {self.style}", f"pair_coeff * * {quoted(self.file)} {names}"]

    def require_known(self, numbers: Iterable[int], where: str) -> None:
        """Refuse elements that the potential does not know.

        Raises:
            BadInput: names them.
        """
        unknown = sorted({chemical_symbols[int(number)] for number in set(numbers) - self.numbers})
        if unknown:
            raise BadInput(
                f"{where}: the potential '{self.name}' ({self.file.name}) does not know {', '.join(unknown)}; it knows "
                f"{', '.join(sorted(self.labels))}"
            )

    def check(self) -> None:
        """Let LAMMPS read the file.

        Raises:
            BadInput: LAMMPS does not know the style, or cannot read the file.
        """
        commands = self.commands(self.labels)
        lmp = open_lammps()
        try:
            symbols = list(self.labels)
            lmp.command("units metal")
            lmp.command("region box block 0 20 0 20 0 20")
            lmp.command(f"create_box {len(symbols)} box")
            lmp.command("mass * 1.0")
            for command in commands:
                lmp.command(command)
            lmp.command("run 0")
        except Exception as error:  # LAMMPS's own are bare Exceptions
            raise BadInput(
                f"calculator '{self.name}': LAMMPS cannot use pair style '{self.style}' with {self.file} for "
                f"{', '.join(self.labels)}: {_reason(error)}"
            ) from error
        finally:
            lmp.close()


def _reason(error: Exception) -> str:
    """Return what LAMMPS said, without the place in its source."""
    return " ".join(re.sub(r"\(src/[^)]*\)|^ERROR( on proc \d+)?:", "", str(error)).split())


def _shipped(name: str, style: str, file: str, labels: Mapping[str, str]) -> Callable[[], PairPotential]:
    return lambda: PairPotential(name, style, potentials_folder() / file, labels)


#: Potentials by name.
NAMED: Mapping[str, Callable[[], PairPotential]] = {
    "edip": _shipped("edip", "edip/multi", "Si.edip", {"Si": "Si"}),
    "sw": _shipped("sw", "sw", "Si.sw", {"Si": "Si"}),
    "sw_vink": lambda: PairPotential("sw_vink", "sw", Path(__file__).with_name("Si.vink.sw"), {"Si": "Si"}),
    "tersoff": _shipped("tersoff", "tersoff", "SiCGe.tersoff", {"Si": "Si(C)"}),
}


def pair_potential(name: str, arguments: Mapping[str, Any]) -> PairPotential:
    """Return a potential of LAMMPS that has been read once.

    Args:
        name: a key of :data:`NAMED`, or ``lammps``.
        arguments: of :class:`PairParameters`, for ``lammps`` alone.

    Raises:
        BadInput: LAMMPS is missing, or the arguments or the file are wrong.
    """
    given = arguments_of(find(name), arguments)
    if isinstance(given, PairParameters):
        labels = given.elements if isinstance(given.elements, dict) else {name: name for name in given.elements}
        potential = PairPotential("lammps", given.pair_style, _find(given.file), labels)
    else:
        potential = NAMED[name]()
    potential.check()
    return potential


def _find(file: str) -> Path:
    """Return the path of a potential file of the user's, or of one that LAMMPS ships.

    Raises:
        BadInput: there is none.
    """
    path = Path(file).expanduser()
    if path.is_file():
        return path.resolve()
    folder = potentials_folder()
    if path.name == file and (folder / file).is_file():
        return folder / file
    hint = nearest(file, (item.name for item in folder.iterdir())) if path.name == file else ""
    hint = hint if "did you mean" in hint else ""
    raise BadInput(
        f"calculator 'lammps': no potential file {file}, neither as a path nor among the files that LAMMPS ships{hint}"
    )
