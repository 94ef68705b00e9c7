"""A report as a document of text: Markdown, or LaTeX tables (booktabs) to be put into a paper."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from ..engine.text import visible
from .content import Report
from .parts import TextTable
from .table import duration
from .tables import text_tables
from .verdict import verdict

#: Characters of a cell at most.
CELL = 600
DIGITS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
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
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "µ": r"$\mu$",
    "`": r"\textasciigrave{}",
    "\0": "{}",
    # after the end of a row, these would be its options
    "[": "{[}",
    "*": "{*}",
}
#: Greek letters, by their names; those that look like Latin ones have none.
GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega"
LATEX |= {
    unicodedata.lookup(f"GREEK {case} LETTER {name.replace('lambda', 'lamda').upper()}"): f"$\\{written}$"
    for name in GREEK.split()
    for case, written in (("SMALL", name), ("CAPITAL", name.capitalize()))
    if case == "SMALL" or name in ("gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "phi", "psi", "omega")
}
LATEX |= {unicodedata.lookup(f"SUBSCRIPT {name}"): f"$_{i}$" for i, name in enumerate(DIGITS)}
#: The last letter that LaTeX's fonts have without further packages (Latin Extended-A).
LAST = "\u017f"
PREAMBLE = (
    "% Tables of a Dismai-Bench report. They need \\usepackage{array}, \\usepackage{booktabs},\n"
    "% \\usepackage{graphicx}, \\usepackage{amssymb} and \\usepackage[T1]{fontenc}.\n"
)
#: What is wider than the line is made smaller.
FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
#: Characters of the longest cell above which a column breaks its lines, and the share of the line that it then has.
BROKEN, SHARE = 36, 0.42


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
    columns = _latex_columns(table)
    head = [" & ".join(_tex(name) for name in table.columns) + r" \\", r"\midrule"] if any(table.columns) else []
    rows = [" & ".join("--" if cell is None else _tex(cell) for cell in row) + r" \\" for row in table.rows]
    notes = " ".join(_tex(note) for note in table.notes)
    caption = _tex(table.title[:1].upper() + table.title[1:]) + (f"; {notes}" if notes else "")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            FITTED,
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *head,
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _latex_columns(table: TextTable) -> str:
    """Return the columns of a table: text on the left, numbers on the right, lines of long texts broken."""
    lengths = [max(len(str(row[i] or "")) for row in table.rows) for i in range(len(table.columns))]
    long = [i for i, length in enumerate(lengths) if length > BROKEN]
    width = f"{SHARE if len(long) < 2 else 2 * SHARE / len(long):.2f}"
    broken = rf">{{\raggedright\arraybackslash}}p{{{width}\linewidth}}"
    return "".join(broken if i in long else "lr"[i > 0] for i in range(len(lengths)))


def _tex(text: object) -> str:
    parted = re.sub("-(?=-)", "-\0", visible(text, CELL))  # two hyphens would become a dash
    return "".join(map(_tex_character, parted))


def _tex_character(character: str) -> str:
    if character in LATEX:
        return LATEX[character]
    return character if character <= LAST else rf"\texttt{{U+{ord(character):04X}}}"
