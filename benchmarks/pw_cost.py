"""CPU seconds of pw.x for one ionic step of LiCoO2 against the number of atoms: spin, U, Γ, one core.

    .venv/bin/python benchmarks/pw_cost.py [CUTOFF_RY] [ATOMS ...]

Runs `.venv-pw/bin/pw.x` (`make pw`) with the pseudopotentials of the tests, without AiiDA; `docs/dft_cost.md` has what
it printed.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms

ROOT = Path(__file__).parents[1]
PSEUDOS = ROOT / "tests" / "data" / "pseudos"
#: Supercells of the primitive cell, by number of atoms.
SUPERCELLS = {4: (1, 1, 1), 8: (2, 1, 1), 16: (2, 2, 1), 32: (2, 2, 2), 48: (3, 2, 2), 64: (4, 2, 2)}


def licoo2(repeat):
    """Return a supercell, rattled."""
    a, c, z = 2.82, 14.05, 0.24
    hexagonal = np.array([[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]])
    cell = np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3 @ hexagonal
    positions = np.array([[0, 0, 0.5], [0, 0, 0], [0, 0, z], [0, 0, 1 - z]]) @ hexagonal
    atoms = Atoms("LiCoO2", positions, cell=cell, pbc=True).repeat(repeat)
    atoms.rattle(0.03, seed=1)
    return atoms


def pw_input(atoms, cutoff):
    """Return the input of a single point with forces and stress."""
    lines = [
        "&CONTROL",
        f"calculation = 'scf'\ntprnfor = .true.\ntstress = .true.\npseudo_dir = '{PSEUDOS}'\noutdir = './out'\n/",
        f"&SYSTEM\nibrav = 0\nnat = {len(atoms)}\nntyp = 3\necutwfc = {cutoff}\nnosym = .true.\nnspin = 2",
        "starting_magnetization(2) = 0.0353\noccupations = 'smearing'\nsmearing = 'gaussian'\ndegauss = 3.675e-3\n/",
        "&ELECTRONS\nconv_thr = 7.35e-6\nmixing_beta = 0.4\n/",
        "ATOMIC_SPECIES\nLi 6.94 Li.upf\nCo 58.93 Co.upf\nO 16.0 O.upf",
        "ATOMIC_POSITIONS angstrom",
        *(f"{s} {x:.8f} {y:.8f} {z:.8f}" for s, (x, y, z) in zip(atoms.symbols, atoms.positions, strict=True)),
        "K_POINTS automatic\n1 1 1 0 0 0\nCELL_PARAMETERS angstrom",
        *(f"{x:.8f} {y:.8f} {z:.8f}" for x, y, z in atoms.cell.array),
        "HUBBARD ortho-atomic\nU Co-3d 3.32\n",
    ]
    return "\n".join(lines)


def main(cutoff, sizes):
    """Measure and print."""
    print("| atoms | CPU s | SCF iterations | s per iteration | memory, GB |\n|---|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "pw.in").write_text(pw_input(licoo2(SUPERCELLS[size]), cutoff))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [ROOT / ".venv-pw" / "bin" / "pw.x", "-in", "pw.in"]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "JOB DONE" in done.stdout, done.stdout[-2000:] + done.stderr
        seconds = after.ru_utime - before.ru_utime
        n = done.stdout.count("iteration #")
        print(f"| {size} | {seconds:.1f} | {n} | {seconds / n:.2f} | {after.ru_maxrss / 2**20:.2f} |", flush=True)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(numbers[0] if numbers else 50, numbers[1:] or list(SUPERCELLS))
