"""Files of arrays (``.npz``): written atomically, with equal bytes for equal content, large ones in pieces."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .files import write_atomically

#: Files in a zip have a time; here all have this one.
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


def write_arrays(path: Path, arrays: Mapping[str, ArrayLike | Streamed]) -> None:
    """Write an ``.npz`` file, atomically."""

    def write(handle: BinaryIO) -> None:
        with zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy", EPOCH), "w", force_zip64=True) as target:
                    _write_array(target, array)

    write_atomically(path, write)


def _write_array(target: Any, array: ArrayLike | Streamed) -> None:
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
