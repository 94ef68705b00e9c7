"""Make the provenance graph of ``docs/concepts.md``, as reports draw it: from two bulk crystals to interfaces.

    verdi run docs/make_provenance_picture.py PK

PK is a job of `interfaces.build` in a pipeline that relaxed its crystals: that of `make demo-dft`, whose
`aiida-dismai status PK` lists it.
"""

from __future__ import annotations

from pathlib import Path

import click
from aiida.orm import ProcessNode, load_node

from aiida_dismai.report.lineage import lineage_of, to_svg

PICTURE = Path(__file__).parent / "pictures" / "provenance.svg"
#: The colours of the page in light; a picture by itself has no style sheet.
STYLE = (
    "svg{background:#fff}.node rect{stroke-width:1.2;fill:#f4f6f8;stroke:#56b4e9}"
    ".node.process rect{fill:#fff;stroke:#e69f00}.node.result rect{stroke:#009e73;stroke-width:2.4}"
    "text{fill:#222;font:12px sans-serif}text.second{fill:#666;font-size:11px}"
    "path{fill:none;stroke:#888;stroke-width:1.3}marker path{fill:#888;stroke:none}"
)


def picture(node: ProcessNode) -> str:
    """Return the graph of what a process gave out as a picture that stands by itself."""
    drawn = to_svg(lineage_of(node))
    if not drawn:
        raise click.ClickException(f"{node.process_label}<{node.pk}> has no graph; give a finished job")
    width, height = drawn.partition('viewBox="0 0 ')[2].partition('"')[0].split()
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    return drawn.replace("<svg ", head, 1).replace("<defs>", f"<style>{STYLE}</style><defs>", 1) + "\n"


@click.command()
@click.argument("pk", type=int)
@click.option("--output", type=click.Path(path_type=Path), default=PICTURE, show_default=True, help="The file.")
def main(pk: int, output: Path) -> None:
    """Draw the graph of process PK."""
    output.write_text(picture(load_node(pk)))


if __name__ == "__main__":
    main()
