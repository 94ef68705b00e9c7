"""Labels of several methods are trained on together only by someone who wants it."""

import json

import numpy as np
import pytest
from aiida.orm import Dict
from aiida.plugins import CalculationFactory
from support.pw import install_pseudos, make_pw_code

from aiida_dismai.calculations.potentials import validate_one_method
from aiida_dismai.data import StructureSetData
from aiida_dismai.data.structures import set_to_structure_data
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.structures import StructureSet, write_npz
from aiida_dismai.workchains.dataset_interface import InterfaceDatasetWorkChain
from aiida_dismai.workchains.potential import PotentialWorkChain
from aiida_dismai.workchains.request import problems_of


def labelled(*methods):
    random = np.random.default_rng(1)
    n = len(methods)
    found = StructureSet.from_uniform([14, 14], random.uniform(0, 2, (n, 2, 3)) + np.array([[[0], [3]]]), 8 * np.eye(3))
    found = found.with_property("energy", -5.0 * np.ones(n), "structure", "eV")
    found = found.with_property("forces", random.normal(0, 1, (2 * n, 3)), "atom", "eV/Å")
    found = found.with_property("stress", np.zeros((n, 3, 3)), "structure", "GPa")
    found = found.with_property("trajectory", np.arange(n), "structure")
    return found.with_property("method", list(methods), "structure")


MIXED = labelled("one PBE", "two PBE", "one PBE", "two PBE")
SAID = "the labels are of several methods, which differ in DFT engine (one, two)"


def test_the_workchain_refuses_them_unless_it_is_told(dismai_code):
    node = StructureSetData(MIXED).store()
    builder = PotentialWorkChain.get_builder_from_protocol(dismai_code, node, 1, protocol="demo")
    problems = problems_of(PotentialWorkChain, builder._inputs(prune=True))
    assert [problem.path for problem in problems] == ["structures"]
    assert problems[0].message.startswith(SAID)
    allowed = {"train": {"parameters": {"mixed_labels": True}}}
    builder = PotentialWorkChain.get_builder_from_protocol(dismai_code, node, 1, protocol="demo", overrides=allowed)
    assert problems_of(PotentialWorkChain, builder._inputs(prune=True)) == ()


def test_the_calculation_refuses_them(aiida_profile):
    node = StructureSetData(MIXED)
    assert validate_one_method({"structures": node, "parameters": Dict({})}, None).startswith(SAID)
    assert validate_one_method({"structures": node, "parameters": Dict({"mixed_labels": True})}, None) is None
    assert CalculationFactory("dismai.potential.train").spec().inputs.validator is validate_one_method


@pytest.mark.engine
def test_the_task_refuses_them_and_says_so_when_it_is_allowed(tmp_path):
    from aiida_dismai.engine.tasks import find_task

    write_npz(MIXED, tmp_path / "labelled.npz")
    task = find_task("potential.train")
    small = {"max_epochs": 1, "units": 8, "n_blocks": 1, "train_fraction": 0.5, "validation_fraction": 0.25}
    small |= {"test_fraction": 0.25, "cutoff": 4.0, "threebody_cutoff": 3.0}

    def run(**changes):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return _run(task, folder, tmp_path / "labelled.npz", small | changes)

    with pytest.raises(BadInput, match=r"potential\.train: the labels are of several methods"):
        run()
    results = run(mixed_labels=True)
    assert SAID in results["warnings"]
    assert results["methods"] == ["one PBE", "two PBE"]
    # the weights carry it wherever they go
    record = json.loads((tmp_path / results["folder"] / "potential" / "config.json").read_text())
    assert record["trained_on"]["mixed_labels"] == SAID


def _run(task, folder, structures, parameters):
    from aiida_dismai.engine.potentials.train import run

    context = Context(folder=folder, inputs={"structures": structures}, seed=1)
    return run(context, task.validate(parameters)) | {"folder": folder}


def test_a_check_with_another_method_than_the_training(quick_computer, dismai_code):
    """In the data set: labels with U, the check of the potential without."""
    pw = make_pw_code(quick_computer, "/bin/true")
    lower, upper = (set_to_structure_data(crystal)[0] for crystal in (licoo2(), li3sccl6()))
    family = {"potential_family": install_pseudos()}
    without_u = {**family, "stage_2": {"settings": {"hubbard_u": {}}}}

    def paths(check, **training):
        overrides = {"label": family, "potential": {"check": {"label": check}, "train": {"parameters": training}}}
        builder = InterfaceDatasetWorkChain.get_builder_from_protocol(
            dismai_code, lower, upper, 1, dft_code=pw, protocol="demo", overrides=overrides
        )
        return {item.path: item.message for item in problems_of(InterfaceDatasetWorkChain, builder._inputs(prune=True))}

    assert paths(family) == {}
    assert "differ in U of Co (d 3.32, none)" in paths({**family, **without_u})["train.check.label"]
    assert paths(without_u, mixed_labels=True) == {}
