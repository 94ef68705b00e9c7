"""Telling weights from pickles by their first bytes."""

import io
import pickle
import struct

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from aiida_dismai.engine.checkpoint import load_checkpoint, load_weights, save_checkpoint
from aiida_dismai.engine.trained import is_pickle


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


def test_a_checkpoint_keeps_infinities_and_long_whole_numbers(tmp_path):
    state = {"best": float("inf"), "random": 2**127 + 1, "nets": {3: torch.ones(2)}, "history": [1.0, None]}
    save_checkpoint(tmp_path / "a.safetensors", state)
    found = load_checkpoint(tmp_path / "a.safetensors")
    assert found.pop("nets")[3].tolist() == [1.0, 1.0]
    assert found == {name: value for name, value in state.items() if name != "nets"}
