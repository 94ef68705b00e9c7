"""The notebook of the docs: its cells run in order on an archive, in a process and a profile of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import handmade

from aiida_dismai.cli.archive.commands import write_archive
from aiida_dismai.cli.archive.graph import provenance

NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebooks" / "explore_archive.ipynb"


def code_cells():
    content = json.loads(NOTEBOOK.read_text())
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def test_it_holds_no_output():
    assert all(not cell.get("outputs") for cell in json.loads(NOTEBOOK.read_text())["cells"])


@pytest.mark.slow
def test_every_cell_runs(aiida_profile, tmp_path):
    graph = handmade.fresh(aiida_profile, tmp_path / "weights")
    archive = tmp_path / "shared.aiida"
    write_archive(graph.pipeline, archive)
    script = tmp_path / "cells.py"
    script.write_text("\n\n".join(code_cells()))
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "DISMAI_ARCHIVE": str(archive), "AIIDA_PATH": str(home), "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "FAILED" not in done.stdout
    assert f"{len(provenance(graph.pipeline))} nodes" in done.stdout
    assert "PipelineWorkChain" in done.stdout
    assert "BuildInterfacesCalculation" in done.stdout
    # both crystals are found upstream of the first metric
    assert "from Li Co" in done.stdout or "from Co Li" in done.stdout
    assert f"{len(graph.outputs['train']):5} structures" in done.stdout
    assert "d_all" in done.stdout
    # no profile was written
    config = home / ".aiida" / "config.json"
    assert not config.exists() or json.loads(config.read_text())["profiles"] == {}
