"""S10: names of others are text in pages, charts and pictures."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from aiida import orm
from support import handmade

from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.structures import Property
from aiida_dismai.report.collect import collect
from aiida_dismai.report.graph import draw_provenance
from aiida_dismai.report.html import _as_text, page
from aiida_dismai.report.model import Model

EVIL = (
    '"><script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:x">\u202e\x1b[2J{{7*7}}</title></style>'
)


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


class Tags(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def tags_of(text):
    parser = Tags()
    parser.feed(text)
    return parser.found


@pytest.fixture
def report(graph):
    """A report in which everything that somebody else may name has an evil name."""
    record = {"task": "relax", "error": {"kind": "x", "message": EVIL, "traceback": [EVIL]}, "versions": {EVIL: EVIL}}
    node = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "evaluate", EVIL[:200])
    node.label = EVIL[:200]
    handmade.process(
        orm.CalcJobNode,
        handmade.CALCULATIONS + "relax",
        EVIL[:200],
        {"code": graph.code},
        {"results": orm.Dict(record | {"device": EVIL})},
        caller=node,
        call="relax",
        exit_status=360,
        message=EVIL,
    )
    values = {"name": Property(np.array([EVIL, "b"]), "structure", EVIL[:60])}
    dataset = StructureSetData(handmade.structures(2, 6).with_properties(values))
    dataset.label = EVIL[:200]
    row = {"label": EVIL, "training_percent": 1.0, "generated_percent": {"value": 1.0, "lower": 0.5, "upper": 2.0}}
    metrics = {"kind": EVIL, "d_energy": {"value": 1.0, "lower": 0.5, "upper": 2.0}, "n_generated": 5}
    metrics |= {"motifs": {EVIL: [row]}, EVIL: {"value": 1.0}}
    handmade.finish(node, {"metrics": orm.Dict(metrics).store(), "dataset": dataset.store()}, 401, EVIL)
    made = collect(node)
    made.models = [
        *made.models,
        Model(EVIL, {"d_energy": {"value": 1.0}, EVIL: {"value": 2.0}}, training={"model": EVIL}),
    ]
    made.notes = [*made.notes, EVIL]
    made.labels = {EVIL: 1.0}
    return made


def test_s10_names_in_a_page_are_text(report):
    text = page(report)
    bare = re.sub(r"<script[ >].*?</script>", "", text, flags=re.DOTALL)
    scripts = re.findall(r"<script[ >]", text)
    elements = tags_of(text)
    assert not [tag for tag, _ in elements if tag in ("img", "iframe", "object", "embed", "base", "link", "form")]
    assert not [item for _, item in elements if any(name.startswith("on") for name in item)]
    assert not [item for _, item in elements if "javascript:" in str(item.get("href", ""))]
    assert len([tag for tag, _ in elements if tag == "script"]) == len(scripts)
    assert not [line for line in bare.splitlines() if not line.isprintable()]
    assert "&lt;script&gt;alert(1)" in bare
    assert "{{7*7}}" in bare
    for script in re.findall(r"<script[ >].*?</script>", text.replace(_plotly(), ""), flags=re.DOTALL):
        assert "<img" not in script


def _plotly():
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def test_s10_texts_of_a_page_are_bounded():
    from markupsafe import Markup

    assert _as_text("a\x1b\u202e\n") == r"a\x1b\u202e\n"
    assert len(_as_text("x" * 10**6)) < 6000
    assert _as_text(Markup("<b>\n</b>")) == "<b>\n</b>"
    assert _as_text(1.5) == 1.5


def test_s10_names_in_the_picture_of_the_graph_are_text(graph, tmp_path):
    import shutil

    if shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    crystal = orm.StructureData(cell=np.eye(3) * 4)
    crystal.append_atom(position=(0, 0, 0), symbols="Cu")
    crystal.label = EVIL[:200]
    draw_provenance(crystal.store(), tmp_path / "a.svg")
    content = (tmp_path / "a.svg").read_text()
    names = {item.tag.rpartition("}")[2] for item in ElementTree.fromstring(content.encode()).iter()}
    assert names <= {"svg", "g", "title", "polygon", "ellipse", "text", "path"}
    assert "javascript:x" not in re.sub(r">[^<]*<", "><", content)
    assert all(line.isprintable() for line in content.splitlines())
