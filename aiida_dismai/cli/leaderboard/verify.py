"""Computing a result again from the structures that were shared with it, and saying which number is another."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.files import write_json
from ...engine.results.make import PARTS
from ...engine.results.result import ModelResult, Result
from ...engine.structures import read_npz
from ...engine.text import visible
from ..engine_metrics import run_metrics
from .entries import check_files, read_result

#: How far numbers may be from each other: another machine adds up in another order.
RELATIVE, ABSOLUTE = 1e-6, 1e-9


def verify(folder: Path, workers: str = "1", keep: Path | None = None) -> list[str]:
    """Compute the measures of an entry again.

    Args:
        folder: of the entry.
        workers: processes, a number or ``auto``.
        keep: folder in which what was computed of each model is kept, in a folder by its name; without it, nowhere.

    Returns:
        A line for each number that is another, or file that is not as stated; none where all is right.

    Raises:
        BadInput: no result file that can be read.
    """
    result = read_result(folder)
    problems = list(check_files(folder, result))
    if problems:  # nothing is computed from files that are not those of the result
        return problems
    with tempfile.TemporaryDirectory(prefix="dismai-verify-") as scratch:
        for item in result.models:
            place = (keep or Path(scratch)) / item.name
            place.mkdir()
            try:
                problems += _model(folder, result, item, workers, place)
            except BadInput as error:
                problems.append(f"{item.name}: cannot be computed ({visible(error, 400)})")
    return problems


def _model(folder: Path, result: Result, item: ModelResult, workers: str, place: Path) -> Iterator[str]:
    content = read_npz(folder / item.structures)
    if content.content_hash != item.content_hash:
        yield f"{item.name}: {item.structures} holds other structures than stated"
    if len(content) != item.n_given:
        yield f"{item.name}: n_given: {item.n_given} is stated, {len(content)} structures are there"
    given = place / "parameters.json"
    write_json(given, {name: value for name, value in item.parameters.items() if name not in ("kind", "workers")})
    found = run_metrics(
        result.kind,
        folder / item.structures,
        folder / result.reference,
        place,
        ["--generated-total", str(item.n_generated), "--workers", workers, "--parameters", str(given)],
    )
    if found.get("reference_hash") != result.dataset.reference_hash:
        yield f"{item.name}: {result.reference} is another reference than stated"
    for name in ("n_analysed", "n_generated"):
        if found.get(name) != getattr(item, name):
            yield f"{item.name}: {name}: {getattr(item, name)} is stated, {visible(found.get(name), 40)} was computed"
    computed = {name: value for name, value in found.items() if isinstance(value, dict) and "value" in value}
    for name in dict.fromkeys([*item.metrics, *computed]):
        if name not in computed or name not in item.metrics:
            yield f"{item.name}: {name}: {'was not computed' if name in item.metrics else 'is not stated'}"
            continue
        for part in PARTS:
            stated, value = getattr(item.metrics[name], part), computed[name].get(part)
            if not _same(stated, value):
                yield f"{item.name}: {name}.{part}: {_number(stated)} is stated, {_number(value)} was computed"


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is None and other is None
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.8g}"
