"""The demonstration on real DFT: its overrides fit the pipeline, and its crystals are what they are called."""

import pytest
from aiida.orm import load_code
from support.pw import install_pseudos, make_pw_code

from aiida_dismai.demo import dft, profile
from aiida_dismai.workchains.pipeline import PipelineWorkChain
from aiida_dismai.workchains.request import problems_of


@pytest.fixture
def builder(dismai_code, quick_computer, monkeypatch):
    install_pseudos(dft.FAMILY)
    codes = {dft.CODE: make_pw_code(quick_computer, "/bin/true"), profile.DISMAI: dismai_code}
    monkeypatch.setattr("aiida.orm.load_code", lambda label: codes.get(label) or load_code(label))
    return dft.make_builder()


def test_the_pipeline_takes_its_overrides(builder):
    assert problems_of(PipelineWorkChain, builder._inputs(prune=True)) == ()


def test_it_begins_with_the_crystals(builder):
    for slab, (name, crystal) in zip(("slab_a", "slab_b"), dft.crystals().items(), strict=True):
        assert crystal.composition.reduced_formula == name
        assert builder.dataset[slab].label == f"{name}, bulk crystal"
        settings = builder.bulk[slab].stage_2.settings
        assert settings["parameters"]["CONTROL"]["calculation"] == "vc-relax"
        assert settings["kpoints"]["mesh"] == [1, 1, 1]
