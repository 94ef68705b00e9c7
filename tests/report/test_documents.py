"""The report as Markdown, LaTeX, SVG and PDF."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from support import handmade

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.report.collect import collect
from aiida_dismai.report.content import Report
from aiida_dismai.report.documents import _tex as to_tex
from aiida_dismai.report.documents import to_latex, to_markdown
from aiida_dismai.report.html import figures_of
from aiida_dismai.report.paper import read_paper
from aiida_dismai.report.pictures import pdf_of, write_svgs

EMPTY = {"type": "X", "pk": 1, "uuid": "u", "label": "", "state": "finished", "exit_status": 0, "started": "now"}


@pytest.fixture(scope="module")
def report(aiida_profile, tmp_path_factory):
    return collect(handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights")).pipeline)


def test_markdown_has_the_verdict_the_numbers_and_the_paper(report):
    text = to_markdown(report)
    assert "The generated interfaces of cryingan are 3 noise floors from the training data" in text
    assert "> Energies are not DFT" in text
    row = next(line for line in text.splitlines() if line.startswith(r"| d\_all"))
    assert row == r"| d\_all  (fingerprint distance, all cations) | 0.06 | (0.05, 0.07) | 0.02 (0.016, 0.024) | 0.01 |"
    assert "In the paper: Li3ScCl6(100) \\| LiCoO2(110)" in text
    assert "made with other data and potentials" in text
    # every row of a table has as many cells as its heading
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = {len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1, block


def test_names_cannot_be_markdown(report):
    report.process["label"] = "<img src=x> [a](http://b) `c` *d*"
    try:
        first = to_markdown(report).splitlines()[0]
    finally:
        report.process["label"] = ""
    assert first == r"# \<img src=x\> \[a\](http://b) \`c\` \*d\*"


def test_latex_tables_are_closed_and_nothing_is_a_command(report):
    report.models[0].training["model"] = r"50% \input{x} & #1_a^b~"
    report.notes.append("a comment\n\\input{y}")
    try:
        text = to_latex(report)
    finally:
        report.models[0].training["model"] = "cryingan"
        report.notes.pop()
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") > 5
    assert r"50\% \textbackslash{}input\{x\} \& \#1\_a\textasciicircum{}b\textasciitilde{}" in text
    assert not re.search(r"^(?!%).*\\input", text, re.MULTILINE)
    tables = re.findall(r"\\begin\{tabular\}\{([^\n]*)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert len(tables) == text.count(r"\begin{table}")
    for columns, body in tables:
        columns = re.sub(r">\{\\raggedright\\arraybackslash\}p\{[\d.]+\\linewidth\}", "l", columns)
        assert re.fullmatch("[lr]+", columns)
        for line in body.splitlines():
            if line.endswith(r"\\"):
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1


#: What is legal in names and messages, and ill-treated by LaTeX if it is written as it is.
ODD = r"""[300] *starred* --steps a`b "c" <d> 50% {e} \input{f} g_h^i~ é ß Ł ů µ μ α Ω Å ² ₂ ≤ → ✓ – … 中 😀 |"""


def test_odd_characters_are_written_for_latex():
    assert to_tex("--steps ---") == "-{}-steps -{}-{}-"
    assert to_tex("[3] *") == "{[}3] {*}"
    assert to_tex("α Σ λ₂ é") == r"$\alpha$ $\Sigma$ $\lambda$$_2$ é"
    assert to_tex("中") == r"\texttt{U+4E2D}"


def test_latex_is_compiled(report, tmp_path):
    """By pdflatex if it is here; what it would stumble over is tested above in any case."""
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("pdflatex is not installed (apt-get install texlive-latex-base texlive-fonts-recommended)")
    report.models[0].training["model"] = ODD
    report.tree.losses.append({"stage": ODD, "what": 5 * ODD, "count": 1, "of": 2})
    report.notes.append(ODD)
    try:
        text = to_latex(report)
    finally:
        report.models[0].training["model"] = "cryingan"
        report.tree.losses.pop()
        report.notes.pop()
    packages = "".join(re.findall(r"\\usepackage(?:\[\w+\])?\{\w+\}", text.partition("\n\n")[0]))
    document = rf"\documentclass{{article}}{packages}\begin{{document}}{text}\end{{document}}"
    (tmp_path / "tables.tex").write_text(document)
    done = subprocess.run(
        [latex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "tables.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "tables.pdf").read_bytes().startswith(b"%PDF")
    assert "Missing character" not in done.stdout
    wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", done.stdout)]
    assert max(wide, default=0) < 5, "a table leaves the line"


def test_charts_as_svg_have_their_marks(report, tmp_path):
    written = write_svgs(report, tmp_path / "figures")
    charts = [chart for charts in figures_of(report).values() for chart in charts]
    assert len(written) == len(charts)
    assert written[0].name == "01-energies-after-relaxation.svg"
    for path, chart in zip(written, charts, strict=True):
        root = ElementTree.parse(path).getroot()
        assert root.tag.endswith("svg")
        marks = [one for one in root.iter() if one.get("id", "").startswith(("line2d", "patch", "FillBetween"))]
        assert len(marks) >= len(chart.data), path
    again = write_svgs(report, tmp_path / "figures")
    assert again == written


def test_charts_as_pdf(report):
    content = pdf_of(report)
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page ") == sum(len(charts) for charts in figures_of(report).values())


def test_a_report_without_charts():
    with pytest.raises(BadInput, match="there is no chart"):
        pdf_of(Report(dict(EMPTY), paper=read_paper()))


def test_a_file_where_the_folder_is_to_be(report, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(BadInput, match="is a file; --format svg writes one file a chart"):
        write_svgs(report, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
