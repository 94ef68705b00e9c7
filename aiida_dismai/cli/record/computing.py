"""The metrics of a record's generated structures, computed by the engine in processes of its own, and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...engine.errors import BadInput
from ...engine.files import write_json
from ...engine.text import visible
from ...engine.untrusted import read_object
from ..engine_metrics import RESULTS, run_metrics
from .importing import content_digest
from .layout import Generated, Record

#: How the authors align alloys with the lattice, by model.
ALIGN = {"CryinGAN": "none", "DiffCSP": "translate", "CDVAE": "rotate"}
KEY = "made_from.json"


def reference_of(record: Record, item: Generated) -> Path:
    """Return what the structures of a file are compared with: the authors' csv files, or else the training set.

    Raises:
        BadInput: neither is in the record.
    """
    name = item.dataset.name
    if name in record.references:
        return record.references[name]
    if "train" in record.sets.get(name, {}):
        return record.sets[name]["train"]
    raise BadInput(
        f"{visible(record.folder)}: neither dismai_bench_train_ref_data/{name} nor a training set of {name} is in it: "
        "nothing to compare with; download it, or leave the data set out with --only"
    )


def compute(
    record: Record,
    item: Generated,
    folder: Path,
    total: int,
    workers: str,
    compat: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Compute the metrics of a file of generated structures, unless they are in ``folder`` already.

    Args:
        record: where the file is from.
        item: the file.
        folder: where results are kept; made when it is not there.
        total: structures generated originally.
        workers: processes, a number or ``auto``.
        compat: as the authors' scripts, also where these are peculiar.
        say: called with what the engine prints.

    Returns:
        The results of the task ``metrics``.

    Raises:
        BadInput: a file that cannot be read, or what the engine says.
    """
    reference = reference_of(record, item)
    align = ALIGN.get(item.model) if item.dataset.kind == "alloy" else None
    key = {
        "generated": content_digest(item.path),
        "reference": content_digest(reference),
        "total": total,
        "compat": compat,
        "align": align,
    }
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / RESULTS
    if output.is_file() and (folder / KEY).is_file() and read_object(folder / KEY) == key:
        return read_object(output)
    options = ["--generated-total", str(total), "--workers", workers]
    options += ["--compat"] if compat else []
    options += ["--align", align] if align else []
    (folder / KEY).unlink(missing_ok=True)
    results = run_metrics(item.dataset.kind, item.path, reference, folder, options)
    write_json(folder / KEY, key)
    say(f"{item.dataset.name}, {item.title}, {item.replicate}: {results.get('n_analysed')} structures analysed")
    return results


def place(item: Generated) -> str:
    """Return the name of the folder for a file's results."""
    variant = "".join(char if char.isalnum() else "-" for char in item.variant)
    return f"{item.dataset.name}/{item.model}{f'-{variant}' if variant else ''}_{item.replicate}"
