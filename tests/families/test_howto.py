"""The family of docs/howto/own_family.md, as it stands there."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from aiida_dismai.engine.structures import write_extxyz

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "own_family.md"


def block(language: str) -> str:
    """Return the first block of code in a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


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
