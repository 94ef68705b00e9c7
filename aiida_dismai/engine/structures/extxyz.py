"""Reading extended XYZ, a frame at a time; see ``header`` for the comment line.

One reader for whole files and for streams, so that both agree. It is our own because every refusal has to name frame
and line, and because no other keeps an empty text apart from the key behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..text import visible
from .elements import atomic_numbers
from .frames import Frame
from .header import BOOLEANS, HeaderError, parse_header, real
from .source import Lines
from .texts import refuse_padding

#: Atoms of one structure at most: a file that says more is damaged.
MAX_ATOMS = 10_000_000
DEFAULT_LAYOUT = "species:S:1:pos:R:3"
#: Names of columns that hold the elements, as symbols and as atomic numbers.
SYMBOLS = ("species", "symbols", "symbol", "element", "elements")
NUMBERS = ("z", "numbers", "atomic_numbers", "atomic_number")
POSITIONS = ("pos", "positions", "position")
#: Keys of the comment line that describe the frame, in lower case.
STRUCTURAL = ("lattice", "pbc", "properties")
#: Flags by which a file says that positions are no Cartesian coordinates.
FRACTIONAL = ("frac", "fractional", "scaled", "direct")


def frames_of(path: Path) -> Iterator[Frame]:
    """Iterate over the frames of a file, as the file gives them (not yet prepared).

    Blank lines between frames are passed over; everywhere else they are refused.

    Raises:
        BadInput: anything that cannot be read as it stands; names frame and line.
    """
    with Lines(path) as lines:
        index = 0
        for line in lines:
            if not line.strip():
                continue
            yield _read_frame(lines, line, index)
            index += 1
        if not index:
            raise BadInput(f"{visible(path)}: no structure in this file")


def count_frames(path: Path) -> int:
    """Return the number of frames; their lines are counted, not read.

    Raises:
        BadInput: a line that should say how many atoms follow does not, or the file is cut off.
    """
    count = 0
    with Lines(path) as lines:
        for line in lines:
            if not line.strip():
                continue
            for _ in range(_number_of_atoms(lines, line, count) + 1):
                if lines.next() is None:
                    raise BadInput(f"{visible(path)}: frame {count}: cut off after line {lines.number}")
            count += 1
    if not count:
        raise BadInput(f"{visible(path)}: no structure in this file")
    return count


def _number_of_atoms(lines: Lines, line: str, index: int) -> int:
    text = line.strip()
    if not (text.isascii() and text.isdigit()):
        hint = "; more atoms than the frame before says?" if index else ""
        raise lines.refusal(
            f"frame {index} must begin with its number of atoms, not '{visible(text, 60)}'{hint} (extxyz is read here: "
            "number of atoms, comment line, one line for each atom)"
        )
    if len(text) > 18 or int(text) > MAX_ATOMS:
        raise lines.refusal(
            f"frame {index} says that it has {visible(text, 40)} atoms; more than {MAX_ATOMS} are not read"
        )
    return int(text)


def _read_frame(lines: Lines, line: str, index: int) -> Frame:
    n = _number_of_atoms(lines, line, index)
    begun = lines.number
    where = f"{visible(lines.path)}: frame {index} (line {begun})"
    comment = lines.next()
    if comment is None:
        raise BadInput(f"{where}: cut off after line {lines.number}, before its comment line")
    try:
        info = parse_header(comment)
    except HeaderError as error:
        raise lines.refusal(f"comment line of frame {index}: {visible(error)}") from error
    structure = _structural(info, where)
    columns = _layout(structure.get("properties", DEFAULT_LAYOUT), where, "properties" in structure)
    width = sum(count for _, _, count in columns)
    rows: list[list[str]] = []
    odd = False
    for atom in range(n):
        text = lines.next()
        if text is None:
            raise BadInput(f"{where}: says {n} atoms, but the file ends after {atom} (line {lines.number})")
        words = text.split()
        if len(words) != width:
            raise lines.refusal(_wrong_width(index, atom, n, words, width, columns, structure))
        odd = odd or "_" in text or not text.isascii()
        rows.append(words)
    arrays = {}
    start = 0
    for name, kind, count in columns:
        arrays[name] = _column([row[start : start + count] for row in rows], name, kind, count, begun + 2, lines, odd)
        start += count
    numbers = _elements(arrays, n, where)
    positions = _positions(arrays, n, where)
    if info.keys() & set(FRACTIONAL) and any(np.any(info.get(key)) for key in FRACTIONAL):
        raise BadInput(f"{where}: says that its coordinates are fractional; extxyz has Cartesian ones, in Å")
    cell, pbc = _cell(structure, where)
    return Frame(where, numbers, positions, cell, pbc, info, arrays)


def _structural(info: dict[str, Any], where: str) -> dict[str, Any]:
    """Take lattice, periodicity and layout out of the comment line; their keys may be written in any case."""
    found: dict[str, Any] = {}
    for key in [key for key in info if key.lower() in STRUCTURAL]:
        if key.lower() in found:
            raise BadInput(f"{where}: '{key.lower()}' appears twice")
        found[key.lower()] = info.pop(key)
    return found


def _cell(structure: dict[str, Any], where: str) -> tuple[NDArray[Any], NDArray[Any]]:
    lattice = structure.get("lattice")
    cell = np.asarray(lattice)
    if lattice is None:
        raise BadInput(f'{where}: has no lattice; add Lattice="ax ay az bx by bz cx cy cz" (Å) to its comment line')
    if cell.shape == (9,):
        cell = cell.reshape(3, 3)
    if cell.shape != (3, 3) or cell.dtype.kind not in "if":
        raise BadInput(
            f'{where}: Lattice must be nine numbers "ax ay az bx by bz cx cy cz" (Å), not {visible(lattice, 80)}'
        )
    given = structure.get("pbc", True)
    flags = np.asarray(given)
    if flags.dtype.kind not in "bi" or flags.shape not in ((3,), ()) or ((flags != 0) & (flags != 1)).any():
        raise BadInput(f'{where}: pbc must be three of T and F, for instance pbc="T T F", not {visible(given, 60)}')
    return cell.astype(float), np.broadcast_to(flags.astype(bool), (3,)).copy()


def _layout(text: Any, where: str, stated: bool) -> list[tuple[str, str, int]]:
    """Return name, kind and number of the columns."""
    parts = str(text).split(":")
    columns = []
    for i in range(0, len(parts), 3):
        name, kind, count = (*parts[i : i + 3], "", "", "")[:3]
        if (
            not name
            or kind not in ("S", "R", "I", "L")
            or not (count.isascii() and count.isdigit() and len(count) < 10)
        ):
            raise BadInput(
                f"{where}: Properties={visible(text, 80)}: name:kind:number is expected, with the kinds S, R, I and L"
            )
        if int(count) < 1:
            raise BadInput(f"{where}: Properties={visible(text, 80)}: '{visible(name, 40)}' has no column")
        columns.append((name, kind, int(count)))
    names = [name for name, _, _ in columns]
    if len(set(names)) != len(names):
        raise BadInput(f"{where}: Properties={visible(text, 80)}: a name appears twice")
    return columns


def _wrong_width(
    index: int,
    atom: int,
    n: int,
    words: list[str],
    width: int,
    columns: list[tuple[str, str, int]],
    stated: dict[str, Any],
) -> str:
    if (len(words) == 1 and words[0].isdigit()) or not words:
        return f"frame {index} says {n} atoms, but after {atom} of them there is '{visible(' '.join(words), 40)}'"
    layout = ":".join(f"{name}:{kind}:{count}" for name, kind, count in columns)
    said = f"Properties={visible(layout, 120)}" if "properties" in stated else f"without Properties ({layout} is taken)"
    return f"frame {index}, atom {atom}: {len(words)} columns where there should be {width}, {said}"


def _column(
    rows: list[list[str]], name: str, kind: str, count: int, first_line: int, lines: Lines, odd: bool
) -> NDArray[Any]:
    """Return the values of one property of the atoms, ``(n,)`` or ``(n, count)``."""
    types: dict[str, Any] = {"S": str, "R": np.float64, "I": np.int64, "L": np.bool_}
    if kind == "S":
        lengths = [len(word) for row in rows for word in row]
        what = f"{visible(lines.path)}: line {first_line}: column '{visible(name, 40)}'"
        refuse_padding(len(lengths), max(lengths, default=0), sum(lengths), what)
    try:
        if kind == "S":
            values: Any = rows
        elif odd or kind == "L":
            values = [[CONVERT[kind](word) for word in row] for row in rows]
        else:
            plain: Any = float if kind == "R" else int
            try:
                values = [[plain(word) for word in row] for row in rows]
            except ValueError:  # exponents of Fortran, or no number at all
                values = [[CONVERT[kind](word) for word in row] for row in rows]
        array = np.array(values, dtype=types[kind]).reshape(len(rows), count)
    except (ValueError, KeyError, OverflowError):
        raise _bad_word(rows, name, kind, first_line, lines) from None
    return array[:, 0] if count == 1 else array


def _integer(word: str) -> int:
    if not (word.isascii() and word.lstrip("+-").isdigit()):
        raise ValueError(word)
    return int(word)


CONVERT: dict[str, Any] = {"R": real, "I": _integer, "L": BOOLEANS.__getitem__}
MEANINGS = {"R": "a number", "I": "a whole number", "L": "T or F"}


def _bad_word(rows: list[list[str]], name: str, kind: str, first_line: int, lines: Lines) -> BadInput:
    for i, row in enumerate(rows):
        for text in row:
            try:
                if not -(2**63) <= CONVERT[kind](text) < 2**63 and kind == "I":
                    raise ValueError(text)
            except (ValueError, KeyError):
                return BadInput(
                    f"{visible(lines.path)}: line {first_line + i}: '{visible(text, 40)}' is not {MEANINGS[kind]} "
                    f"(column '{visible(name, 40)}')"
                )
    return BadInput(f"{visible(lines.path)}: the column '{visible(name, 40)}' cannot be read")


def _elements(arrays: dict[str, NDArray[Any]], n: int, where: str) -> NDArray[Any]:
    """Take the elements out of the columns."""
    symbols = [arrays.pop(name) for name in list(arrays) if name.lower() in SYMBOLS]
    numbers = [arrays.pop(name) for name in list(arrays) if name.lower() in NUMBERS]
    found = []
    for column in symbols:
        if column.ndim != 1 or column.dtype.kind != "U":
            raise BadInput(
                f"{where}: the column of species holds {'numbers' if column.dtype.kind in 'if' else 'no symbols'}; "
                "write "
                "chemical symbols (species:S:1), or name it Z if these are atomic numbers"
            )
        found.append(np.array(atomic_numbers(column.tolist(), where), dtype=np.int64))
    for column in numbers:
        if column.ndim != 1 or column.dtype.kind != "i" or (n and (column.min() < 1 or column.max() > 118)):
            raise BadInput(f"{where}: the column of atomic numbers must hold whole numbers from 1 to 118")
        found.append(column)
    if not found:
        raise BadInput(f"{where}: no column says the elements; add species:S:1 (or Z:I:1) to Properties")
    if any(not np.array_equal(column, found[0]) for column in found[1:]):
        raise BadInput(f"{where}: the columns of elements contradict each other")
    return found[0]


def _positions(arrays: dict[str, NDArray[Any]], n: int, where: str) -> NDArray[Any]:
    named = [name for name in arrays if name.lower() in POSITIONS]
    if len(named) != 1:
        raise BadInput(f"{where}: no column of positions; add pos:R:3 (Cartesian, Å) to Properties")
    positions = arrays.pop(named[0])
    if positions.shape != (n, 3) or positions.dtype.kind != "f":
        raise BadInput(f"{where}: positions must be three numbers for each atom (pos:R:3)")
    return positions
