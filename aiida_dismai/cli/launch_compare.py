"""`aiida-dismai launch compare`: the interface regions of generated, training and random structures."""

from __future__ import annotations

from typing import Any

import click

from .earlier import find_potential
from .inputs import structures_input
from .launching import dismai_code, launch_options, start
from .profiles import load_code, load_profile

SET = "A structure set (PK, UUID, label), a process that made one, or a file (extxyz, npz), with regions."


@click.command()
@click.option("--reference", required=True, metavar="NODE|FILE", help="Training structures. " + SET)
@click.option("--structures", required=True, metavar="NODE|FILE", help="Generated structures. " + SET)
@click.option("--other", metavar="NODE|FILE", help="Another set, such as random structures. " + SET)
@click.option("--potential", metavar="NODE", help="Relax all sets with this potential (or a process that gave one).")
@click.option("--dft-code", metavar="CODE", help="Relax all sets with DFT after that.")
@click.option("--no-relax", is_flag=True, help="Compare the sets as they are.")
@click.option(
    "--by-energy",
    is_flag=True,
    help="Compare only generated structures with an interface energy of at most zero, and others above.",
)
@launch_options
def compare(
    how: dict[str, Any],
    reference: str,
    structures: str,
    other: str | None,
    potential: str | None,
    dft_code: str | None,
    no_relax: bool,
    by_energy: bool,
) -> None:
    """Compare the surroundings of cations in interface regions (section 2.6 of the paper)."""
    if no_relax and potential:
        raise click.UsageError("--no-relax and --potential exclude each other")
    load_profile()
    start(
        "dismai.compare",
        how,
        base={"select_by_energy": True} if by_energy else None,
        code=dismai_code(how["code"]),
        reference=structures_input(reference, "reference"),
        structures=structures_input(structures, "structures"),
        other=structures_input(other, "other") if other else None,
        potential=find_potential(potential),
        dft_code=load_code(dft_code) if dft_code else None,
        relax=not no_relax,
    )
