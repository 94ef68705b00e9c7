"""Training on several devices of one machine opens no port that another machine could reach, and unpickles nothing."""

import ipaddress
import json
import pickle
import struct
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in ("SLURM_STEP_NUM_TASKS", "TORCHELASTIC_RUN_ID", "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.delenv(name, raising=False)


def train(folder, trouble):
    from support.training_problems import Regression

    from aiida_dismai.engine.context import Context
    from aiida_dismai.engine.generators.training.loop import fit
    from aiida_dismai.engine.generators.training.parameters import GraphTrainingParameters

    parameters = GraphTrainingParameters(batch_size=2, epochs=2, learning_rate=0.05, devices=2)
    return fit(Regression(trouble=trouble), parameters, Context(folder, seed=1), "cpu")


def address(words):
    """Return an address as the kernel writes it: in words of four bytes of the machine's order."""
    numbers = [int(words[i : i + 8], 16) for i in range(0, len(words), 8)]
    found = ipaddress.ip_address(b"".join(struct.pack("=I", number) for number in numbers))
    return getattr(found, "ipv4_mapped", None) or found


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="the sockets of a process are looked up in /proc")
def test_training_listens_on_the_loopback_interface_only(tmp_path, monkeypatch):
    from support.training_problems import write_listeners

    monkeypatch.setenv("WRITE_LISTENERS", str(tmp_path))
    (tmp_path / "run").mkdir()
    train(tmp_path / "run", write_listeners)
    found = [address(words) for path in tmp_path.glob("*.json") for words in json.loads(path.read_text())]
    assert found, "gloo listens where it can be reached by its other process"
    assert [str(item) for item in found if not item.is_loopback] == []


def test_what_the_processes_agree_on_is_no_pickle(monkeypatch):
    import torch

    from aiida_dismai.engine.generators.training.workers import Member

    sent = []

    class Fabric:
        global_rank, world_size, device = 1, 2, torch.device("cpu")

        def all_reduce(self, values, reduce_op):
            sent.append(values)
            return torch.tensor(1.0)

    monkeypatch.setattr(pickle, "loads", lambda *_: pytest.fail("a pickle"))
    assert Member(Fabric()).agree(False) is True
    assert [type(item) for item in sent] == [torch.Tensor]
    assert float(sent[0]) == 0.0
