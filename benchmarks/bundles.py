"""How long a bundle takes: written, checked, and fetched into an empty profile, for a data set of the paper's size.

    python benchmarks/bundles.py                         # 1500 structures of 264 atoms, 100 jobs behind them
    python benchmarks/bundles.py --structures 100 --jobs 20

The structures are random cells of the interface's composition with energies, forces and what a relaxation leaves;
nothing is computed. A temporary profile is made and removed. Prints one JSON object: seconds (by the clock, and of the
processor, which other load changes less) and MB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

#: Li72 Sc12 Co36 Cl72 O72.
ATOMS = [3] * 72 + [21] * 12 + [27] * 36 + [17] * 72 + [8] * 72


def structure_set(n: int, seed: int) -> Any:
    """Return ``n`` random cells of 264 atoms with energies, forces and the record of a relaxation."""
    import numpy as np

    from aiida_dismai.engine.structures import Property, StructureSet

    random = np.random.default_rng(seed)
    cell = np.array([[12.46997, 0.0, 0.0], [4.258, 16.664, 0.0], [0.0, 0.0, 33.197]])
    positions = random.random((n, len(ATOMS), 3)) @ cell
    properties = {
        "energy": Property(random.normal(-1200.0, 2.0, n), "structure", "eV"),
        "forces": Property(random.normal(0.0, 0.05, (n * len(ATOMS), 3)), "atom", "eV/Å"),
        "converged": Property(np.ones(n, dtype=bool), "structure"),
        "steps": Property(random.integers(5, 400, n), "structure"),
    }
    return StructureSet.from_uniform(ATOMS, positions, cell, properties=properties)


def build(folder: Path, n_structures: int, n_jobs: int) -> int:
    """Make a profile with a finished data set and ``n_jobs`` DFT jobs behind it; returns its PK."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    import numpy as np
    from aiida import load_profile, orm
    from aiida.manage.configuration import get_config

    config = get_config(create=True)
    profile = config.create_profile("bundles", "core.sqlite_dos", {"filepath": str(folder / "storage")})
    config.set_default_profile("bundles").store()
    load_profile("bundles")
    user = orm.User(email="ada@example.org", first_name="Ada", last_name="Lovelace").store()
    config.set_default_user_email(profile, user.email)
    config.store()
    from support import handmade
    from support.handnodes import finish, process, results

    from aiida_dismai.cli.setup import make_localhost
    from aiida_dismai.data import StructureSetData

    computer = make_localhost(str(folder / "jobs"))[0]
    vasp = handmade.code(computer, "vasp", "vasp.vasp", "/opt/vasp/bin/vasp_std")
    code = handmade.code(computer, "dismai", "dismai.relax", "/opt/bin/dismai")
    crystal = orm.StructureData(cell=np.diag([4.0, 4.0, 4.0]).tolist())
    crystal.append_atom(symbols="Li", position=[0.0, 0.0, 0.0])
    flow = process(
        orm.WorkChainNode, handmade.WORKFLOWS + "dataset.interface", "InterfaceDatasetWorkChain", {"a": crystal}
    )
    built = StructureSetData(structure_set(n_structures, 1))
    given = {"slab_a": crystal, "code": code}
    kind = handmade.CALCULATIONS + "interfaces.build"
    process(orm.CalcJobNode, kind, "BuildInterfacesCalculation", given, {"structures": built}, flow, "build")
    steps: dict[str, Any] = {}
    for index in range(n_jobs):
        energy = orm.Dict({"energy": -1200.0 - index})
        job = {"structures": built, "code": vasp}
        process(
            orm.CalcJobNode,
            "aiida.calculations:vasp.vasp",
            "VaspCalculation",
            job,
            {"misc": energy},
            flow,
            f"lane_{index}",
        )
        steps[f"job_{index}"] = energy
    relaxed = StructureSetData(structure_set(n_structures, 2))
    process(
        orm.CalcFunctionNode,
        "",
        "collect_steps",
        {"structures": built, **steps},
        {"labelled": relaxed},
        flow,
        "collect",
    )
    cut = n_structures * 4 // 5
    train, validation = (StructureSetData(relaxed.structures[part]) for part in (slice(0, cut), slice(cut, None)))
    made = {"train": train, "validation": validation}
    process(orm.CalcFunctionNode, "", "split_structures", {"structures": relaxed}, made, flow, "split")
    finish(flow, {**made, "results": results("dataset").store()})
    return int(flow.pk)


def timed(*words: str) -> dict[str, float]:
    """Run a command of ours and return its seconds, by the clock and of the processor.

    Raises:
        SystemExit: it failed.
    """
    started, before = time.monotonic(), os.times()
    program = Path(sys.executable).parent / "aiida-dismai"
    run = subprocess.run([str(program), *words], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{' '.join(words)}: {run.stdout[-500:]}{run.stderr[-2000:]}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"s": round(time.monotonic() - started, 1), "cpu_s": round(cpu, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=int, default=1500)
    parser.add_argument("--jobs", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dismai-bundles-") as scratch:
        folder = Path(scratch)
        os.environ["AIIDA_PATH"] = scratch
        pk = build(folder, given.structures, given.jobs)
        bundle = folder / "bundle"
        found = {
            "structures": given.structures,
            "atoms": len(ATOMS),
            "jobs": given.jobs,
            "publish": timed("dataset", "publish", str(pk), str(bundle)),
            "check": timed("dataset", "fetch", str(bundle), "--check"),
            "fetch": timed("dataset", "fetch", str(bundle), "--name", "fetched"),
            "trace": timed("trace", str(pk), "--json"),
            "mb": {path.name: round(path.stat().st_size / 1e6, 2) for path in sorted(bundle.iterdir())},
            "peak_memory_of_commands_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        }
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
