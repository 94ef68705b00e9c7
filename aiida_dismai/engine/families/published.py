"""The csv files of the benchmark's authors, so that their record of training structures can be the reference.

=============  ==========================================  ============================================================
kind           file                                        one row
=============  ==========================================  ============================================================
fingerprints   ``cnn_stats_Li.csv``, one of each element   a site: structure, atom, its motif, 61 or 109 numbers
rdf            ``rdf_Si-Si.csv``                           a structure: number, g(r) in 500 bins named by centres
angles         ``bond_angle_distribution.csv``             a structure: number, shares in 360 bins named by centres
clusters       ``cluster_prob.csv``                        a structure: number, cluster probabilities
=============  ==========================================  ============================================================

Names may have ``train_`` in front or ``_train`` behind as in the authors' record, and files may be gzipped and lie in
folders below the one given. What belongs to which structure is read off the structure's number: unlike the authors'
scripts, nothing here depends on the order of the rows. Columns are found by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, nearest
from ..structures.source import MAX_LINE, UNPACKING, open_bytes
from ..text import visible

_BEFORE, _AFTER = r"(?:\w+_)?", r"(?:_[\w-]+)?\.csv(?:\.gz)?"
#: File names by kind. Averages (``avg_…``) and metrics (``…_metric``) that the authors' scripts write do not match.
NAMES = {
    "fingerprints": re.compile(_BEFORE + r"cnn_stats_(?P<element>[A-Z][a-z]?)" + _AFTER),
    "rdf": re.compile(r"(?!avg_)" + _BEFORE + r"rdf_(?!metric)[\w-]+\.csv(?:\.gz)?"),
    "angles": re.compile(r"(?!avg_)" + _BEFORE + r"bond_angle_distribution" + _AFTER),
    "clusters": re.compile(r"(?!avg_)" + _BEFORE + r"cluster_prob" + _AFTER),
}
EXAMPLES = {
    "fingerprints": "cnn_stats_Li.csv",
    "rdf": "rdf_Si-Si.csv",
    "angles": "bond_angle_distribution.csv",
    "clusters": "cluster_prob.csv",
}
#: What the authors call the share of an anion among the neighbours, and what we do.
THEIR_SHARE, OUR_SHARE = "{anion} fraction coord num {cn}", re.compile(r"(?P<anion>[A-Z][a-z]?) share CN_(?P<cn>\d+)")
#: How far shares may be from summing to 1 (cluster counts are rounded to five decimals).
ROUNDING = 1e-3
ROWS_AT_ONCE = 20_000
FRESH = "download the authors' file again"


def has(folder: Path, kind: str) -> bool:
    """Say whether there is a file of this kind in the folder or below."""
    return bool(_files(folder, kind))


def read_fingerprints(
    folder: Path, labels: Sequence[str], elements: Sequence[str] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Read the fingerprints of all sites.

    Args:
        folder: where the files are, or above.
        labels: the numbers wanted, as :func:`~.fingerprints.feature_labels` names them.
        elements: whose sites; None for all of which there is a file.

    Returns:
        For each element ``(structures, sites, labels)``: structures by their number, sites by atom number.

    Raises:
        BadInput: a file that is missing, there twice, or not as the authors write them; structures with different
            numbers of sites; elements whose files speak of different structures.
    """
    paths = _fingerprint_files(folder, elements)
    columns = [_their_name(label) for label in labels]
    result: dict[str, NDArray[np.float64]] = {}
    first: tuple[Path, NDArray[np.int64]] | None = None
    for element, path in paths.items():
        atom_column = _atom_column(path, columns)
        table = _read_table(path, ["structure_number", atom_column, *columns])
        numbers, values = _blocks(path, table)
        if first is None:
            first = path, numbers
        elif not np.array_equal(numbers, first[1]):
            odd = sorted(set(numbers.tolist()) ^ set(first[1].tolist()))[0]
            raise BadInput(f"{path}: structure {odd} is in only one of it and {first[0]}; {FRESH}")
        result[element] = values
    return result


def read_rdf(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the radial distribution functions.

    Args:
        folder: where the file is, or above.

    Returns:
        The bins' centres ``(bins,)``, Å, and g(r) ``(structures, bins)``, structures by number.

    Raises:
        BadInput: a file that is missing, there twice, or not as the authors write them.
    """
    path = _only_file(folder, "rdf")
    centres, numbers, values = _read_curves(path)
    _refuse(path, numbers, np.min(values, axis=1) < 0, "a negative g(r)")
    return centres, values


def read_angles(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the distributions of bond angles.

    Args:
        folder: where the file is, or above.

    Returns:
        The bins' centres ``(bins,)``, degrees, and the shares ``(structures, bins)``, structures by number.

    Raises:
        BadInput: a file that is missing, there twice, or not as the authors write them.
    """
    path = _only_file(folder, "angles")
    centres, numbers, values = _read_curves(path)
    _refuse(path, numbers, np.min(values, axis=1) < 0, "a negative share")
    _refuse(path, numbers, np.abs(values.sum(axis=1) - 1) > ROUNDING, "shares that do not sum to 1")
    return centres, values


def read_clusters(folder: Path, labels: Sequence[str]) -> NDArray[np.float64]:
    """Read the cluster probabilities.

    Args:
        folder: where the file is, or above.
        labels: the clusters wanted, as the authors name them (``0NN_Cr``, ``1NN_Cr-Fe``, …).

    Returns:
        ``(structures, labels)``, structures by index.

    Raises:
        BadInput: a file that is missing, there twice, of other clusters, or not as the authors write them.
    """
    path = _only_file(folder, "clusters")
    others = [name for name in _header(path)[1:] if name not in labels]
    if others:
        raise BadInput(
            f"{path}: has {others[0]}, which is not a cluster of this expansion ({labels[0]}, …, {labels[-1]}); give "
            "the record of the same alloy"
        )
    numbers, values = _per_structure(path, _read_table(path, ["structure index", *labels]))
    _refuse(path, numbers, np.min(values, axis=1) < 0, "a negative probability")
    species = [k for k, label in enumerate(labels) if label.startswith("0NN_")]
    if species:
        wrong = np.abs(values[:, species].sum(axis=1) - 1) > ROUNDING
        _refuse(path, numbers, wrong, "shares of the species that do not sum to 1")
    return values


# ---- finding the files


def _files(folder: Path, kind: str) -> list[Path]:
    if kind not in NAMES:
        raise ValueError(f"published: no kind {kind!r}{nearest(kind, NAMES)}")
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; give the folder with the authors' csv files")
    return sorted(path for path in folder.rglob("*.csv*") if NAMES[kind].fullmatch(path.name) and path.is_file())


def _only_file(folder: Path, kind: str) -> Path:
    return _one_of(folder, _files(folder, kind), EXAMPLES[kind])


def _one_of(folder: Path, found: list[Path], example: str) -> Path:
    if not found:
        raise BadInput(
            f"{folder}: no {example} in it or in a folder below; give the folder with the authors' csv files"
        )
    if len(found) > 1:
        raise BadInput(f"{folder}: {found[0]} and {found[1]} are both {example}; give the folder of one of them")
    return found[0]


def _fingerprint_files(folder: Path, elements: Sequence[str] | None) -> dict[str, Path]:
    found: dict[str, list[Path]] = {}
    for path in _files(folder, "fingerprints"):
        match = cast(re.Match[str], NAMES["fingerprints"].fullmatch(path.name))
        found.setdefault(match["element"], []).append(path)
    if not found:
        _one_of(folder, [], EXAMPLES["fingerprints"])
    wanted = list(found) if elements is None else elements
    return {element: _one_of(folder, found.get(element, []), f"cnn_stats_{element}.csv") for element in wanted}


# ---- reading one of them


def _guarded(path: Path, read: Callable[[BinaryIO], Any]) -> Any:
    """Call ``read`` on the opened file; what cannot be decompressed, decoded or parsed is bad input."""
    try:
        with open_bytes(path) as handle:
            return read(cast(BinaryIO, handle))
    except BadInput:
        raise
    except (*UNPACKING, ValueError) as error:
        raise BadInput(
            f"{path}: damaged, or not a csv file ({visible(error or type(error).__name__, 160)}); {FRESH}"
        ) from error


def _lines(path: Path, handle: BinaryIO) -> Iterator[bytes]:
    """Iterate over the lines; one that is longer than any of the authors' is refused before it fills the memory."""
    while line := handle.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise BadInput(f"{path}: a line of more than {MAX_LINE} characters; {FRESH}")
        yield line


def _header(path: Path) -> list[str]:
    """Return the names of the columns; refuses an empty file and names that are there twice."""
    line = _guarded(path, lambda handle: next(_lines(path, handle), b"").decode())
    names = line.strip().split(",")
    if names == [""]:
        raise BadInput(f"{path}: empty; {FRESH}")
    if not line.endswith("\n"):
        raise BadInput(f"{path}: truncated, its first line has no end; {FRESH}")
    twice = [name for k, name in enumerate(names) if name in names[:k]]
    if twice:
        raise BadInput(f"{path}: two columns are named {twice[0]!r}; {FRESH}")
    return cast(list[str], names)


def _read_table(path: Path, columns: Sequence[str]) -> NDArray[np.float64]:
    """Read columns of numbers, ``(rows, columns)``, all of them finite; the first ones are whole numbers."""
    names = _header(path)
    for column in columns:
        if column not in names:
            hint = nearest(column, names) if len(names) < 200 else f"; it has {names[0]}, {names[1]}, …"
            raise BadInput(f"{path}: no column {column!r}{hint}; {FRESH}, or correct elements and anions")
    n_rows = _guarded(path, lambda handle: _count_rows(path, handle, len(names)))
    if not n_rows:
        raise BadInput(f"{path}: no row below the names of the columns; {FRESH}")
    table = _guarded(path, lambda handle: _parse(handle, columns))
    bad = np.argwhere(~np.isfinite(table))
    if len(bad):
        row, column = bad[0]
        raise BadInput(f"{path}: line {row + 2}, column {columns[column]!r} holds no number; {FRESH}")
    return cast("NDArray[np.float64]", table)


def _count_rows(path: Path, handle: BinaryIO, width: int) -> int:
    """Return the number of rows; refuses those with too few or too many values, which pandas would fill or cut."""
    number, line = 0, b"\n"
    for number, line in enumerate(_lines(path, handle)):
        if line.count(b",") != width - 1:
            values = f"{line.count(b',') + 1} values instead of {width}"
            raise BadInput(f"{path}: line {number + 1} has {values}, the file is truncated or damaged; {FRESH}")
    if not line.endswith(b"\n"):
        raise BadInput(f"{path}: truncated, its last line has no end; {FRESH} (or end the line, if it is whole)")
    return number


def _parse(handle: BinaryIO, columns: Sequence[str]) -> NDArray[np.float64]:
    import pandas

    parts = []
    for frame in pandas.read_csv(
        handle, usecols=list(columns), float_precision="round_trip", chunksize=ROWS_AT_ONCE, low_memory=False
    ):
        frame = frame[list(columns)]
        if not all(kind.kind in "fiu" for kind in frame.dtypes):
            # What is not a number becomes NaN, and is found there.
            frame = frame.apply(pandas.to_numeric, errors="coerce")
        parts.append(frame.to_numpy(dtype=np.float64))
    return np.concatenate(parts)


# ---- from rows to structures


def _whole_numbers(path: Path, values: NDArray[np.float64], name: str) -> NDArray[np.int64]:
    wrong = np.flatnonzero((values != np.rint(values)) | (values < 0))
    if len(wrong):
        raise BadInput(f"{path}: line {wrong[0] + 2}: {values[wrong[0]]:g} is no {name}; {FRESH}")
    return values.astype(np.int64)


def _per_structure(path: Path, table: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the structures' numbers, rising, and their rows without them."""
    numbers = _whole_numbers(path, table[:, 0], "structure's number")
    unique, counts = np.unique(numbers, return_counts=True)
    if (counts > 1).any():
        raise BadInput(
            f"{path}: structure {unique[counts > 1][0]} has {counts[counts > 1][0]} rows instead of one; {FRESH}"
        )
    return unique, table[np.argsort(numbers), 1:]


def _blocks(path: Path, table: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the structures' numbers, rising, and ``(structures, sites, columns)`` without the first two columns."""
    numbers = _whole_numbers(path, table[:, 0], "structure's number")
    atoms = _whole_numbers(path, table[:, 1], "atom's number")
    unique, counts = np.unique(numbers, return_counts=True)
    usual = np.bincount(counts).argmax()
    if (counts != usual).any():
        odd = np.flatnonzero(counts != usual)[0]
        raise BadInput(
            f"{path}: structure {unique[odd]} has {counts[odd]} rows, others have {usual}; all structures need as many "
            f"sites. {FRESH[0].upper()}{FRESH[1:]}, or take out the structure"
        )
    order = np.lexsort((atoms, numbers))
    again = np.flatnonzero((np.diff(numbers[order]) == 0) & (np.diff(atoms[order]) == 0))
    if len(again):
        row = order[again[0]]
        raise BadInput(f"{path}: structure {numbers[row]} has two rows of atom {atoms[row]}; {FRESH}")
    if (order[1:] > order[:-1]).all():  # as usual; spares a copy of what can be large
        return unique, table[:, 2:].reshape(len(unique), usual, -1)
    return unique, table[order, 2:].reshape(len(unique), usual, -1)


def _read_curves(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return bins' centres, structures' numbers and ``(structures, bins)`` of a file whose columns are bins."""
    names = _header(path)
    try:
        centres = np.array(names[1:], dtype=np.float64)
    except ValueError as error:
        raise BadInput(f"{path}: its columns are not named by the centres of bins ({error}); {FRESH}") from error
    if len(centres) < 2 or not np.isfinite(centres).all() or (np.diff(centres) <= 0).any():
        raise BadInput(f"{path}: the centres of its bins do not rise; {FRESH}")
    numbers, values = _per_structure(path, _read_table(path, ["structure_number", *names[1:]]))
    return centres, numbers, values


def _refuse(path: Path, numbers: NDArray[np.int64], wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        raise BadInput(f"{path}: structure {numbers[np.argmax(wrong)]} has {what}; {FRESH}")


def _their_name(label: str) -> str:
    """Return the authors' name of one of our fingerprint's numbers; those of the motifs are the same."""
    match = OUR_SHARE.fullmatch(label)
    return THEIR_SHARE.format(anion=match["anion"], cn=match["cn"]) if match else label


def _atom_column(path: Path, columns: Sequence[str]) -> str:
    """Return the name of the column of atom numbers; refuses files that count anions which are not asked for."""
    names = _header(path)
    others = [name for name in names if " fraction coord num " in name and name not in columns]
    if others:
        raise BadInput(
            f"{path}: has {others[0]!r}, but {others[0].split()[0]} is not among the anions asked for; name the file's "
            "anions in the parameters"
        )
    found = [name for name in names if name.endswith("_number") and name != "structure_number"]
    if len(found) != 1:
        raise BadInput(f"{path}: no column of atom numbers (atom_number, Si_number, …); {FRESH}")
    return found[0]
