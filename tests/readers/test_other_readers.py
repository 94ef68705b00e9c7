"""Readers of everything else that comes in files: mutated files are read or refused, without a traceback."""

from __future__ import annotations

import gzip
import io
import json
import random
from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.dft.vasp.vasprun import read_vasprun
from aiida_dismai.engine.alloys.expansion import PACKAGED, read_file
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.families.base import make_metrics
from aiida_dismai.engine.families.published import read_rdf
from aiida_dismai.engine.metrics.parameters import MetricsParameters
from aiida_dismai.engine.metrics.records import StoredRecords
from aiida_dismai.engine.metrics.reference import Reference, load_reference
from aiida_dismai.engine.runner import read_task
from aiida_dismai.workchains.protocols import read_overrides

from .guards import bounded
from .mutations import mutate_bytes, mutate_text
from .test_mutated_files import CASES, FIRST

DATA = Path(__file__).parents[1] / "data"
ENGINE = Path(__file__).parents[2] / "aiida_dismai" / "engine"


def _reference(folder: Path) -> bytes:
    """Return a small file of :meth:`Reference.save`."""
    kind = make_metrics(MetricsParameters(kind="amorphous"))
    composition = {"Si": 8}
    records = np.zeros(3, kind.dtype(composition))
    reference = Reference(composition, "0" * 64, 3, StoredRecords(records), [], np.zeros(3), np.ones(3), np.full(3, 8))
    reference.save(folder / "made.npz", kind)
    return (folder / "made.npz").read_bytes()


def _task(folder: Path) -> bytes:
    (folder / "s.extxyz").touch()
    content = {
        "task": "relax",
        "seed": 7,
        "parameters": {"fmax": 0.1, "steps": 3},
        "inputs": {"structures": "s.extxyz"},
    }
    return json.dumps(content, indent=1).encode()


OVERRIDES = b"""
relax:
  job:
    parameters: {fmax: 0.1, steps: 20}
    metadata:
      options: {max_wallclock_seconds: 3600}
n_models: 3
"""
#: name → file, what makes its content, what changes it, what reads it
READERS = {
    "reference": (
        "reference.npz",
        _reference,
        mutate_bytes,
        lambda path: load_reference(path, make_metrics(MetricsParameters(kind="amorphous"))),
    ),
    "expansion": (
        "expansion.json",
        lambda folder: (ENGINE / "alloys" / PACKAGED).read_bytes(),
        mutate_text,
        read_file,
    ),
    "published": (
        "rdf_gen.csv",
        lambda folder: b"structure_number,0.05,0.15,0.25\n0,0.0,1.0,2.0\n1,0.5,0.5,0.5\n",
        mutate_text,
        lambda path: read_rdf(path.parent),
    ),
    "task": ("task.json", _task, mutate_text, read_task),
    "overrides": ("overrides.yaml", lambda folder: OVERRIDES, mutate_text, read_overrides),
}


@pytest.mark.parametrize("name", READERS)
def test_is_read_or_refused(name, tmp_path):
    file, make, mutate, read = READERS[name]
    good = make(tmp_path)
    (tmp_path / file).write_bytes(good)
    read(tmp_path / file)
    messages = []
    for case in range(CASES // 20):
        (tmp_path / file).write_bytes(mutate(good, random.Random(FIRST + case)))
        try:
            with bounded(seconds=30, megabytes=1024):
                read(tmp_path / file)
        except BadInput as refusal:
            messages.append(str(refusal))
        except Exception as error:
            raise AssertionError(f"{name}, seed {FIRST + case}: {type(error).__name__}: {error}") from error
    assert messages
    assert all(0 < len(message) < 3000 for message in messages)


def test_a_mutated_vasprun_gives_the_steps_that_are_whole(tmp_path):
    """It is never refused: whatever can be read of a job is worth having."""
    content = gzip.decompress((DATA / "cases" / "vasprun" / "aiida_ionic_continue_0.xml.gz").read_bytes())
    whole = read_vasprun(io.BytesIO(content))
    energies = {step.energy for step in whole.steps}
    for case in range(CASES // 40):
        rng = random.Random(FIRST + case)
        with bounded(seconds=30, megabytes=1024):
            found = read_vasprun(io.BytesIO(mutate_bytes(content, rng)))
        kept = [step for step in found.steps if not step.damage]
        assert len(found.steps) <= len(whole.steps) + 2
        # a changed digit is a number, too; but no more than three places were changed
        assert sum(step.energy not in energies for step in kept) <= 3
