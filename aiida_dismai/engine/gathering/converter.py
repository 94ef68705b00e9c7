"""Structures out of a ``.pt`` file of CDVAE or DiffCSP, as extended XYZ.

A ``.pt`` file is a pickle: loading it can execute code. aiida-dismai never loads one. Run this script yourself, in the
environment that wrote the file, and only on files of people whom you trust:

    dismai converter > convert.py
    python convert.py eval_gen.pt gen.extxyz

It needs PyTorch and nothing else. Only tensors are loaded (``weights_only=True``); a file that holds more is refused,
unless you add --trust, which executes what is in it.
"""

import math
import sys
from typing import Any

ELEMENTS = (
    "X,H,He,Li,Be,B,C,N,O,F,Ne,Na,Mg,Al,Si,P,S,Cl,Ar,K,Ca,Sc,Ti,V,Cr,Mn,"
    "Fe,Co,Ni,Cu,Zn,Ga,Ge,As,Se,Br,Kr,Rb,Sr,Y,Zr,Nb,Mo,Tc,Ru,Rh,Pd,Ag,Cd,In,Sn,Sb,"
    "Te,I,Xe,Cs,Ba,La,Ce,Pr,Nd,Pm,Sm,Eu,Gd,Tb,Dy,Ho,Er,Tm,Yb,Lu,Hf,Ta,W,Re,Os,Ir,"  # codespell:ignore
    "Pt,Au,Hg,Tl,Pb,Bi,Po,At,Rn,Fr,Ra,Ac,Th,Pa,U,Np,Pu,Am,Cm,Bk,Cf,Es,Fm,Md,No,Lr,"
    "Rf,Db,Sg,Bh,Hs,Mt,Ds,Rg,Cn,Nh,Fl,Mc,Lv,Ts,Og,"
)
SYMBOLS = ELEMENTS.strip(",").split(",")
#: What both models write: fractional coordinates, atomic numbers, atoms of each structure, and the lattices.
NEEDED = ("frac_coords", "atom_types", "num_atoms", "lengths", "angles")


def vectors(lengths: Any, angles: Any) -> Any:
    """Return the lattice vectors (Å): a along x, b in the xy plane."""
    a, b, c = lengths
    alpha, beta, gamma = (math.radians(angle) for angle in angles)
    x = c * math.cos(beta)
    y = c * (math.cos(alpha) - math.cos(beta) * math.cos(gamma)) / math.sin(gamma)
    z = math.sqrt(max(c * c - x * x - y * y, 0.0))
    return (a, 0.0, 0.0), (b * math.cos(gamma), b * math.sin(gamma), 0.0), (x, y, z)


def runs(content: Any) -> Any:
    """Yield the parts of a file in which each generation is a row; files of one generation have no such axis."""
    tensors = {name: content[name] for name in NEEDED}
    if tensors["frac_coords"].dim() == 2:
        yield tensors
        return
    for i in range(tensors["frac_coords"].shape[0]):
        yield {name: tensor[i] for name, tensor in tensors.items()}


def frames(content: Any) -> Any:
    """Yield each structure: lattice vectors, symbols and Cartesian positions (Å)."""
    for part in runs(content):
        start = 0
        counts = part["num_atoms"].reshape(-1).tolist()
        lengths, angles = part["lengths"].reshape(-1, 3).tolist(), part["angles"].reshape(-1, 3).tolist()
        for count, of_lengths, of_angles in zip(counts, lengths, angles, strict=True):
            numbers = part["atom_types"].reshape(-1)[start : start + count].tolist()
            scaled = part["frac_coords"].reshape(-1, 3)[start : start + count].tolist()
            cell = vectors(of_lengths, of_angles)
            positions = [[sum(row[k] * cell[k][i] for k in range(3)) for i in range(3)] for row in scaled]
            yield cell, [SYMBOLS[int(number)] for number in numbers], positions
            start += count


def main(arguments: Any) -> int:
    """Convert a file; returns how many structures it held."""
    import torch

    trust = "--trust" in arguments
    given = [argument for argument in arguments if argument != "--trust"]
    if len(given) != 2:
        raise SystemExit("usage: python convert.py FILE.pt FILE.extxyz [--trust]")
    try:
        content = torch.load(given[0], map_location="cpu", weights_only=not trust)
    except Exception as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SystemExit(f"{given[0]}: holds more than tensors ({said}); --trust executes what is in it") from error
    missing = [name for name in NEEDED if not isinstance(content, dict) or name not in content]
    if missing:
        raise SystemExit(f"{given[0]}: has no {', '.join(missing)}; is it what CDVAE or DiffCSP generated?")
    number = 0
    with open(given[1], "w", encoding="utf-8") as file:
        for cell, symbols, positions in frames(content):
            lattice = " ".join(f"{value:.10g}" for row in cell for value in row)
            file.write(f'{len(symbols)}\nLattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="T T T"\n')
            for symbol, place in zip(symbols, positions, strict=True):
                file.write(f"{symbol} {place[0]:.10f} {place[1]:.10f} {place[2]:.10f}\n")
            number += 1
    print(f"wrote {number} structures to {given[1]}")
    return number


if __name__ == "__main__":
    main(sys.argv[1:])
