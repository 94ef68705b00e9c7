"""Seconds and megabytes to store and load a labelled data set, beside extended XYZ through ASE.

    python benchmarks/structures.py [--structures 1500]

1500 structures of 264 atoms with energies and forces, as one ``StructureSetData`` in a temporary AiiDA profile
(SQLite, its own folder), and as one extxyz file that ASE writes and reads.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from pathlib import Path

import click
import numpy as np

#: Li, Sc, Co, Cl and O of the benchmark's interface.
COUNTS = {3: 72, 21: 12, 27: 36, 17: 72, 8: 72}
CELL = np.array([[12.46997, 0.0, 0.0], [4.257784, 16.664331, 0.0], [0.0, 0.0, 33.1969]])


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


@click.command()
@click.option("--structures", "n", default=1500, show_default=True, help="How many.")
def main(n: int) -> None:
    with tempfile.TemporaryDirectory(prefix="dismai-benchmark-") as folder:
        os.environ["AIIDA_PATH"] = folder  # before aiida is imported: the user's profiles stay out of it
        warnings.filterwarnings("ignore", message="Creating AiiDA")
        from aiida.manage.configuration import create_profile, get_config, load_profile
        from aiida.orm import load_node

        from aiida_dismai.data import StructureSetData
        from aiida_dismai.engine.structures import StructureSet, to_ase

        random = np.random.default_rng(0)
        m = sum(COUNTS.values())
        numbers = np.repeat(list(COUNTS), list(COUNTS.values()))
        labelled = StructureSet.from_uniform(numbers, random.uniform(0, 1, (n, m, 3)) @ CELL, CELL)
        labelled = labelled.with_property("energy", random.normal(-1260, 1, n))
        labelled = labelled.with_property("forces", random.normal(0, 1, (n * m, 3)))

        storage = Path(folder) / "storage"
        create_profile(
            get_config(create=True),
            name="benchmark",
            email="benchmark@localhost",
            storage_backend="core.sqlite_dos",
            storage_config={"filepath": str(storage)},
        )
        load_profile("benchmark")
        before = megabytes(storage)
        started = time.perf_counter()
        pk = StructureSetData(labelled).store().pk
        stored = time.perf_counter()
        loaded = load_node(pk).structures
        read = time.perf_counter()
        assert loaded == labelled  # every bit
        ours = (stored - started, read - stored, megabytes(storage) - before)

        frames = to_ase(labelled)
        path = Path(folder) / "structures.extxyz"
        from ase.io import read as ase_read
        from ase.io import write as ase_write

        started = time.perf_counter()
        ase_write(path, frames, format="extxyz")
        stored = time.perf_counter()
        again = ase_read(path, index=":", format="extxyz")
        read = time.perf_counter()
        assert len(again) == n
        theirs = (stored - started, read - stored, path.stat().st_size / 1e6)

    print(f"{n} structures × {m} atoms with energies and forces")
    for name, (write_s, read_s, size) in (("StructureSetData", ours), ("extxyz, ASE", theirs)):
        print(f"{name:18s} store {write_s:6.2f} s  load {read_s:6.2f} s  {size:6.1f} MB")
    print(
        f"extxyz / node      store {theirs[0] / ours[0]:6.1f} ×  load {theirs[1] / ours[1]:6.1f} ×  "
        f"{theirs[2] / ours[2]:6.2f} ×"
    )


if __name__ == "__main__":
    main()
