"""One rule for checkpoints: what a run is of, what differs by name, and what may change."""

import json
from typing import ClassVar

import pytest

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.ownership import Owner
from aiida_dismai.engine.parameters import Parameters
from aiida_dismai.engine.tasks import TASKS


class Inner(Parameters):
    depth: float = 1.0


class Outer(Parameters):
    FREE: ClassVar[frozenset[str]] = frozenset({"device"})

    inner: Inner = Inner()
    batch: int = 4
    device: str = "cpu"


def owner(seed=1, structures="abc", **parameters):
    return Owner.of_parameters("task", Outer.model_validate(parameters), seed=seed, structures=structures)


def test_a_run_knows_its_own_record():
    assert owner().differences(owner().record()) == []
    assert owner().key == owner(device="cuda").key
    assert owner().differences(json.loads(json.dumps(owner(device="cuda").record()))) == []


@pytest.mark.parametrize(
    ("other", "names"),
    [
        ({"seed": 2}, ["seed"]),
        ({"batch": 8}, ["parameters.batch"]),
        ({"inner": {"depth": 2.0}}, ["parameters.inner.depth"]),
        ({"seed": 2, "structures": "x", "batch": 5}, ["parameters.batch", "seed", "structures"]),
    ],
)
def test_what_differs_is_named(other, names):
    assert owner().differences(owner(**other).record()) == names
    with pytest.raises(BadInput) as caught:
        owner().require(owner(**other).record(), "checkpoint")
    assert f"checkpoint of another run ({', '.join(names)} differs)" in str(caught.value)
    assert str(caught.value).endswith("free to change: device")


@pytest.mark.parametrize("found", [None, "text", [], {}, {"key": "0" * 64}])
def test_a_record_without_names_is_refused_all_the_same(found):
    with pytest.raises(BadInput, match="other inputs, parameters or another seed"):
        owner().require(found, "here")


def test_a_record_of_its_key_alone_is_its_own():
    owner().require({"key": owner().key}, "here")


def test_a_folder_is_claimed_once(tmp_path):
    path = tmp_path / "owner.json"
    owner().claim(path)
    owner(seed=2).claim(path)  # nothing was kept: the folder is free
    (tmp_path / "kept.npz").write_bytes(b"")
    owner(seed=2).claim(path)
    with pytest.raises(BadInput, match="seed differs"):
        owner().claim(path)
    for damaged in ("{", "[1]", "\x00"):
        path.write_text(damaged)
        with pytest.raises(BadInput, match="remove the folder"):
            owner().claim(path)


def test_what_may_change_are_parameters_of_the_task():
    for task in TASKS:
        model = task.model()
        assert set(model.FREE) <= set(model.model_fields), task.name
