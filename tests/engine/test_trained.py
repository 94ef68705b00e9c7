"""Telling weights from pickles by their first bytes."""

import io
import pickle
import struct

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from aiida_dismai.engine.checkpoint import load_checkpoint, load_weights, save_checkpoint
from aiida_dismai.engine.errors import BadWeights
from aiida_dismai.engine.trained import GENERATOR, POTENTIAL, is_pickle


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_bare_pickles_are_told(protocol):
    assert is_pickle(pickle.dumps({"weight": [1.0]}, protocol))


def test_the_zip_of_torch_is_told():
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, buffer)
    assert is_pickle(buffer.getvalue())


@pytest.mark.parametrize("length", [128, 640, 0x4B50])
def test_safetensors_whose_header_length_looks_like_a_pickle_are_read(tmp_path, length):
    """The lengths begin with 0x80, 0x80 0x02 and "PK"."""
    content = save({"weight": np.zeros(2)}, metadata={"fill": ""})
    short = struct.unpack("<Q", content[:8])[0]
    content = save({"weight": np.zeros(2)}, metadata={"fill": "x" * (length - short)})
    assert struct.unpack("<Q", content[:8])[0] == length
    assert not is_pickle(content)
    (tmp_path / "weights.safetensors").write_bytes(content)
    assert load_weights(tmp_path / "weights.safetensors")["weight"].tolist() == [0.0, 0.0]


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


def test_a_checkpoint_keeps_infinities_and_long_whole_numbers(tmp_path):
    state = {"best": float("inf"), "random": 2**127 + 1, "nets": {3: torch.ones(2)}, "history": [1.0, None]}
    save_checkpoint(tmp_path / "a.safetensors", state)
    found = load_checkpoint(tmp_path / "a.safetensors")
    assert found.pop("nets")[3].tolist() == [1.0, 1.0]
    assert found == {name: value for name, value in state.items() if name != "nets"}


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
