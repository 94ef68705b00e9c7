from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.potentials.folder import load_potential


@pytest.fixture
def copied(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained[0] / "potential", tmp_path / "potential"))


def change(folder: Path, **entries: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_what_is_loaded_is_ready_to_compute(copied: Path):
    loaded = load_potential(copied)
    assert not loaded.potential.training
    assert not any(parameter.requires_grad for parameter in loaded.potential.parameters())
    assert loaded.builder.numbers == (13, 29)
    assert loaded.config["trained_on"]["n_structures"] == 18
    assert loaded.config["seed"] == 3
    assert loaded.config["versions"]["matgl"]


def test_missing_files(copied: Path, tmp_path: Path):
    with pytest.raises(BadWeights, match=r"no config\.json; give the whole folder"):
        load_potential(tmp_path)
    (copied / "weights.safetensors").unlink()
    with pytest.raises(BadWeights, match="no such file"):
        load_potential(copied)


def test_truncated_weights(copied: Path):
    path = copied / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadWeights, match="truncated or changed"):
        load_potential(copied)


def test_pickle_is_not_opened(copied: Path, tmp_path: Path):
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "exploded",)

    torch.save({"weights": Bomb()}, copied / "weights.safetensors")
    with pytest.raises(BadWeights, match=r"pickle.*never loaded"):
        load_potential(copied)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": "dismai-generator"}, "format is not .dismai-potential"),
        ({"version": 2}, "version 2 is newer"),
        ({"architecture": "m3gnets"}, "unknown architecture 'm3gnets'; did you mean 'm3gnet'"),
        ({"architecture": "os:system"}, "unknown architecture"),
        ({"network": {"layers": 3}}, "layers"),
        ({"network": {"units": 16}}, "do not fit the network"),
        ({"elements": ["Al", "Xx"]}, "Xx"),
        ({"data_std": "wide"}, "wide"),
    ],
)
def test_configurations_that_are_refused(copied: Path, entries: dict[str, Any], message: str):
    change(copied, **entries)
    with pytest.raises(BadWeights, match=message):
        load_potential(copied)


def test_configuration_that_is_not_json_or_not_whole(copied: Path):
    path = copied / "config.json"
    whole = json.loads(path.read_text())
    path.write_text(path.read_text()[:50])
    with pytest.raises(BadWeights, match=r"not JSON .* truncated or changed"):
        load_potential(copied)
    del whole["elements"], whole["sha256"]
    path.write_text(json.dumps(whole))
    with pytest.raises(BadWeights, match="lacks elements, sha256; copy it again"):
        load_potential(copied)
