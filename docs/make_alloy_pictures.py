"""Make the pictures of ``docs/howto/alloys.md`` from a finished ``dismai.dataset.alloy``, with the report's own charts.

    verdi run docs/make_alloy_pictures.py PK

Needs a Chromium (``--browser``), which draws the charts without a window.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click
from aiida.orm import load_node

from aiida_dismai.report.collect import collect

FOLDER = Path(__file__).parent / "pictures"
WIDTH = 900


def draw(figure: Any, path: Path, browser: str) -> None:
    """Write one chart as a picture of :data:`WIDTH` pixels."""
    figure.update_layout(width=WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        figure.write_html(page, config={"staticPlot": True, "displayModeBar": False})
        page.write_text(page.read_text().replace("<body>", '<body style="margin:0">'))
        command = [browser, "--headless", "--disable-gpu", "--no-sandbox", "--hide-scrollbars"]
        command += [f"--screenshot={path}", f"--window-size={WIDTH},{figure.layout.height}"]
        command += ["--virtual-time-budget=10000", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


@click.command()
@click.argument("pk", type=int)
@click.option("--browser", default="chromium", show_default=True, help="Chromium's executable.")
def main(pk: int, browser: str) -> None:
    """Draw the energies of the data sets of process PK, and the order of those of its lowest temperature."""
    energies, order, *_ = collect(load_node(pk)).datasets[0].figures()
    draw(energies, FOLDER / "alloy_energies.png", browser)
    draw(order, FOLDER / "alloy_order.png", browser)


if __name__ == "__main__":
    main()
