"""Where things are computed: with a GPU or without, and torch is imported only by what computes with it."""

import ctypes
import os
import subprocess
import sys

import pytest

from aiida_dismai.engine import device
from aiida_dismai.engine.files import write_json
from aiida_dismai.engine.structures import write_npz

#: Runs task.json on a computer without the driver of a GPU.
RUN = """
import sys
from pathlib import Path
from aiida_dismai.engine import device
from aiida_dismai.engine.runner import run_task
device.has_driver = lambda: False
assert run_task(Path("task.json")) == 0
assert "torch" not in sys.modules
"""


@pytest.fixture
def no_library(monkeypatch):
    def refuse(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", refuse)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is asked")
def test_a_driver_is_a_device_or_a_library(monkeypatch, tmp_path, no_library):
    monkeypatch.setattr(device, "DRIVERS", (str(tmp_path / "kfd"),))
    assert not device.has_driver()
    (tmp_path / "kfd").touch()
    assert device.has_driver()
    (tmp_path / "kfd").unlink()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: name)
    assert device.has_driver()
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert device.has_driver()


def test_a_relaxation_without_networks_imports_no_torch(tmp_path, copper):
    write_npz(copper(), tmp_path / "given.npz")
    parameters = {"calculator": "ase.calculators.emt:EMT", "fmax": 0.5}
    write_json(
        tmp_path / "task.json", {"task": "relax", "parameters": parameters, "inputs": {"structures": "given.npz"}}
    )
    done = subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.engine
def test_threads_of_torch_once_it_is_imported(monkeypatch):
    import torch

    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    try:
        device.limit_threads(before + 1)
        assert torch.get_num_threads() == before + 1
        assert os.environ["OMP_NUM_THREADS"] == str(before + 1)
        device.limit_threads(None)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
