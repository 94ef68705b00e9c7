"""A report as the terminal shows it."""

from aiida_dismai.report.table import render
from aiida_dismai.terminal import console


def printed(report):
    """Return what a report prints, with one space between words and without lines of tables."""
    screen = console()
    with screen.capture() as captured:
        for part in render(report):
            screen.print(part)
    return " ".join(captured.get().replace("─", "").split())
