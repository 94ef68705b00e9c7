"""A fourth family, from structures to the results of the task and of the command."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.families.registry import find, names
from aiida_dismai.engine.metrics.run import run
from aiida_dismai.engine.structures import write_extxyz
from aiida_dismai.engine.tasks import find_task


@pytest.fixture
def files(crystals, tmp_path):
    paths = {"structures": tmp_path / "generated.extxyz", "reference": tmp_path / "training.extxyz"}
    write_extxyz(crystals(6, swapped=3), paths["structures"])
    write_extxyz(crystals(4), paths["reference"])
    return paths


def test_the_task_finds_the_family(rocksalt, files, tmp_path, check):
    parameters = find_task("metrics").validate({"kind": "rocksalt", "rocksalt": {"cutoff": 3.0}})
    assert (parameters.family, parameters.table.cutoff) == (rocksalt, 3.0)
    check(run(Context(tmp_path, inputs=files), parameters))
    with np.load(tmp_path / "per_structure.npz") as arrays:
        assert arrays["curve.unlike"].shape == (4, 7)
        assert arrays["labels.unlike"].tolist() == list("0123456")
        assert (arrays["order"] < 100).tolist() == [True] * 3 + [False] * 3


def test_the_command_finds_the_family(rocksalt, files, tmp_path, check):
    """In a process of its own, which knows the family by its entry point only."""
    options = ["--generated", files["structures"], "--reference", files["reference"], "--output", tmp_path / "out.json"]
    command = [str(Path(sys.executable).with_name("dismai")), "metrics", "rocksalt", *map(str, options)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    check(json.loads((tmp_path / "out.json").read_text()))
    assert "d_unlike" in found.stdout


def test_its_table_is_in_the_schema_and_is_checked(rocksalt):
    task = find_task("metrics")
    assert task.model().model_json_schema()["properties"]["rocksalt"]["properties"]["cutoff"]["maximum"] == 10
    for values, message in (
        ({"kind": "rocksalt", "rocksalt": {"cutof": 3}}, "unknown parameter 'rocksalt.cutof'; did you mean 'cutoff'"),
        ({"kind": "rocksalt", "rocksalt": {"cutoff": 30}}, "rocksalt.cutoff: Input should be less than or equal to 10"),
        ({"kind": "rocksalt", "alloy": {}}, "'alloy' holds parameters of the kind 'alloy', but kind is 'rocksalt'"),
        ({"kind": "rocksalt", "rocksal": {}}, "unknown parameter 'rocksal'; did you mean 'rocksalt'"),
        ({"kind": "rocksal"}, "kind: no family of structures 'rocksal' is registered; did you mean 'rocksalt'"),
    ):
        with pytest.raises(BadInput, match=message.replace(".", r"\.").replace("?", r"\?")):
            task.validate(values)


def test_it_is_gone_without_its_entry():
    assert names() == ["alloy", "amorphous", "interface"]
    with pytest.raises(BadInput, match="no family of structures 'rocksalt'"):
        find("rocksalt")


def test_it_has_no_published_files(rocksalt, files, tmp_path):
    parameters = find_task("metrics").validate({"kind": "rocksalt"})
    (tmp_path / "csv").mkdir()
    with pytest.raises(BadInput, match="no published files of ordered crystals; give structures"):
        run(Context(tmp_path, inputs=files | {"reference": tmp_path / "csv"}), parameters)


def test_a_broken_family_disturbs_no_other(rocksalt, install_family, tmp_path):
    install_family("crooked", "rocksalt:ABSENT", tmp_path)
    assert "crooked" not in names()
    find_task("metrics").validate({"kind": "alloy"})
    with pytest.raises(BadInput, match="family of structures 'crooked': broken: AttributeError"):
        find_task("metrics").validate({"kind": "crooked"})
