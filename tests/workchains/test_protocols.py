"""Protocols: what they hold, how overrides are laid over them, and what is refused."""

import pytest

from aiida_dismai.dft import find
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.families.registry import names
from aiida_dismai.engine.generators.parameters import SampleParameters
from aiida_dismai.engine.interfaces.protocol import lsc_lco
from aiida_dismai.engine.tasks import find_task
from aiida_dismai.workchains.benchmark import BenchmarkWorkChain
from aiida_dismai.workchains.dataset_alloy import AlloyDatasetWorkChain
from aiida_dismai.workchains.dataset_interface import InterfaceDatasetWorkChain
from aiida_dismai.workchains.evaluate import EvaluateWorkChain
from aiida_dismai.workchains.generator import GeneratorWorkChain
from aiida_dismai.workchains.label import LabelWorkChain
from aiida_dismai.workchains.pipeline import PipelineWorkChain
from aiida_dismai.workchains.potential import PotentialWorkChain
from aiida_dismai.workchains.protocols import merge
from aiida_dismai.workchains.relax import RelaxWorkChain

CHAINS = (
    AlloyDatasetWorkChain,
    BenchmarkWorkChain,
    EvaluateWorkChain,
    GeneratorWorkChain,
    InterfaceDatasetWorkChain,
    LabelWorkChain,
    PipelineWorkChain,
    PotentialWorkChain,
    RelaxWorkChain,
)


@pytest.mark.parametrize("chain", CHAINS)
def test_every_workchain_has_the_three_protocols(chain):
    assert {"paper", "moderate", "demo"} <= set(chain.get_available_protocols())
    for name, description in chain.get_available_protocols().items():
        assert description
        assert chain.get_protocol_inputs(name)
    assert chain.get_default_protocol() in chain.get_available_protocols()


@pytest.mark.parametrize("chain", CHAINS)
def test_a_protocol_that_does_not_exist(chain):
    with pytest.raises(BadInput, match=f"{chain.__name__}: unknown protocol 'papper'; did you mean 'paper'"):
        chain.get_protocol_inputs("papper")


@pytest.mark.parametrize("protocol", ["paper", "moderate", "demo"])
def test_what_the_protocols_hold_is_valid(protocol):
    dataset = InterfaceDatasetWorkChain.get_protocol_inputs(protocol)
    for use in ("training", "candidates"):
        find_task("interfaces.build").validate(merge(dataset["interface"], dataset[use]))
    potential = PotentialWorkChain.get_protocol_inputs(protocol)
    find_task("potential.train").validate(potential["train"]["parameters"])
    find_task("potential.evaluate").validate(potential["check"]["evaluate"]["parameters"])
    find_task("relax").validate(RelaxWorkChain.get_protocol_inputs(protocol)["parameters"])
    evaluate = EvaluateWorkChain.get_protocol_inputs(protocol)
    find_task("postprocess").validate(evaluate["postprocess"]["parameters"])
    find_task("metrics").validate(evaluate["metrics"]["parameters"])
    SampleParameters(**BenchmarkWorkChain.get_protocol_inputs(protocol)["sample"]["parameters"])
    for kind in (None, *names()):
        for model, entry in GeneratorWorkChain.get_protocol_inputs(protocol, kind=kind)["models"].items():
            find_task("generator.train").validate({"model": model, "hyperparameters": entry["hyperparameters"]})


def test_the_papers_interface_is_the_engines():
    inputs = InterfaceDatasetWorkChain.get_protocol_inputs("paper")
    build = find_task("interfaces.build")
    training = build.validate(merge(inputs["interface"], inputs["training"]))
    assert training == build.validate(lsc_lco(950, exchanges=True))
    assert sum(training.exchanged(index) for index in range(950)) == 600


def test_numbers_of_the_paper():
    dataset = InterfaceDatasetWorkChain.get_protocol_inputs("paper")
    assert (dataset["n_structures"], dataset["window"], dataset["validation_share"]) == (1500, 0.4, 0.2)
    train = PotentialWorkChain.get_protocol_inputs("paper")["train"]["parameters"]
    assert (train["energy_weight"], train["forces_weight"], train["stress_weight"]) == (1.0, 1.0, 0.1)
    assert train["use_smooth"] is True
    relax = RelaxWorkChain.get_protocol_inputs("paper")["parameters"]
    assert (relax["optimizer"], relax["fmax"], relax["steps"]) == ("SciPyFminCG", 0.05, 1000)
    benchmark = BenchmarkWorkChain.get_protocol_inputs("paper")
    assert (benchmark["n_models"], benchmark["sample"]["n_structures"]) == (3, 1000)
    gan = GeneratorWorkChain.get_protocol_inputs("paper")["models"]["cryingan"]["hyperparameters"]
    assert (gan["epochs"], gan["lambda_distance"], gan["batch_size"]) == (100000, 0.05, 32)
    gan = GeneratorWorkChain.get_protocol_inputs("paper", kind="alloy")["models"]["cryingan"]["hyperparameters"]
    assert (gan["epochs"], gan["lambda_distance"], gan["batch_size"]) == (1500, 0.1, 32)
    assert gan["translations"] == [4, 4, 4]
    label = LabelWorkChain.get_protocol_inputs("paper", engine=find("vasp"))
    first, second = label["stage_1"]["settings"], label["stage_2"]["settings"]
    assert (first["parameters"]["encut"], first["parameters"]["nsw"], first["moves"]) == (374.3, 50, [0])
    assert (second["parameters"]["encut"], second["parameters"]["ediffg"], second["moves"]) == (450.0, -0.1, None)


def test_overrides_are_laid_over_the_protocol():
    changed = RelaxWorkChain.get_protocol_inputs("paper", {"parameters": {"fmax": 0.1}})
    assert changed["parameters"]["fmax"] == 0.1
    assert changed["parameters"]["optimizer"] == "SciPyFminCG"


def test_what_a_kind_has_of_its_own_lies_below_the_overrides():
    epochs = {"models": {"cryingan": {"hyperparameters": {"epochs": 7}}}}
    changed = GeneratorWorkChain.get_protocol_inputs("paper", epochs, "alloy")
    assert changed["models"]["cryingan"]["hyperparameters"]["epochs"] == 7
    assert changed["models"]["cryingan"]["hyperparameters"]["lambda_distance"] == 0.1
    assert "kinds" not in changed
    plain = GeneratorWorkChain.get_protocol_inputs("paper", kind="interface")
    assert plain == GeneratorWorkChain.get_protocol_inputs("paper")
    assert plain["models"]["diffcsp"]["hyperparameters"]["sigma_end"] == 0.1
    amorphous = GeneratorWorkChain.get_protocol_inputs("paper", kind="amorphous")
    assert amorphous["models"]["diffcsp"]["hyperparameters"]["sigma_end"] == 0.05
    with pytest.raises(BadInput, match="unknown override 'kinds'"):
        GeneratorWorkChain.get_protocol_inputs("paper", {"kinds": {}}, "alloy")


def test_tables_by_element_are_replaced_as_a_whole():
    region = {"region": {"composition": {"Mg": 2}, "distances": {"Mg-O": 1.8}}}
    changed = InterfaceDatasetWorkChain.get_protocol_inputs("paper", {"interface": region})["interface"]["region"]
    assert changed["composition"] == {"Mg": 2}
    assert changed["distances"] == {"Mg-O": 1.8}
    assert changed["thickness"] == [4.0, 6.0]


def test_overrides_from_a_file(tmp_path):
    (tmp_path / "o.yaml").write_text("chunk_size: 7\n")
    assert RelaxWorkChain.get_protocol_inputs("paper", tmp_path / "o.yaml")["chunk_size"] == 7
    (tmp_path / "bad.yaml").write_text("[1, 2")
    with pytest.raises(BadInput, match="not readable as YAML"):
        RelaxWorkChain.get_protocol_inputs("paper", tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(BadInput, match="must be a mapping"):
        RelaxWorkChain.get_protocol_inputs("paper", tmp_path / "list.yaml")


def test_a_misspelt_override_is_refused():
    with pytest.raises(BadInput, match="unknown override 'chunksize'; did you mean 'chunk_size'"):
        RelaxWorkChain.get_protocol_inputs("paper", {"chunksize": 7})
