"""S2: calculators are registered names; a function of a module is called only where the environment names it."""

import numpy as np
import pytest
from ase.calculators.emt import EMT

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.potentials import registry
from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.structures import StructureSet
from aiida_dismai.engine.tasks import find_task

COPPER = StructureSet.from_uniform([29], np.zeros((1, 1, 3)), np.eye(3) * 2.5)


def relax(**parameters):
    return find_task("relax").validate(parameters)


EVIL = ["subprocess:check_output", "os:system", "ase.calculators.vasp:Vasp", "ase.calculators.emt:EMT"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("allowed", ["", "1", "*", "subprocess", "subprocess:check_outpu", "ase.calculators.emt:*"])
def test_s2_a_factory_that_the_environment_does_not_name_is_not_called(name, allowed, monkeypatch, tmp_path):
    monkeypatch.setenv(registry.ALLOW_FACTORY, allowed)
    arguments = {"args": ["touch", str(tmp_path / "x")]} if name.startswith("sub") else {}
    with pytest.raises(BadInput, match=f"calculator '{name}' is a function of a Python module .* is not allowed here"):
        make_calculator(name, arguments, None, "cpu", COPPER)
    assert not (tmp_path / "x").exists()


def test_s2_its_module_is_not_even_imported(monkeypatch, tmp_path):
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'x')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(registry.ALLOW_FACTORY)
    with pytest.raises(BadInput, match="not allowed here"):
        make_calculator("evil_module:make", {}, None, "cpu", COPPER)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "allowed", ["ase.calculators.emt:EMT", "a:b, ase.calculators.emt:EMT", "a:b ase.calculators.emt:EMT"]
)
def test_s2_a_factory_that_the_environment_names_is_called(allowed, monkeypatch):
    monkeypatch.setenv(registry.ALLOW_FACTORY, allowed)
    assert isinstance(make_calculator("ase.calculators.emt:EMT", {}, None, "cpu", COPPER), EMT)


@pytest.mark.parametrize(
    "name", ["", "edip ", "edip\n", "os", ":", "a:", ":b", "a:b\n", "a b:c", "a:b()", "a:b:c", "é:b"]
)
def test_s2_what_is_neither_a_name_nor_a_factory_is_refused(name):
    with pytest.raises(BadInput, match="no calculator"):
        relax(calculator=name)
