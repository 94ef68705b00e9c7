"""`aiida-dismai setup pseudos`: families of pseudopotentials of aiida-pseudo, and how to install them."""

from __future__ import annotations

import click

from ..engine.errors import BadInput
from ..terminal import console, table
from .profiles import load_profile

#: Those of the paper's interface.
ELEMENTS = "Li,Sc,Co,Cl,O"
HINTS = """\
Install a family, with its recommended cut-offs:

    aiida-pseudo install pseudo-dojo -v 0.4 -x {functional} -r SR -p standard -f upf
    aiida-pseudo install sssp -v 1.3 -x {functional} -p efficiency

On a machine without internet: add --download-only on another one, copy the file, and here

    aiida-pseudo install pseudo-dojo --from-download FILE
    aiida-pseudo install sssp --from-download FILE

A folder of your own UPF files, one for each element, with cut-offs in Hartree in a JSON file
({{"Li": {{"cutoff_wfc": 37, "cutoff_rho": 148}}, …}}, exactly the elements of the folder):

    aiida-pseudo install family FOLDER NAME -F pseudo.family.cutoffs -P pseudo.upf
    aiida-pseudo family cutoffs set NAME CUTOFFS.json -s normal -u Eh

Name the family in a launch with --set potential_family=NAME; families with one recommendation only (SSSP) also need
--set stage_1.settings.parameters.stringency=null --set stage_2.settings.parameters.stringency=null.
"""


@click.command("pseudos")
@click.option("--elements", default=ELEMENTS, show_default=True, metavar="Li,O", help="Elements that will occur.")
@click.option("--functional", default="PBE", show_default=True, help="Functional of the settings.")
@click.option("--family", metavar="NAME", help="Look at this family only; fails if it cannot be used.")
def pseudos_command(elements: str, functional: str, family: str | None) -> None:
    """List the families of pseudopotentials, what they miss and recommend; print what installs one."""
    load_profile()
    from ..dft.quantumespresso.pseudos import families, survey

    wanted = _elements(elements)
    found = [survey(name, wanted, functional) for name in ([family] if family else families())]
    rows = [
        (
            item.name,
            ", ".join(item.functionals) or "–",
            ", ".join(item.missing) or "none",
            "; ".join(f"{name} {pair[0]:g}/{pair[1]:g}" if pair else name for name, pair in item.cutoffs.items())
            or "–",
            "; ".join(item.problems) or "can be used",
        )
        for item in found
    ]
    title = f"Families of pseudopotentials for {', '.join(wanted)}"
    columns = ("family", "functional", "missing", "cut-offs of waves/density, Ry", "")
    console().print(table(title, columns, rows))
    if family is None:
        click.echo(HINTS.format(functional=functional))
    elif found[0].problems:
        raise BadInput(f"family '{family}': {'; '.join(found[0].problems)}")


def _elements(text: str) -> list[str]:
    """Return the elements of an option.

    Raises:
        BadInput: one of them is not an element.
    """
    from ase.data import atomic_numbers

    names = [name.strip() for name in text.split(",") if name.strip()]
    odd = [name for name in names if atomic_numbers.get(name, 0) == 0]
    if odd or not names:
        raise BadInput(f"--elements: {', '.join(odd) or 'nothing'} is not an element; write Li,Co,O")
    return names
