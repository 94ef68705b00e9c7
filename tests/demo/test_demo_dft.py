"""The demonstration on real DFT: its overrides fit the pipeline, and its crystals are what they are called."""

import pytest
from aiida.orm import StructureData
from support.pw import install_pseudos, make_pw_code

from aiida_dismai.demo.dft import BULK, FAMILY, OVERRIDES, crystals
from aiida_dismai.workchains.bulk import BulkWorkChain
from aiida_dismai.workchains.pipeline import PipelineWorkChain
from aiida_dismai.workchains.protocols import read_overrides
from aiida_dismai.workchains.request import problems_of


@pytest.fixture
def code(quick_computer):
    install_pseudos(FAMILY)
    return make_pw_code(quick_computer, "/bin/true")


def test_the_pipeline_takes_its_overrides(dismai_code, code):
    lower, upper = (StructureData(pymatgen=crystal) for crystal in crystals().values())
    builder = PipelineWorkChain.get_builder_from_protocol(
        dismai_code, lower, upper, "cryingan", 1, dft_code=code, protocol="demo", overrides=read_overrides(OVERRIDES)
    )
    assert problems_of(PipelineWorkChain, builder._inputs(prune=True)) == ()


def test_the_crystals_can_be_relaxed(code):
    for name, crystal in crystals().items():
        assert crystal.composition.reduced_formula == name
        builder = BulkWorkChain.get_builder_from_protocol(code, StructureData(pymatgen=crystal), None, BULK)
        assert builder.stage_2.settings["parameters"]["CONTROL"]["calculation"] == "vc-relax"
