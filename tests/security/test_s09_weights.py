"""S9: configurations of weights and checkpoints that are not what a task writes are refused in one line."""

import numpy as np
import pytest
from safetensors.numpy import save

from aiida_dismai.engine.checkpoint import load_checkpoint
from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.trained import GENERATOR, POTENTIAL

CONFIGS = {
    "deep": b'{"a":' * 100_000,
    "list": b"[]",
    "NaN": b'{"format": "dismai-potential", "version": 1, "data_std": NaN}',
    "not UTF-8": b'{"format": "\xff"}',
    "large": b'{"a": "' + b"x" * (17 * 2**20) + b'"}',
    "version of text": b'{"format": "dismai-potential", "version": "1"}',
    "true version": b'{"format": "dismai-potential", "version": true}',
}


@pytest.mark.parametrize("name", CONFIGS)
def test_s9_a_configuration_that_is_none_is_refused(tmp_path, name):
    (tmp_path / "config.json").write_bytes(CONFIGS[name])
    with pytest.raises(BadWeights, match=r"config\.json"):
        POTENTIAL.read_config(tmp_path)


RIGHT = {
    "architecture": "m3gnet",
    "network": {},
    "elements": ["Si"],
    "reference_energies": {"Si": -1.0},
    "data_std": 1.0,
    "model": "cryingan",
    "model_version": 1,
    "hyperparameters": {},
    "model_config": {},
    "seed": 3,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"elements": 14},
        {"elements": ["Si", 14]},
        {"elements": ["Xx"]},
        {"elements": {"Si": 1}},
        {"reference_energies": [-1.0]},
        {"reference_energies": {"Si": "low"}},
        {"architecture": ["m3gnet"]},
        {"network": "m3gnet"},
        {"data_std": "1"},
        {"model": {"module": "os"}},
        {"model_version": "1"},
        {"model_version": True},
        {"hyperparameters": [1]},
        {"model_config": None},
        {"seed": "3"},
        {"versions": {"numpy": 2}},
    ],
)
def test_s9_entries_of_another_kind_are_refused(tmp_path, wrong):
    for kind in (POTENTIAL, GENERATOR):
        for name in kind.files:
            (tmp_path / name).write_bytes(b"{}")
        kind.write_config(tmp_path, RIGHT)
        assert kind.read_config(tmp_path)["seed"] == 3
        kind.write_config(tmp_path, RIGHT | wrong)
        with pytest.raises(BadWeights, match=f"'{next(iter(wrong))}' is not what"):
            kind.read_config(tmp_path)


@pytest.mark.parametrize(
    "state",
    ["[" * 100_000, "[1]", "{", "null",
     '{"a": {"__tensor__": "t9"}}', '{"a": {"__tensor__": []}}', '{"a": {"__int_keys__": 3}}',
     '{"a": {"__int_keys__": [[[], 1]]}}', '{"a": {"__int_keys__": [[1, 2, 3]]}}'],
)  # fmt: skip
def test_s9_a_checkpoint_with_another_header_is_refused(tmp_path, state):
    (tmp_path / "a.safetensors").write_bytes(save({"t0": np.zeros(2)}, metadata={"state": state}))
    with pytest.raises(BadWeights, match="not a checkpoint of this project"):
        load_checkpoint(tmp_path / "a.safetensors")
