"""The pipeline that begins with a relaxation of its crystals."""

import pytest
import yaml
from aiida.engine import run_get_node
from aiida.orm import StructureData
from ase.build import bulk
from click.testing import CliRunner
from support.pw import install_pseudos, make_pw_code

from aiida_dismai.cli import main
from aiida_dismai.data.structures import set_to_structure_data
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.workchains.pipeline import PipelineWorkChain
from aiida_dismai.workchains.request import problems_of

SLAB = {"miller": [0, 0, 1], "layers": 2, "offset": None, "vectors": [[1, 0, 0], [0, 1, 0]]}


@pytest.fixture
def pw(quick_computer):
    return make_pw_code(quick_computer, "/bin/true")


@pytest.fixture
def crystals(aiida_profile):
    return [set_to_structure_data(crystal)[0] for crystal in (licoo2(), li3sccl6())]


def builder_of(code, crystals, dft_code, **overrides):
    family = {"potential_family": install_pseudos()}
    overrides = {"dataset": {"label": family, "potential": {"check": {"label": family}}}, **overrides}
    return PipelineWorkChain.get_builder_from_protocol(
        code, *crystals, "cryingan", 1, dft_code=dft_code, protocol="demo", overrides=overrides
    )


def test_crystals_are_relaxed_only_if_asked_for(dismai_code, pw, crystals):
    assert "bulk" not in builder_of(dismai_code, crystals, pw)._inputs(prune=True)
    name = install_pseudos()
    both = builder_of(
        dismai_code, crystals, pw, bulk={slab: {"potential_family": name} for slab in ("slab_a", "slab_b")}
    )
    inputs = both._inputs(prune=True)
    assert problems_of(PipelineWorkChain, inputs) == ()
    # the protocols of the paper's two crystals
    meshes = {slab: part["stage_2"]["settings"]["kpoints"]["mesh"] for slab, part in inputs["bulk"].items()}
    assert meshes == {"slab_a": [9, 9, 1], "slab_b": [6, 4, 6]}
    other = {"slab_a": {"potential_family": name, "protocol": "bulk_lsc"}, "slab_b": None}
    inputs = builder_of(dismai_code, crystals, pw, bulk=other)._inputs(prune=True)
    assert list(inputs["bulk"]) == ["slab_a"]
    assert inputs["bulk"]["slab_a"]["stage_2"]["settings"]["kpoints"]["mesh"] == [6, 4, 6]


def test_what_is_refused_of_the_relaxations(dismai_code, pw, crystals):
    with pytest.raises(BadInput, match="bulk: relaxes crystals with DFT: give a DFT code"):
        builder_of(dismai_code, crystals, None, bulk={})
    with pytest.raises(BadInput, match=r"unknown override 'bulk\.slab_c'"):
        builder_of(dismai_code, crystals, pw, bulk={"slab_c": {}})
    with pytest.raises(BadInput, match="unknown protocol 'bulk_lcx'"):
        builder_of(dismai_code, crystals, pw, bulk={"slab_a": {"protocol": "bulk_lcx"}})
    few = install_pseudos("few", elements=("Li", "O"))
    inputs = builder_of(dismai_code, crystals, pw, bulk={"slab_a": {"potential_family": few}, "slab_b": None})
    found = problems_of(PipelineWorkChain, inputs._inputs(prune=True))
    assert [problem.path for problem in found] == ["bulk.slab_a.dft"]
    assert "family 'few' has no pseudopotential of Co" in found[0].message


def test_from_the_command_line(dismai_code, pw, crystals, tmp_path):
    name = install_pseudos()
    nodes = [str(crystal.store().pk) for crystal in crystals]
    words = ["launch", "pipeline", "--slab-a", nodes[0], "--slab-b", nodes[1], "--model", "cryingan", "--seed", "1"]
    words += ["--code", str(dismai_code.pk), "--protocol", "demo", "--dry-run", "--relax-crystals"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "--relax-crystals needs --dft-code CODE" in result.output
    words += ["--dft-code", str(pw.pk), "--set", "bulk.slab_b=null"]
    for path in ("bulk.slab_a", "dataset.label", "dataset.potential.check.label"):
        words += ["--set", f"{path}.potential_family={name}"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    found = yaml.safe_load(result.output)["inputs"]["bulk"]
    assert list(found) == ["slab_a"]
    settings = found["slab_a"]["stage_2"]["settings"]
    assert settings["parameters"]["CONTROL"]["calculation"] == "vc-relax"
    assert settings["kpoints"]["mesh"] == [9, 9, 1]


@pytest.mark.engine
def test_a_crystal_that_is_not_relaxed_ends_the_pipeline(dismai_code, vasp_code, label_overrides):
    lower, upper = (StructureData(ase=bulk(name, a=3.75, cubic=True)).store() for name in ("Cu", "Ni"))
    short = label_overrides | {"stage_2": {"settings": {"max_iterations": 1, "parameters": {"nsw": 2}}}}
    overrides = {
        "bulk": {"slab_a": short, "slab_b": None},
        "dataset": {
            "interface": {
                "slab_a": SLAB,
                "slab_b": SLAB,
                "lateral_cell": None,
                "region": {"composition": {"Cu": 1}, "thickness": [4.0, 5.0], "distances": {}},
                "element_order": None,
            },
            "training": {"exchanges": []},
            "label": label_overrides,
            "potential": {"check": {"label": label_overrides}},
        },
        "benchmark": {
            "evaluate": {"metrics": {"parameters": {"interface": {"oxidation_states": {"Cu": 1, "Ni": -1}}}}}
        },
    }
    builder = PipelineWorkChain.get_builder_from_protocol(
        dismai_code, lower, upper, "cryingan", 1, dft_code=vasp_code("emt"), protocol="demo", overrides=overrides
    )
    outputs, node = run_get_node(builder)
    assert node.exit_status == PipelineWorkChain.exit_codes.ERROR_CRYSTAL.status
    assert node.exit_message.startswith("the crystal was not relaxed: slab_a: ")
    assert [call.process_label for call in node.called] == ["BulkWorkChain"]
    # what it computed is there all the same
    assert len(outputs["bulk"]["slab_a"]["labelled"]) == 2
