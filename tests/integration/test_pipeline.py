"""A shrunken benchmark through the daemon: two small crystals, tiny networks, every step of the real line."""

import html
import re
import shutil
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from support.results import SCHEMA

from aiida_dismai.data.structures import set_to_structure_data
from aiida_dismai.demo.results import write_results
from aiida_dismai.engine.structures import from_pymatgen
from aiida_dismai.engine.untrusted import read_object
from aiida_dismai.report.collect import collect
from aiida_dismai.report.verdict import verdict
from aiida_dismai.workchains.pipeline import PipelineWorkChain

pytestmark = pytest.mark.engine

FAMILY = "standin-integration"
SLAB = {"miller": [0, 0, 1], "layers": 2, "offset": None, "vectors": [[1, 0, 0], [0, 1, 0]]}
TINY = {"cutoff": 4.0, "threebody_cutoff": 3.0, "n_blocks": 1, "units": 8, "max_n": 2, "max_l": 2}
POTENTIALS = {"potential_family": FAMILY, "potential_mapping": {"Li": "Li_sv", "Mg": "Mg", "O": "O", "F": "F"}}
OVERRIDES = {
    "bulk": {
        "slab_a": POTENTIALS
        | {
            "stage_2": {
                "settings": {"must_converge": False, "parameters": {"nsw": 1}},
                "options": {"withmpi": False, "resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}},
            }
        },
        "slab_b": None,
    },
    "dataset": {
        "interface": {
            "slab_a": SLAB,
            "slab_b": SLAB,
            "lateral_cell": None,
            "region": {"composition": {"Li": 1, "F": 1}, "thickness": [4.0, 5.0], "distances": {"Li-F": 1.6}},
            "vacuum": 6.0,
            "c": 24.0,
            "element_order": ["Li", "Mg", "O", "F"],
        },
        "training": {"n_structures": 3, "exchanges": [{"interface": "F", "top_layer": "O", "maximum": 1}]},
        "candidates": {"n_structures": 6},
        "n_check": 1,
        "n_structures": 5,
        "window": 1e6,
        "label": {
            "potential_family": FAMILY,
            "potential_mapping": {"Li": "Li_sv", "Mg": "Mg", "O": "O", "F": "F"},
            "stage_1": {"settings": {"parameters": {"nsw": 2}}},
            "stage_2": {"settings": {"parameters": {"nsw": 2}}},
        },
        "potential": {
            "train": {"parameters": TINY | {"max_epochs": 3}},
            "check": {
                "window": 1e6,
                "relax": {"parameters": {"fmax": 1e3, "steps": 2}},
                "label": {
                    "potential_family": FAMILY,
                    "potential_mapping": {"Li": "Li_sv", "Mg": "Mg", "O": "O", "F": "F"},
                    "stage_2": {"settings": {"parameters": {"nsw": 2}}},
                },
            },
        },
        "relax": {"parameters": {"fmax": 1e3, "steps": 2}, "chunk_size": 4},
    },
    "benchmark": {
        "generator": {
            "models": {
                "cryingan": {
                    "hyperparameters": {
                        "epochs": 4,
                        "batch_size": 2,
                        "generator_channels": [8, 8, 8, 8],
                        "critic_channels": [8, 8, 8],
                        "critic_head": [8, 8, 4],
                    }
                }
            }
        },
        "sample": {"n_structures": 4, "chunk_size": 3},
        "evaluate": {
            "postprocess": {"parameters": {"min_distance": 0.8, "target_distance": 1.0}},
            "relax": {"parameters": {"fmax": 1e4, "steps": 2}},
            "metrics": {
                "parameters": {
                    "interface": {
                        "oxidation_states": {"Li": 1, "Mg": 2, "O": -2, "F": -1},
                        "cations": ["Li", "Mg"],
                        "anions": ["O", "F"],
                    },
                    "resamples": 50,
                }
            },
        },
    },
}


@pytest.fixture
def crystals():
    from pymatgen.core import Lattice, Structure

    def rocksalt(a, cation, anion):
        crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])
        return set_to_structure_data(from_pymatgen([crystal]))[0].store()

    return rocksalt(4.21, "Mg", "O"), rocksalt(4.03, "Li", "F")


@pytest.fixture
def vasp(quick_computer):
    return orm.InstalledCode(
        label="vasp-standin",
        computer=quick_computer,
        filepath_executable=str(Path(sys.prefix) / "bin" / "dismai-vasp-standin"),
        default_calc_job_plugin="vasp.vasp",
        prepend_text="export OMP_NUM_THREADS=1 DISMAI_STANDIN_CALCULATOR=lj",
    ).store()


@pytest.fixture
def potcars(aiida_profile, tmp_path):
    from aiida_vasp.data.potcar import PotcarData

    from aiida_dismai.standin.potcars import write_potcar_family

    if PotcarData.get_potcar_group(FAMILY) is None:
        write_potcar_family(tmp_path / "potcars", ["Li_sv", "Mg", "O", "F"])
        PotcarData.upload_potcar_family(str(tmp_path / "potcars"), FAMILY, "stand-in", stop_if_existing=False)


def ancestors(node):
    """Return all nodes that a data node was made from."""
    found, waiting = {}, [node]
    while waiting:
        current = waiting.pop()
        for link in current.base.links.get_incoming(link_type=(LinkType.CREATE, LinkType.INPUT_CALC)):
            if link.node.pk not in found:
                found[link.node.pk] = link.node
                waiting.append(link.node)
    return found


@pytest.mark.usefixtures("potcars")
def test_from_crystals_to_metrics_through_the_daemon(dismai_code, vasp, crystals, submit_and_await, tmp_path):
    builder = PipelineWorkChain.get_builder_from_protocol(
        dismai_code, *crystals, "cryingan", 5, dft_code=vasp, protocol="demo", overrides=OVERRIDES
    )
    node = submit_and_await(builder, timeout=900)
    assert node.is_finished_ok, f"{node.exit_status} {node.exit_message}"

    dataset = node.outputs.dataset
    assert len(dataset.dataset) == 5
    assert len(dataset.train) == 4
    assert len(dataset.validation) == 1
    split = dataset.split.get_dict()
    assert sorted(split["train"] + split["validation"]) == list(range(5))
    assert dataset.energies["e_cut"] >= dataset.energies["lowest"]
    labelled = dataset.labelled.structures
    assert set(labelled.values("trajectory").tolist()) == {0, 1, 2}
    assert set(labelled.values("stage").tolist()) == {1, 2}
    assert dataset.potential_check["table5"]["all"]

    summary = node.outputs.benchmark.summary.get_dict()
    assert summary["n_models"] == 2
    failed = [
        metrics["failed_percent"]["value"]
        for metrics in map(orm.Dict.get_dict, node.outputs.benchmark.metrics.values())
    ]
    assert summary["metrics"]["failed_percent"]["mean"] == pytest.approx(np.mean(failed))
    generated = node.outputs.benchmark.generated.model_0
    assert len(generated) == 4
    assert generated.content_hash != node.outputs.benchmark.generated.model_1.content_hash

    # one graph: each metric knows the bulk crystals and all DFT relaxations that made its potential
    known = ancestors(node.outputs.benchmark.metrics.model_0)
    assert {crystal.pk for crystal in crystals} <= set(known)
    label = next(child for child in node.called_descendants if child.process_label == "LabelWorkChain")
    training = {job.pk for job in label.called_descendants if job.process_label == "VaspCalculation"}
    assert len(training) == 6
    # the first crystal was relaxed before, the second was taken as it is
    built = next(child for child in node.called_descendants if child.process_label == "BuildInterfacesCalculation")
    assert built.inputs.slab_a.uuid == node.outputs.bulk.slab_a.crystal.uuid
    assert built.inputs.slab_b.uuid == crystals[1].uuid
    assert training <= set(known)

    # what the demo leaves of such a run
    said: list[str] = []
    assert write_results(node, tmp_path / "demo", said.append) == []
    report = collect(node)
    assert "d_all" in report.measures()
    result = read_object(tmp_path / "demo" / "result.json")
    jsonschema.validate(result, SCHEMA)
    assert result["origin"]["uuid"] == node.outputs.benchmark.result.creator.caller.uuid
    assert [item["name"] for item in result["models"]] == sorted(node.outputs.benchmark.metrics)
    assert any("is a stand-in for VASP" in note for note in result["notes"])
    page = (tmp_path / "demo" / "report.html").read_text()
    assert verdict(report)[0].startswith("The generated interfaces of cryingan are ")
    assert html.escape(verdict(report)[0]) in page
    measured = any(len(arrays.get_array("index")) for arrays in node.outputs.benchmark.per_structure.values())
    assert ('id="viewer-data"' in page) is measured
    assert measured or "no generated structure could be measured" in page
    boxes = re.findall(r'<g class="node (data|process|result)"', page)
    assert boxes.count("process") >= 10
    if shutil.which("dot"):
        assert int(re.search(r"provenance\.svg \((\d+) nodes", " ".join(said))[1]) > 50
        assert "<svg" in (tmp_path / "demo" / "provenance.svg").read_text()
    assert int(re.search(r"benchmark\.aiida \((\d+) nodes", " ".join(said))[1]) > 200
    assert "imported into an empty profile" in said[-1]
