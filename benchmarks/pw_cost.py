"""CPU seconds of pw.x for one ionic step against the size of the cell: one core, Γ, without AiiDA.

    .venv/bin/python benchmarks/pw_cost.py                        # print what was measured
    .venv/bin/python benchmarks/pw_cost.py run MATERIAL CUTOFF_RY [--iterations N] ATOMS ...

`run` computes rattled supercells of a crystal (licoo2 with spin and U, li3sccl6 without) as stage 1 of the protocol
`paper` does, and appends one line of JSON for each to `pw_cost.jsonl` beside this file (or `--results`); what is there
already is not computed again. With `--iterations` it stops the electrons after so many steps and takes the time of one
from them. Without arguments it prints the results, a fit of the seconds for each electronic step, and what follows for
the paper's interfaces; `docs/dft_cost.md` has what it printed. Runs `.venv-pw/bin/pw.x` (`make pw`), or that of the
variable DISMAI_PW, with the pseudopotentials of the tests.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.spacegroup import crystal

ROOT = Path(__file__).parents[1]
PSEUDOS = ROOT / "tests" / "data" / "pseudos"
PW = os.environ.get("DISMAI_PW", str(ROOT / ".venv-pw" / "bin" / "pw.x"))
MASSES = {"Li": 6.94, "Co": 58.933, "O": 15.999, "Sc": 44.956, "Cl": 35.45}
#: Repetitions of the primitive cell, by their number.
REPEAT = {1: (1, 1, 1), 2: (2, 1, 1), 4: (2, 2, 1), 6: (3, 2, 1), 8: (2, 2, 2), 12: (3, 2, 2), 16: (4, 2, 2)}
#: The paper's interface: atoms, electrons and volume (Å³) with its vacuum; 36 Li Co O2 (valence 3, 17, 6) and as many
#: Li3ScCl6 (3, 11, 7) as make 264 atoms.
INTERFACE = {"atoms": 264, "electrons": 36 * 32 + 12 * 62, "volume": 6899.0}
STEPS, INTERFACES = 100, 950


def licoo2():
    """Return the primitive cell, 4 atoms."""
    a, c, z = 2.82, 14.05, 0.24
    hexagonal = np.array([[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]])
    cell = np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3 @ hexagonal
    positions = np.array([[0, 0, 0.5], [0, 0, 0], [0, 0, z], [0, 0, 1 - z]]) @ hexagonal
    return Atoms("LiCoO2", positions, cell=cell, pbc=True)


def li3sccl6():
    """Return the primitive cell, 10 atoms (sites as in `aiida_dismai.engine.interfaces.crystals`)."""
    return crystal(
        ["Sc", "Li", "Li", "Cl", "Cl"],
        [(0, 0, 0), (0, 0.1681, 0.5), (0, 0.5, 0.5), (0.2380, 0.1600, 0.2350), (0.2440, 0, 0.7610)],
        spacegroup=12,
        cellpar=[6.398, 11.040, 6.391, 90, 109.89, 90],
        primitive_cell=True,
    )


MATERIALS = {"licoo2": licoo2, "li3sccl6": li3sccl6}


def pw_input(atoms, cutoff, magnetic, iterations):
    """Return the input of a single point with forces and stress."""
    species = list(dict.fromkeys(atoms.symbols))
    stop = "" if iterations is None else f"electron_maxstep = {iterations}\nscf_must_converge = .false.\n"
    spin = f"nspin = 2\nstarting_magnetization({species.index('Co') + 1}) = 0.0353\n" if magnetic else ""
    lines = [
        "&CONTROL",
        f"calculation = 'scf'\ntprnfor = .true.\ntstress = .true.\npseudo_dir = '{PSEUDOS}'\noutdir = './out'\n/",
        f"&SYSTEM\nibrav = 0\nnat = {len(atoms)}\nntyp = {len(species)}\necutwfc = {cutoff}\nnosym = .true.",
        f"{spin}occupations = 'smearing'\nsmearing = 'gaussian'\ndegauss = 3.675e-3\n/",
        f"&ELECTRONS\nconv_thr = 7.35e-6\nmixing_beta = 0.4\n{stop}/",
        "ATOMIC_SPECIES",
        *(f"{name} {MASSES[name]} {name}.upf" for name in species),
        "ATOMIC_POSITIONS angstrom",
        *(f"{s} {x:.8f} {y:.8f} {z:.8f}" for s, (x, y, z) in zip(atoms.symbols, atoms.positions, strict=True)),
        "K_POINTS automatic\n1 1 1 0 0 0" if magnetic else "K_POINTS gamma",
        "CELL_PARAMETERS angstrom",
        *(f"{x:.8f} {y:.8f} {z:.8f}" for x, y, z in atoms.cell.array),
        "HUBBARD ortho-atomic\nU Co-3d 3.32\n" if magnetic else "",
    ]
    return "\n".join(lines)


def clock(text, name):
    """Return the CPU seconds that pw.x gives for a part of itself."""
    found = re.search(rf"^\s+{name}\s*:\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:([\d.]+)s)? CPU", text, re.MULTILINE)
    hours, minutes, seconds = (float(number or 0) for number in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def measure(material, cutoff, size, iterations):
    """Compute one cell and return what it took."""
    cell = MATERIALS[material]()
    atoms = cell.repeat(REPEAT[size // len(cell)])
    atoms.rattle(0.03, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pw.in").write_text(pw_input(atoms, cutoff, material == "licoo2", iterations))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command = [PW, "-in", "pw.in"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = done.stdout
    if "JOB DONE" not in text:
        raise SystemExit(text[-2000:] + done.stderr)
    count = text.count("iteration #")
    return {
        "material": material,
        "cutoff": cutoff,
        "atoms": size,
        "electrons": float(re.search(r"number of electrons\s*=\s*([\d.]+)", text)[1]),
        "volume": atoms.get_volume(),
        "spins": 2 if material == "licoo2" else 1,
        "whole": iterations is None,
        "iterations": count,
        "cpu": after.ru_utime - before.ru_utime,
        "electrons_cpu": clock(text, "electrons"),
        "bands_cpu": clock(text, "c_bands"),
        "davidson": sum(float(number) for number in re.findall(r"avg # of iterations =\s*([\d.]+)", text)),
        "derivatives": clock(text, "forces") + clock(text, "stress"),
        "memory": after.ru_maxrss / 2**20,
    }


def run(arguments):
    """Measure what is not measured yet."""
    path = Path(arguments.results)
    there = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    key = ("material", "cutoff", "atoms")
    for size in arguments.atoms:
        if (arguments.material, arguments.cutoff, size) in {tuple(row[name] for name in key) for row in there}:
            continue
        row = measure(arguments.material, arguments.cutoff, size, arguments.iterations)
        with path.open("a") as handle:
            handle.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def waves(volume, cutoff):
    """Return the number of plane waves of a cut-off (Ry) in a volume (Å³)."""
    return volume / 0.529177210903**3 * cutoff**1.5 / (6 * np.pi**2)


def terms(row):
    """Return what a step of the electrons is made of: bands × waves (H applied), bands² × waves (orthogonality)."""
    bands = 0.6 * row["electrons"]  # a fifth of them empty
    # without spin and U: one set of bands, and wave functions that are real at Γ, half the work
    share = 2.0 if row["spins"] == 2 else 0.5
    return share * np.array([bands, bands**2]) * waves(row["volume"], row["cutoff"])


def fit(rows):
    """Return the factors of the terms, none negative, of least relative squares."""
    from scipy.optimize import nnls

    seconds = np.array([row["iteration"] for row in rows])
    return nnls(np.array([terms(row) for row in rows]) / seconds[:, None], np.ones(len(rows)))[0]


def power(rows):
    """Return the power of the number of atoms that the seconds of an electronic step grow with."""
    return np.polyfit(*(np.log([row[name] for row in rows]) for name in ("atoms", "iteration")), 1)[0]


def table(arguments):
    """Print the results, the fit and the extrapolation."""
    rows = [json.loads(line) for line in Path(arguments.results).read_text().splitlines()]
    rows.sort(key=lambda row: (row["material"], row["cutoff"], row["atoms"]))
    # how often a whole run diagonalised in each step: the first steps of a run that was stopped do it more often
    usual = np.mean([row["davidson"] / row["iterations"] for row in rows if row["whole"] and "davidson" in row])
    for row in rows:
        row["iteration"] = row["electrons_cpu"] / row["iterations"]
        if not row["whole"]:
            row["iteration"] -= row["bands_cpu"] / row["iterations"] - row["bands_cpu"] / row["davidson"] * usual
    print("| crystal | Ry | atoms | electrons | CPU s a step of the electrons | steps | forces, stress | all | GB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        steps, whole = (row["iterations"], f"{row['cpu']:.0f}") if row["whole"] else ("–", "–")
        print(
            f"| {row['material']} | {row['cutoff']:g} | {row['atoms']} | {row['electrons']:.0f} "
            f"| {row['iteration']:.2f} | {steps} | {row['derivatives']:.1f} | {whole} | {row['memory']:.2f} |"
        )
    for material in MATERIALS:
        chosen = [row for row in rows if row["material"] == material and row["cutoff"] == arguments.cutoffs[material]]
        if len(chosen) > 2:
            print(f"{material}: seconds ~ atoms^{power(chosen):.2f}, of the largest three ^{power(chosen[-3:]):.2f}")
    factors = fit(rows)
    errors = np.log([terms(row) @ factors / row["iteration"] for row in rows])
    print(
        f"fit: {factors[0]:.3g} × bands × waves + {factors[1]:.3g} × bands² × waves, "
        f"within {np.exp(abs(errors).max()):.2f}×"
    )
    for cutoff in (50.0, max(arguments.cutoffs.values())):
        seconds = float(factors @ terms(INTERFACE | {"cutoff": cutoff, "spins": 2}))
        hours = seconds * arguments.steps / 3600
        print(
            f"264 atoms, {cutoff:g} Ry: {seconds / 60:.0f} min a step of the electrons, {hours:.0f} core h an ionic "
            f"step of {arguments.steps}, {hours * STEPS * INTERFACES / 1e6:.1f} million core h for {INTERFACES} × "
            f"{STEPS}"
        )


def main():
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default=str(Path(__file__).with_suffix(".jsonl")))
    parser.add_argument("--steps", type=int, default=25, help="electronic steps of an ionic one")
    parser.set_defaults(function=table, cutoffs={"licoo2": 96.0, "li3sccl6": 78.0})
    commands = parser.add_subparsers()
    one = commands.add_parser("run", help="measure")
    one.add_argument("material", choices=MATERIALS)
    one.add_argument("cutoff", type=float)
    one.add_argument("atoms", type=int, nargs="+")
    one.add_argument("--iterations", type=int)
    one.set_defaults(function=run)
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    main()
