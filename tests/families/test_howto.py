"""The family of docs/howto/own_family.md, as it stands there."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from aiida import orm
from support.handnodes import finish, process

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.metrics.run import run
from aiida_dismai.engine.structures import write_extxyz
from aiida_dismai.engine.tasks import find_task
from aiida_dismai.parsers.base import make_node
from aiida_dismai.report.collect import collect
from aiida_dismai.report.export import to_csv
from aiida_dismai.report.html import page

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "own_family.md"


def block(language: str, number: int = 0) -> str:
    """Return a block of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[number]


@pytest.mark.engine
def test_the_family_of_the_how_to(install_family, crystals, tmp_path):
    entry = tomllib.loads(block("toml"))["project"]["entry-points"]["dismai.families"]
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "near.py").write_text(block("python"))
    install_family("near", entry["near"], tmp_path / "module")
    write_extxyz(crystals(3), tmp_path / "generated.extxyz")
    write_extxyz(crystals(4), tmp_path / "training.extxyz")
    (tmp_path / "parameters.json").write_text(json.dumps({"near": {"cutoff": 5}}))
    dismai = str(Path(sys.executable).with_name("dismai"))
    arguments = ("--generated", "generated.extxyz", "--reference", "training.extxyz", "--parameters", "parameters.json")
    listed = subprocess.run([dismai, "families"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "near                 Any crystal: distance of the nearest atom." in listed.stdout
    subprocess.run([dismai, "metrics", "near", *arguments], capture_output=True, cwd=tmp_path, check=True)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["d_near"]["value"] == results["lonely_percent"]["value"] == 0
    assert results["nearest"]["training"] == pytest.approx({"mean": 2.82, "std": 0})


@pytest.mark.usefixtures("aiida_profile_clean")
def test_the_part_of_the_report_of_the_how_to(install_family, crystals, tmp_path, monkeypatch):
    (tmp_path / "module").mkdir()
    spec, report = re.search(r'`(report=("\w+:\w+"))` in the spec', PAGE.read_text()).groups()
    (tmp_path / "module" / "near.py").write_text(
        block("python").replace("relaxation=None,\n", f"relaxation=None,\n    {spec},\n")
    )
    (tmp_path / "module" / f"{report.strip(chr(34)).partition(':')[0]}.py").write_text(block("python", 1))
    install_family("near", "near:SPEC", tmp_path / "module")
    for name in ("near", "near_report"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    files = {"structures": tmp_path / "generated.extxyz", "reference": tmp_path / "training.extxyz"}
    for path, count in zip(files.values(), (3, 4), strict=True):
        write_extxyz(crystals(count), path)
    results = run(Context(tmp_path, inputs=files), find_task("metrics").validate({"kind": "near"}))
    arrays = make_node(tmp_path / "per_structure.npz", orm.ArrayData)
    node = process(orm.WorkChainNode, "aiida.workflows:dismai.evaluate", "EvaluateWorkChain")
    finish(node, {"metrics": orm.Dict(results).store(), "per_structure": arrays.store()})
    content = collect(node)
    assert content.problems == []
    html = page(content)
    assert "<b>0</b><span>atoms without a neighbour</span><small>of all models</small>" in html
    assert "<td>atoms without any</td>" in html
    for title in ("Nearest atom", "Nearest atom of single structures"):
        assert f"<h3>{title}</h3>" in html
    assert "n_lonely" in to_csv(content, "model").splitlines()[0].split(",")
