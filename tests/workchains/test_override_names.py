"""Names and types in overrides: refused at every depth with the nearest, wherever they come from."""

import numpy as np
import pytest

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.workchains.benchmark import BenchmarkWorkChain
from aiida_dismai.workchains.dataset_alloy import AlloyDatasetWorkChain
from aiida_dismai.workchains.dataset_amorphous import AmorphousDatasetWorkChain
from aiida_dismai.workchains.dataset_interface import InterfaceDatasetWorkChain
from aiida_dismai.workchains.evaluate import EvaluateWorkChain
from aiida_dismai.workchains.generator import GeneratorWorkChain
from aiida_dismai.workchains.label import LabelWorkChain
from aiida_dismai.workchains.pipeline import PipelineWorkChain
from aiida_dismai.workchains.potential import PotentialWorkChain
from aiida_dismai.workchains.protocols.single import single_overrides
from aiida_dismai.workchains.relax import RelaxWorkChain


def nested(path, value=1):
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


MISSPELT = [
    (PipelineWorkChain, "datset.n_structures", "datset", "dataset"),
    (PipelineWorkChain, "dataset.training.n_structure", None, "n_structures"),
    (PipelineWorkChain, "dataset.interface.region.thicknes", None, "thickness"),
    (PipelineWorkChain, "dataset.label.stage_2.settings.must_convrege", None, "must_converge"),
    (PipelineWorkChain, "dataset.label.stage_1.options.max_wallclock_second", None, "max_wallclock_seconds"),
    (PipelineWorkChain, "dataset.label.stage_1.options.resources.num_machine", None, "num_machines"),
    (PipelineWorkChain, "dataset.potential.check.relax.parameters.fmx", None, "fmax"),
    (PipelineWorkChain, "dataset.potential.check.label.stage_3", None, "stage_2"),
    (PipelineWorkChain, "benchmark.generator.models.cryingan.hyperparameter", None, "hyperparameters"),
    (PipelineWorkChain, "benchmark.generator.models.cryingan.hyperparameters.epohcs", None, "epochs"),
    (PipelineWorkChain, "benchmark.evaluate.metrics.parameters.interface.cation", None, "cations"),
    (InterfaceDatasetWorkChain, "relax.max_concurent", None, "max_concurrent"),
    (InterfaceDatasetWorkChain, "label.setings", None, "stage_2"),
    (LabelWorkChain, "stage_2.setting", None, "settings"),
    (PotentialWorkChain, "train.parameters.max_epoch", None, "max_epochs"),
    (RelaxWorkChain, "option.queue_name", "option", "options"),
    (RelaxWorkChain, "options.queue", None, "queue_name"),
    (BenchmarkWorkChain, "sample.parameters.batchsize", None, "batch_size"),
    (GeneratorWorkChain, "models.cryinggan", None, "cryingan"),
    (GeneratorWorkChain, "kinds.alloy", "kinds", None),
    (EvaluateWorkChain, "postprocess.parameters.min_distnce", None, "min_distance"),
    (AlloyDatasetWorkChain, "selections.narrow.widht", None, "width"),
    (AlloyDatasetWorkChain, "sample.pases", None, "passes"),
    (AmorphousDatasetWorkChain, "network.parameters.n_atom", None, "n_atoms"),
    (AmorphousDatasetWorkChain, "measure.parameters.gate.max_sigma", None, "max_angle_sigma"),
]


@pytest.mark.parametrize(("chain", "path", "named", "nearest"), MISSPELT)
def test_misspelt_names_are_refused_with_the_nearest(chain, path, named, nearest):
    with pytest.raises(BadInput) as refused:
        chain.get_protocol_inputs("demo", nested(path))
    text = str(refused.value)
    assert f"'{named or path}'" in text
    if nearest and nearest != "stage_2":
        assert f"did you mean '{nearest}'?" in text
    # a single override is one of the file's
    with pytest.raises(BadInput) as refused:
        chain.get_protocol_inputs("demo", single_overrides(chain, [f"{path}=1"]))
    assert str(refused.value) == text


def test_all_misspelt_names_are_said_at_once():
    overrides = {"chunk_sze": 3, "parameters": {"fmx": 1, "stps": 2}, "chunk_size": "many"}
    with pytest.raises(BadInput) as refused:
        RelaxWorkChain.get_protocol_inputs("demo", overrides)
    for part in ("'chunk_sze'", "'parameters.fmx'", "'parameters.stps'", "chunk_size: must be a whole number"):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("chain", "path", "value", "message"),
    [
        (InterfaceDatasetWorkChain, "n_structures", 2.5, "n_structures: must be a whole number (given: 2.5)"),
        (InterfaceDatasetWorkChain, "n_structures", True, "must be a whole number (given: True)"),
        (InterfaceDatasetWorkChain, "window", "wide", "window: must be a number (given: 'wide')"),
        (InterfaceDatasetWorkChain, "window", float("nan"), "window: must be a finite number"),
        (InterfaceDatasetWorkChain, "relax", 3, "relax: must be a mapping of names to values (given: 3)"),
        (InterfaceDatasetWorkChain, "label.stage_2", None, "label.stage_2: must be a mapping"),
        (LabelWorkChain, "potential_mapping", {"lithium": "Li"}, "'lithium' is neither an element nor a pair"),
        (LabelWorkChain, "pre_relaxed", "no", "pre_relaxed: must be true or false (given: 'no')"),
        (LabelWorkChain, "potential_family", 5, "potential_family: must be a word (given: 5)"),
        (AlloyDatasetWorkChain, "temperatures", 300, "temperatures: must be a list (given: 300)"),
    ],
)
def test_values_of_another_type_are_refused(chain, path, value, message):
    with pytest.raises(BadInput) as refused:
        chain.get_protocol_inputs("demo", nested(path, value))
    assert message in str(refused.value)


def test_what_is_right_is_taken():
    inputs = InterfaceDatasetWorkChain.get_protocol_inputs(
        "demo", {"n_structures": np.int64(7), "window": 1, "max_rounds": 3.0, "label": {"stage_1": None}}
    )
    assert (inputs["n_structures"], inputs["window"], inputs["max_rounds"]) == (7, 1, 3)
    assert inputs["label"] == {"stage_1": None}
    assert AlloyDatasetWorkChain.get_protocol_inputs("demo", {"selections": {"mine": {"width": 0.2}, "wide": None}})


def test_single_overrides_are_yaml_laid_over_each_other():
    found = single_overrides(
        InterfaceDatasetWorkChain,
        ["n_structures=20", "interface.region.composition={Mg: 3, O: 3}", "interface.c=null", "window=1e-1"],
    )
    assert found == {
        "n_structures": 20,
        "interface": {"region": {"composition": {"Mg": 3, "O": 3}}, "c": None},
        "window": 0.1,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["n_structures"], "write PATH=VALUE"),
        (["=3"], "write PATH=VALUE"),
        (["a..b=3"], "write PATH=VALUE"),
        (["window=[1"], "--set window: not readable as YAML"),
        (["window=1", "window=2"], "window is set, too"),
        (["interface.region={}", "interface.region.thickness=[1, 2]"], "interface.region is set, too"),
        (["interface.region.composition.Mg=3"], "is a table by element, which is replaced as a whole"),
        (["label.potential_mapping.Mg=Mg_pv"], "'label.potential_mapping={Mg: …}'"),
        (["label.stage_1.settings.magnetic_moments.Co=1"], "is a table by element"),
    ],
)
def test_single_overrides_that_are_refused(settings, message):
    with pytest.raises(BadInput) as refused:
        single_overrides(InterfaceDatasetWorkChain, settings)
    assert message in str(refused.value)
