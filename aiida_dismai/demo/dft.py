"""``python -m aiida_dismai.demo.dft``: the whole line on real density-functional theory, in small, without a stand-in.

One pipeline in the demo's own profile: pw.x relaxes two crystals and labels random interfaces of Li2O and LiCl, 14
atoms; a potential, a data set, a generative model and its metrics follow as in the demo.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from . import profile
from .__main__ import MODEL, SEED, fingerprint, run_pipeline, say

FAMILY = "dismai-demo-pbe"
CODE = "pw@localhost"
OVERRIDES = Path(__file__).with_name("dft.yaml")
#: Cut-offs of the wave functions, Ry: ``low`` is that of the labels, ``normal`` that of the crystals' stress.
CUTOFFS = {"low": 40.0, "normal": 80.0}
#: Lattice constants that the relaxations begin with, Å.
LI2O, LICL = 4.58, 5.10
SMALL = (
    "Smaller than in the paper: Li2O and LiCl at Γ of their conventional cells; four interfaces of 14 atoms with five "
    "ionic steps each, at 40 Ry, half of what the pseudopotentials need; a small potential, twelve structures, minutes "
    "of training. Energies and forces are those of density-functional theory, but nothing is converged: the numbers "
    "show that the line works, and have no physical meaning."
)


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


def demo_key() -> str:
    """Return the fingerprint of what this demonstration computes."""
    from ..workchains.protocols import read_overrides

    return fingerprint({"overrides": read_overrides(OVERRIDES), "cutoffs": CUTOFFS, "crystals": [LI2O, LICL]})


def make_builder() -> Any:
    """Return the inputs of the pipeline: from both crystals, which are relaxed first, to the metrics."""
    from aiida.orm import StructureData, load_code

    from ..workchains.pipeline import PipelineWorkChain
    from ..workchains.protocols import read_overrides

    nodes = {name: StructureData(pymatgen=crystal) for name, crystal in crystals().items()}
    for name, node in nodes.items():
        node.label = f"{name}, bulk crystal"
    builder = PipelineWorkChain.get_builder_from_protocol(
        load_code(profile.DISMAI),
        nodes["Li2O"],
        nodes["LiCl"],
        MODEL,
        SEED,
        dft_code=load_code(CODE),
        protocol="demo",
        overrides=read_overrides(OVERRIDES),
    )
    builder["metadata"]["label"] = "demo-dft"
    builder["metadata"]["description"] = "Li2O and LiCl crystals → pw.x → interfaces → pw.x → CryinGAN → metrics, small"
    return builder


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
    from ..cli.setup import make_code
    from .results import write_results

    make_code("localhost", str(arguments.pw.absolute()), "pw", "quantumespresso.pw", "export OMP_NUM_THREADS=1")
    install_family(arguments.pseudos)
    say("pw.x of Quantum ESPRESSO computes all energies: real DFT, far from converged")
    node, code = run_pipeline(demo_key(), make_builder, "demo-dft", started)
    if code:
        return code
    for name in ("slab_a", "slab_b"):
        crystal = node.outputs.bulk[name].crystal
        say(f"{crystal.get_formula()}: a = {crystal.cell_lengths[0]:.3f} Å")
    problems = write_results(node, arguments.folder, say)
    for problem in problems:
        say(f"! {problem}")
    say(f"done in {time.monotonic() - started:.0f} s")
    say(SMALL)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
