"""`aiida-dismai dataset offset`: how far labels of two methods lie apart on the same structures."""

from __future__ import annotations

import click

from ..terminal import console, table
from .inputs import structures_input
from .profiles import load_profile


@click.command("offset")
@click.argument("first")
@click.argument("second")
def offset_command(first: str, second: str) -> None:
    """Compare the labels of two sets (nodes or files) on the structures that both have: second minus first.

    Of two DFT engines, functionals or sets of potentials: energies differ by an offset for each element, which
    says nothing; what is left of the energies without it, the forces and the stress do.
    """
    load_profile()
    from ..engine.methods import conflicts
    from ..engine.offsets import offsets

    found = offsets(structures_input(first, "first").structures, structures_input(second, "second").structures)
    rows = [
        ("structures in both", f"{found['n_pairs']}"),
        ("energy, mean", f"{found['energy_offset']:+.4f} eV/atom"),
        ("energy, scatter", f"{1000 * found['energy_scatter']:.2f} meV/atom"),
        *((f"energy of {element}", f"{value:+.3f} eV") for element, value in found["element_offsets"].items()),
        ("energy without these, MAE", f"{found['energy_relative_mae']:.2f} meV/atom"),
        ("forces, MAE", f"{found['forces_mae']:.1f} meV/Å"),
        ("forces, RMSE", f"{found['forces_rmse']:.1f} meV/Å"),
        ("forces, largest", f"{found['forces_largest']:.1f} meV/Å"),
        ("stress, MAE", f"{found['stress_mae']:.3f} GPa"),
        ("stress, mean of the trace", f"{found['stress_mean']:+.3f} GPa"),
    ]
    console().print(table("Second minus first", ("", "difference"), rows))
    methods = found["methods"]
    for name in ("first", "second"):
        click.echo(f"{name}: {'; '.join(methods[name]) or 'the labels do not say their method'}")
    differ = conflicts([*methods["first"], *methods["second"]])
    if differ:
        click.echo(f"they differ in {'; '.join(differ)}: do not train on both together")
