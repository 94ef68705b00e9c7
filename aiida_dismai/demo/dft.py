"""``python -m aiida_dismai.demo.dft``: the whole line on real density-functional theory, in small, without a stand-in.

Two crystals are relaxed with pw.x; random interfaces of Li2O and LiCl (14 atoms) are labelled with it; a potential, a
data set, a generative model and its metrics follow as in the demo, in the demo's own profile.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from . import profile
from .__main__ import MODEL, SEED, say

FAMILY = "dismai-demo-pbe"
CODE = "pw@localhost"
OVERRIDES = Path(__file__).with_name("dft.yaml")
#: Cut-offs of the wave functions, Ry: ``low`` is that of the labels, ``normal`` that of the crystals' stress.
CUTOFFS = {"low": 40.0, "normal": 80.0}
#: Lattice constants that the relaxations begin with, Å.
LI2O, LICL = 4.58, 5.10
#: Relaxation of the crystals, at Γ of their conventional cells.
BULK = {
    "potential_family": FAMILY,
    "stage_2": {
        "settings": {
            "kpoints": {"mesh": [1, 1, 1], "offset": [0.0, 0.0, 0.0]},
            "max_iterations": 3,
            "parameters": {
                "CONTROL": {"nstep": 30, "forc_conv_thr": 1e-3, "etot_conv_thr": 1e-3},
                "ELECTRONS": {"conv_thr": 1e-7},
                "CELL": {"press_conv_thr": 10.0},
            },
        },
        "options": {
            "withmpi": False,
            "max_wallclock_seconds": 3600,
            "resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1},
        },
    },
}


def crystals() -> dict[str, Any]:
    """Return Li2O and LiCl in their conventional cells."""
    from pymatgen.core import Lattice, Structure

    return {
        "Li2O": Structure.from_spacegroup("Fm-3m", Lattice.cubic(LI2O), ["Li", "O"], [(0.25, 0.25, 0.25), (0, 0, 0)]),
        "LiCl": Structure.from_spacegroup("Fm-3m", Lattice.cubic(LICL), ["Li", "Cl"], [(0, 0, 0), (0.5, 0.5, 0.5)]),
    }


def install_family(folder: Path) -> None:
    """Store the UPF files of a folder as the demo's family, with its cut-offs."""
    from aiida.orm import QueryBuilder
    from aiida_pseudo.data.pseudo import UpfData
    from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily

    if QueryBuilder().append(CutoffsPseudoPotentialFamily, filters={"label": FAMILY}).count():
        return
    nodes = [UpfData(path) for path in sorted(folder.glob("*.upf"))]
    family = CutoffsPseudoPotentialFamily(label=FAMILY).store()
    family.add_nodes([node.store() for node in nodes])
    for name, wave in CUTOFFS.items():
        table = {node.element: {"cutoff_wfc": wave, "cutoff_rho": 4 * wave} for node in nodes}
        family.set_cutoffs(table, name, unit="Ry")


def relax_crystals(started: float) -> dict[str, Any]:
    """Relax both crystals with pw.x and return them."""
    from aiida.engine import submit
    from aiida.orm import StructureData, load_code

    from ..workchains.bulk import BulkWorkChain
    from .watch import follow

    found = {}
    for name, crystal in crystals().items():
        node = StructureData(pymatgen=crystal)
        node.label = f"{name}, bulk crystal"
        builder = BulkWorkChain.get_builder_from_protocol(load_code(CODE), node, "bulk_lco", BULK)
        process = submit(builder)
        say(f"submitted the relaxation of {name}<{process.pk}>")
        follow(process, say, started)
        if not process.is_finished_ok:
            raise SystemExit(f"the relaxation of {name}<{process.pk}> failed: {process.exit_message}")
        found[name] = process.outputs.crystal
        say(f"{name}: a = {found[name].cell_lengths[0]:.3f} Å")
    return found


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m aiida_dismai.demo.dft", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("demo-dft"), help="where the results go")
    parser.add_argument("--pw", type=Path, default=Path(".venv-pw/bin/pw.x"), help="pw.x, 7.1 or newer (`make pw`)")
    parser.add_argument(
        "--pseudos", type=Path, default=Path("tests/data/pseudos"), help="folder with UPF files of Li, O and Cl"
    )
    arguments = parser.parse_args()
    for path in (arguments.pw, arguments.pseudos):
        if not path.exists():
            parser.error(f"{path} is not there: run it by `make demo-dft` in a checkout")

    started = time.monotonic()
    profile.use_own_configuration(profile.own_folder())
    profile.make_profile()
    profile.load()
    profile.configure()
    from aiida.engine import submit
    from aiida.orm import load_code

    from ..cli.setup import make_code
    from ..workchains.pipeline import PipelineWorkChain
    from .results import write_results
    from .watch import follow

    make_code("localhost", str(arguments.pw.absolute()), "pw", "quantumespresso.pw", "export OMP_NUM_THREADS=1")
    install_family(arguments.pseudos)
    say("pw.x of Quantum ESPRESSO computes all energies: real DFT, far from converged")
    profile.start_daemon()
    try:
        relaxed = relax_crystals(started)
        from ..workchains.protocols import read_overrides

        builder = PipelineWorkChain.get_builder_from_protocol(
            load_code(profile.DISMAI),
            relaxed["Li2O"],
            relaxed["LiCl"],
            MODEL,
            SEED,
            dft_code=load_code(CODE),
            protocol="demo",
            overrides=read_overrides(OVERRIDES),
        )
        builder["metadata"]["label"] = "demo-dft"
        node = submit(builder)
        say(f"submitted the pipeline<{node.pk}>")
        follow(node, say, started)
    finally:
        profile.stop_daemon()
    if not node.is_finished_ok:
        say(f"the pipeline<{node.pk}> ended with {node.exit_status}: {node.exit_message}")
        return 1
    problems = write_results(node, arguments.folder, say)
    for problem in problems:
        say(f"! {problem}")
    say(f"done in {time.monotonic() - started:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
