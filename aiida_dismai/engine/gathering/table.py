"""A column of CIFs in a CSV file, as data sets of crystals and some generators have it."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput
from ..structures import StructureSet
from ..structures.files import read_cif
from ..structures.source import open_bytes, refuse_what_is_no_data
from ..text import visible

#: Characters of one cell: a CIF of some thousand sites.
MAX_CELL = 2 * 2**20
COLUMN = "cif"


def read_table(path: Path) -> Iterator[StructureSet | BadInput]:
    """Yield the structure of each row, or why there is none.

    Raises:
        BadInput: no text, or no column ``cif``.
    """
    refuse_what_is_no_data(path)
    before = csv.field_size_limit(MAX_CELL)
    try:
        with (
            io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors="replace", newline="") as text,
            tempfile.TemporaryDirectory() as folder,
        ):
            rows = csv.DictReader(text)
            names = list(rows.fieldnames or [])
            column = next((name for name in names if name and name.strip().lower() == COLUMN), None)
            if column is None:
                shown = ", ".join(visible(name, 30) for name in names[:8])
                raise BadInput(f"{visible(path)}: has no column '{COLUMN}' with the structures (columns: {shown})")
            one = Path(folder) / "row.cif"
            for row in rows:
                where = f"{visible(path)}: line {rows.line_num}"
                one.write_text(row[column] or "", encoding="utf-8")
                try:
                    yield read_cif(one, where)
                except BadInput as error:
                    yield BadInput(str(error).replace(str(one), where))
    except csv.Error as error:
        raise BadInput(f"{visible(path)}: not readable as CSV ({visible(error, 80)})") from error
    finally:
        csv.field_size_limit(before)
