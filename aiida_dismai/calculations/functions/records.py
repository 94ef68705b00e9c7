"""Putting together what the chunks of a set of structures were described by."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from aiida.engine import calcfunction
from aiida.orm import SinglefileData

from ...engine.store import join


@calcfunction
def merge_records(**chunks: SinglefileData) -> SinglefileData:
    """Join the records of chunks, in the order of their names, into one file.

    Raises:
        BadInput: records that were made with different parameters or versions.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        target = folder / "records.bin"
        join([stack.enter_context(chunks[name].as_path()) for name in sorted(chunks)], target)
        return SinglefileData(target)
