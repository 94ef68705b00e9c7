"""CIF files: parsed by ASE, and compared with what they say of themselves.

ASE takes a file without symmetry for P 1, chooses a setting where the file says none, skips rows of the wrong length,
and does not look at the stated formula; here each of these is decided by the file or refused.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..text import visible
from .container import StructureSet
from .convert import from_ase
from .source import open_bytes

#: Sites of one structure after symmetry, and bytes of a file, at most.
MAX_SITES = 5000
MAX_BYTES = 32 * 2**20
#: Bytes of a file, and its sites times its symmetry operations, up to which reading takes no time worth a process.
SMALL, FEW = 65536, 2000
#: Atoms closer than this are one site given twice, or rounded coordinates, Å.
SAME_SITE = 0.3
#: A rotation may change the products of lattice vectors by this share: cells are rounded.
SAME_METRIC = 0.02
OPERATIONS = ("_space_group_symop_operation_xyz", "_space_group_symop.operation_xyz", "_symmetry_equiv_pos_as_xyz")
NUMBER = ("_space_group.it_number", "_space_group_it_number", "_symmetry_int_tables_number")
NAMES = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group.patterson_name_h-m")
SYSTEMS = ("_space_group_crystal_system", "_symmetry_cell_setting")
RHOMBOHEDRAL = (146, 148, 155, 160, 161, 166, 167)
OCCUPANCY = "_atom_site_occupancy"


class LongWork(Exception):
    """There is more to do than is done in this process."""


def read_here(path: Path, shown: str, most: float = math.inf) -> StructureSet:
    """Read all structures of a file, whose name in errors is ``shown``, as :func:`read_cif` does.

    Raises:
        LongWork: its sites times their symmetry operations are more than ``most``.
    """
    from ase.io.cif import parse_cif

    with open_bytes(path) as handle:
        content = handle.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise BadInput(f"{visible(shown)}: more than {MAX_BYTES} bytes of CIF are not read; convert it to extxyz")
    if b"\0" in content:  # ASE would end a word there
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise BadInput(f"{visible(shown)}: line {line}: not text in UTF-8 (a binary file, or another encoding)")
    try:
        text = content.decode("utf-8-sig", errors="replace")
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Wrong number|Duplicated loop tags")
            blocks = list(parse_cif(io.StringIO(text), reader="ase"))
    except MemoryError:
        raise
    except Exception as error:  # ASE raises many types for one meaning
        raise BadInput(
            f"{visible(shown)}: not readable as CIF ({type(error).__name__}: {visible(error, 160)})"
        ) from error
    frames = []
    done = 0
    for block in blocks:
        where = f"{visible(shown)}: data_{visible(block.name, 40)}"
        try:
            holds = block.has_structure()
        except Exception as error:
            raise BadInput(f"{where}: sites that cannot be read ({visible(error, 120)})") from error
        if holds:
            done += _work(block)
            if done > most:
                raise LongWork
            frames.append(_read_block(block, where))
    if not frames:
        raise BadInput(f"{visible(shown)}: no structure in this CIF (no atom sites with symbols and coordinates)")
    return StructureSet.concatenate(frames)


def _work(block: Any) -> int:
    """Return for how many sites, before equal ones are joined, symmetry is looked at."""
    from ase.spacegroup import Spacegroup

    tags = dict(block)
    listed, number = _get(tags, OPERATIONS), _get(tags, NUMBER)
    try:
        order = len(listed) if isinstance(listed, list) else len(Spacegroup(int(number)).get_symop())
    except Exception:  # the group is only named, or not at all: the largest order
        order = 192
    columns = [len(value) for key, value in tags.items() if key.startswith("_atom_site_") and isinstance(value, list)]
    return order * max(columns, default=1)


def _read_block(block: Any, where: str) -> StructureSet:
    from ase.io.cif import CIFBlock

    tags = {key: value for key, value in dict(block).items() if key not in SYSTEMS}
    _check_sites(tags, where)
    stated = _stated_formula(tags, where)
    candidates = _settings(tags, where)
    symmetric = not _is_p1(tags)
    found: list[StructureSet] = []
    for setting in candidates:
        chosen = dict(tags)
        if setting is not None:
            chosen["_symmetry_space_group_setting"] = setting
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = CIFBlock(block.name, chosen)
                # equivalent sites are looked for in a time that grows with their square: not where there are none
                atoms = made.get_atoms() if symmetric else _as_listed(made)
        except Exception as error:
            raise BadInput(f"{where}: {_symmetry_advice(tags, error)}") from error
        if not _keeps_cell(atoms.info.get("spacegroup"), atoms.cell.array):
            continue
        for store in (atoms.info, atoms.arrays):
            for key in set(store) - {"numbers", "positions"}:
                del store[key]
        found.append(from_ase([atoms], where))
    if not found:
        group = visible(_get(tags, NAMES) or _get(tags, NUMBER), 40)
        raise BadInput(
            f"{where}: its symmetry ({group}) is not one that its cell can have; correct the file, or give the "
            "structure as extxyz"
        )
    fitting = [item for item in found if stated is None or _fits(item, *stated)]
    if not fitting:
        counts = " ".join(f"{name}{number}" for name, number in _counts(found[0]).items())
        z = f", Z = {stated[1]:g}" if stated is not None and stated[1] else ""
        raise BadInput(
            f"{where}: its sites give {counts}, but it says {_words(stated[0] if stated else {})}{z}: sites are "
            "missing, or the symmetry is not that of the cell; correct the file, or give the structure as extxyz"
        )
    if len(fitting) > 1:
        raise BadInput(
            f"{where}: the space group has two origins or settings, and the file does not say which; add its symmetry "
            "operations (_space_group_symop_operation_xyz)"
        )
    closest = fitting[0].closest_pair(0) if len(fitting[0].numbers) > 1 else SAME_SITE
    if closest < SAME_SITE:
        raise BadInput(
            f"{where}: two atoms are {closest:.3f} Å apart: a site listed twice, or coordinates of a special position "
            "that "
            "are rounded (0.333 for 1/3), or mixed sites; correct the file"
        )
    return fitting[0]


def _is_p1(tags: dict[str, Any]) -> bool:
    """Whether all atoms of the cell are listed."""
    listed = _get(tags, OPERATIONS)
    if listed is not None:
        return isinstance(listed, list) and [re.sub(r"[\s+]", "", str(item)) for item in listed] == ["x,y,z"]
    return _get(tags, NUMBER) in (1, "1")


def _as_listed(block: Any) -> Any:
    """Return the atoms of a block without symmetry, inside the cell, periodic as those of a block with symmetry."""
    atoms = block.get_unsymmetrized_structure()
    atoms.pbc = True
    atoms.set_scaled_positions(atoms.get_scaled_positions(wrap=False) % 1.0)
    return atoms


def _keeps_cell(group: Any, cell: NDArray[np.float64]) -> bool:
    """Whether the rotations of a space group leave the lengths and angles of a cell as they are."""
    if group is None:
        return True
    metric = cell @ cell.T
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    rotations = np.asarray(group.rotations)
    moved = np.einsum("nia,ij,njb->nab", rotations, metric, rotations)
    return bool((np.abs(moved - metric) < SAME_METRIC * scale).all())


def _get(tags: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((tags[name] for name in names if tags.get(name) not in (None, "?", ".", [])), None)


def _check_sites(tags: dict[str, Any], where: str) -> None:
    """Refuse partial and unknown occupancies, and more sites than are read; an occupancy ``.`` is 1, as CIF says."""
    cell = [
        tags.get(f"_cell_{name}")
        for name in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    ]
    if any(not isinstance(value, (int, float)) for value in cell):
        raise BadInput(f"{where}: the cell (_cell_length_a … _cell_angle_gamma) is incomplete or not of numbers")
    columns = {key: value for key, value in tags.items() if key.startswith("_atom_site_") and isinstance(value, list)}
    labels = columns.get("_atom_site_label") or columns.get("_atom_site_type_symbol") or []
    if len(labels) * max(1, len(_get(tags, OPERATIONS) or [])) > 50 * MAX_SITES or len(labels) > MAX_SITES:
        raise BadInput(f"{where}: more than {MAX_SITES} sites are not read from CIF; convert it to extxyz")
    for axis in "xyz":
        for label, value in zip(labels, columns.get(f"_atom_site_fract_{axis}", []), strict=False):
            if not isinstance(value, (int, float)):
                raise BadInput(
                    f"{where}: site {visible(label, 40)}: the coordinate {axis} is '{visible(value, 40)}', no number"
                )
    occupancies = columns.get(OCCUPANCY)
    if occupancies is None:
        return
    for label, value in zip(labels, occupancies, strict=False):
        if value == ".":
            continue
        if not isinstance(value, (int, float)):
            raise BadInput(
                f"{where}: site {visible(label, 40)}: its occupancy is '{visible(value, 40)}' (unknown); write 1 if it "
                "is full"
            )
        if abs(value - 1) > 1e-3:
            raise BadInput(
                f"{where}: site {visible(label, 40)}: partial occupancies ({value:g}) are not read; give an ordered "
                "structure"
            )
    tags[OCCUPANCY] = [1.0] * len(occupancies)


def _settings(tags: dict[str, Any], where: str) -> list[int | None]:
    """Return the settings that the file leaves open; None is what the listed symmetry operations say.

    Raises:
        BadInput: no symmetry at all, or a name that does not belong to the number.
    """
    from ase.spacegroup import Spacegroup

    if _get(tags, OPERATIONS):
        return [None]
    number, name = _get(tags, NUMBER), _get(tags, NAMES)
    if number is None and name is None:
        raise BadInput(
            f"{where}: says nothing of its symmetry; add `_space_group_IT_number 1` if all atoms of the cell are "
            "listed, or "
            "its symmetry operations"
        )
    plain, _, suffix = str(name or "").partition(":")
    if suffix:
        for key in NAMES:
            tags.pop(key, None)
        if number is None:
            tags[NAMES[0]] = plain.strip()
    try:
        group = Spacegroup(int(number)) if number is not None else Spacegroup(str(tags[NAMES[0]] if suffix else name))
    except Exception as error:
        raise BadInput(f"{where}: {_symmetry_advice(tags, error)}") from error
    symbols = _symbols(group.no)
    named = _short(plain) or symbols[1]
    fitting = [setting for setting, symbol in symbols.items() if symbol == named]
    if number is not None and not fitting:
        raise BadInput(
            f"{where}: the space group '{visible(plain.strip(), 40)}' is not a known setting of number {group.no} "
            f"({group.symbol}), and no symmetry operations are listed; add them, or use the standard setting"
        )
    if suffix.strip().lower() in ("1", "h"):
        return [1]
    if suffix.strip().lower() in ("2", "r"):
        return [2]
    if group.no in RHOMBOHEDRAL:
        return [
            1
            if abs(float(tags["_cell_angle_gamma"]) - 120) < 0.5 and abs(float(tags["_cell_angle_alpha"]) - 90) < 0.5
            else 2
        ]
    if "_symmetry_space_group_setting" in tags or (number is None and len(fitting) < 2):
        return [None]
    return list(fitting)


def _symbols(number: int) -> dict[int, str]:
    """Return the symbols of the settings of a space group that ASE knows, as :func:`_short` writes them."""
    from ase.spacegroup import Spacegroup

    found = {1: _short(Spacegroup(number).symbol)}
    try:
        found[2] = _short(Spacegroup(number, 2).symbol)
    except Exception:  # there is one setting; ASE's own type is not public
        return found
    return found


def _short(name: str) -> str:
    """Return a Hermann–Mauguin symbol without spaces, and without the axes that have no symmetry."""
    words = re.sub(r"[_()]", "", name).split()
    if len(words) == 4:  # full symbol of a monoclinic group: C 1 2/m 1
        words = [words[0], *(word for word in words[1:] if word != "1")]
    return "".join(words).lower()


def _symmetry_advice(tags: dict[str, Any], error: Exception) -> str:
    name = _get(tags, NAMES) or _get(tags, NUMBER)
    reason = visible(error, 100) or type(error).__name__
    return (
        f"its symmetry ({visible(name, 40)}) cannot be used ({reason}); list the symmetry operations "
        "(_space_group_symop_operation_xyz), or give the structure as extxyz"
    )


def _stated_formula(tags: dict[str, Any], where: str) -> tuple[dict[str, float], float] | None:
    """Return the formula that the file says, and its formula units in the cell (0 where it does not say them)."""
    text = tags.get("_chemical_formula_sum")
    if not isinstance(text, str) or text.strip(" '\"") in ("", "?", "."):
        return None
    formula: dict[str, float] = {}
    for word in text.strip(" '\"").split():
        match = re.fullmatch(r"([A-Z][a-z]?)(\d+(?:\.\d+)?)?", word)
        if match is None:
            raise BadInput(
                f"{where}: the stated formula '{visible(text, 60)}' is not as CIF writes it (Li3 Sc Cl6); correct it "
                "or leave it out"
            )
        symbol = "H" if match[1] == "D" else match[1]
        formula[symbol] = formula.get(symbol, 0.0) + float(match[2] or 1)
    units = tags.get("_cell_formula_units_z")
    return formula, float(units) if isinstance(units, (int, float)) else 0.0


def _counts(structures: StructureSet) -> Counter[str]:
    from ase.data import chemical_symbols

    return Counter(chemical_symbols[number] for number in structures.numbers.tolist())


def _fits(structures: StructureSet, formula: dict[str, float], units: float) -> bool:
    counts = _counts(structures)
    if set(counts) != set(formula):
        return False
    factors = [counts[name] / formula[name] for name in formula]
    if max(factors) > min(factors) * (1 + 1e-6):
        return False
    # pymatgen and others write the formula of the whole cell beside the number of formula units
    return not units or any(abs(factors[0] - number) < 1e-6 * number for number in (units, 1.0))


def _words(formula: dict[str, float]) -> str:
    return " ".join(f"{name}{number:g}" for name, number in formula.items())
