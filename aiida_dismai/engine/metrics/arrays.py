"""``per_structure.npz``: the numbers of every structure, written a block of records at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..families.base import Composition, FamilyMetrics
from ..files import write_atomically
from .records import Records

#: zip files of equal content shall have equal bytes
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Streamed:
    """An array of which a block at a time is in memory.

    Attributes:
        shape: of the whole array.
        dtype: of its items.
        blocks: gives it in pieces, along the first axis.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: Callable[[], Iterable[NDArray[Any]]]


def field(records: Records, name: str) -> Streamed:
    """Return one field of all records."""
    item = records.dtype[name]
    return Streamed((len(records), *item.shape), item.base, lambda: (block[name] for block in records.blocks()))


def vector(records: Records, kind: FamilyMetrics, composition: Composition, name: str, length: int) -> Streamed:
    """Return one vector of all structures."""
    blocks = lambda: (kind.vectors(block, composition)[name] for block in records.blocks())  # noqa: E731
    return Streamed((len(records), length), np.dtype("<f8"), blocks)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any] | Streamed]) -> None:
    """Write an ``.npz`` file, atomically."""

    def write(handle: BinaryIO) -> None:
        with zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy", EPOCH), "w", force_zip64=True) as target:
                    _write_array(target, array)

    write_atomically(path, write)


def _write_array(target: Any, array: NDArray[Any] | Streamed) -> None:
    if not isinstance(array, Streamed):
        np.lib.format.write_array(target, np.asanyarray(array), allow_pickle=False)
        return
    header = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": array.shape,
    }
    np.lib.format.write_array_header_1_0(target, header)
    rows = 0
    for block in array.blocks():
        target.write(np.ascontiguousarray(block, array.dtype).tobytes())
        rows += len(block)
    if rows != array.shape[0]:
        raise ValueError(f"an array of {array.shape[0]} rows was given {rows}")
