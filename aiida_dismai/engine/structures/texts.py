"""Arrays of texts: numpy gives each the room of the longest, so that one long text among many takes all memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput

#: An array of texts may take so many bytes, or the room of so many times its characters, whichever is more.
MAX_BYTES = 64 * 2**20
MAX_RATIO = 8
BYTES = 4


def refuse_padding(number: int, longest: int, characters: int, what: str) -> None:
    """Refuse an array of texts that would be mostly empty.

    Args:
        number: of the texts.
        longest: characters of the longest.
        characters: of all.
        what: named in the error.

    Raises:
        BadInput: it would need much more memory than its texts have.
    """
    room = number * longest
    if room * BYTES > MAX_BYTES and room > MAX_RATIO * characters:
        raise BadInput(
            f"{what}: a text of {longest} characters among {number} mostly short ones; an array of them would need "
            f"{room * BYTES // 2**20} MB, shorten it or leave it out"
        )


def concatenated(arrays: Sequence[NDArray[Any]], what: str) -> NDArray[Any]:
    """Join arrays along their first axis.

    Raises:
        BadInput: texts of very different lengths.
    """
    if any(array.dtype.kind == "U" for array in arrays):
        widths = [array.dtype.itemsize // BYTES if array.dtype.kind == "U" else 1 for array in arrays]
        sizes = [array.size for array in arrays]
        used = sum(width * size for width, size in zip(widths, sizes, strict=True))
        refuse_padding(sum(sizes), max(widths), used, what)
    return np.concatenate(list(arrays))
