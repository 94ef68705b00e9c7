"""A report as a document of text: Markdown, or LaTeX tables (booktabs) to be put into a paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..engine.text import visible
from .content import Report
from .parts import TextTable
from .table import duration
from .tables import text_tables
from .verdict import verdict

#: Characters of a cell at most.
CELL = 600
#: Characters that Markdown gives a meaning to in the midst of a line.
MARKED = re.compile(r"([\\`*_{}\[\]<>|~#$])")
#: What LaTeX gives a meaning to, and characters that its fonts lack without further packages.
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "Å": r"\AA{}",
    "²": r"$^2$",
    "³": r"$^3$",
    "°": r"$^\circ$",
    "·": r"$\cdot$",
    "–": "--",
    "−": "$-$",
    "…": r"\dots{}",
    "✓": r"$\checkmark$",
    "→": r"$\to$",
    "α": r"$\alpha$",
    "χ": r"$\chi$",
}
PREAMBLE = (
    "% Tables of a Dismai-Bench report. They need \\usepackage{booktabs}, \\usepackage{amssymb} and\n"
    "% \\usepackage[T1]{fontenc}.\n"
)


def to_markdown(report: Report) -> str:
    """Return the report as Markdown: verdict, notes, and every table."""
    process = report.process
    lines = [f"# {_md(process['label'] or 'Dismai-Bench report')}", "", _md(_head(report)), ""]
    lines += [_md(" ".join(verdict(report))), ""]
    for note in report.notes:
        lines += [f"> {_md(note)}", ""]
    for table in text_tables(report):
        lines += [f"## {_md(table.title[:1].upper() + table.title[1:])}", "", *_md_table(table), ""]
        for note in table.notes:
            lines += [_md(note), ""]
    versions = _versions(report)
    return "\n".join([*lines, *([_md(versions), ""] if versions else [])])


def to_latex(report: Report) -> str:
    """Return the tables of the report as LaTeX; the verdict and the notes are comments above them."""
    said = [_head(report), " ".join(verdict(report)), *report.notes]
    # a comment ends with its line, whatever a name holds
    comments = "".join(f"% {' '.join(visible(line, 2000).split())}\n" for line in said)
    return PREAMBLE + comments + "\n" + "\n".join(_latex_table(table) for table in text_tables(report))


def _head(report: Report) -> str:
    process = report.process
    time = f", {duration(process['seconds'])}" if process.get("seconds") else ""
    number = f" {process['pk']}" if process.get("pk") is not None else ""
    return f"{process['type']}{number}, {process['uuid']}, {process['state']}, begun {process['started']}{time}"


def _versions(report: Report) -> str:
    found = ", ".join(f"{name} {'/'.join(which)}" for name, which in sorted(report.tree.versions.items()))
    return f"Computed with {found}." if found else ""


def _md(text: object) -> str:
    return MARKED.sub(r"\\\1", visible(text, CELL if len(str(text)) < CELL else 2000))


def _md_table(table: TextTable) -> Iterator[str]:
    columns = table.columns if any(table.columns) else ("", *("" for _ in table.columns[1:]))
    yield _md_row(columns)
    yield "| " + " | ".join("---" if i == 0 else "---:" for i in range(len(columns))) + " |"
    for row in table.rows:
        yield _md_row(row)


def _md_row(cells: Sequence[str | None]) -> str:
    return "| " + " | ".join("–" if cell is None else _md(cell) for cell in cells) + " |"


def _latex_table(table: TextTable) -> str:
    columns = "l" + "r" * (len(table.columns) - 1)
    head = [" & ".join(_tex(name) for name in table.columns) + r" \\", r"\midrule"] if any(table.columns) else []
    rows = [" & ".join("--" if cell is None else _tex(cell) for cell in row) + r" \\" for row in table.rows]
    notes = " ".join(_tex(note) for note in table.notes)
    caption = _tex(table.title[:1].upper() + table.title[1:]) + (f". {notes}" if notes else "")
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *head,
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _tex(text: object) -> str:
    return "".join(LATEX.get(character, character) for character in visible(text, CELL))
