"""Metrics in chunks: how sets are cut, what each job gets, each exit code, and the authors' numbers through AiiDA."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from support.children import ended, process

from aiida_dismai.calculations.functions.records import merge_records
from aiida_dismai.data import StructureSetData
from aiida_dismai.engine.errors import BadInput, NotAnalysed
from aiida_dismai.engine.metrics.records import RecordFile
from aiida_dismai.engine.structures import StructureSet
from aiida_dismai.workchains.jobs import DescribeChunkWorkChain, MetricsJobWorkChain
from aiida_dismai.workchains.metrics import MetricsWorkChain

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("aiida_profile_clean")]
REFERENCE = Path(__file__).parent.parent / "data" / "reference" / "int"
OPTIONS = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "max_wallclock_seconds": 600}
FAILED = {"exit_status": 402, "message": "fell over"}


def records(folder, about, *keys):
    """Return a node of records, one for each key, of which the last was not analysed."""
    file = RecordFile(folder / f"{about}{''.join(keys)}.bin", {"kind": about})
    for key in keys[:-1]:
        file.keep(key.encode() * 32, key.encode())
    file.keep(keys[-1].encode() * 32, NotAnalysed("flat"))
    return orm.SinglefileData(file.path, filename="records.bin")


@pytest.fixture
def metrics(dismai_code):
    """Return a factory of WorkChains that were set up, with a list of what they submit."""

    def make(size, structures, reference, **more):
        parameters = {"kind": "amorphous", "resamples": 50, "workers": 2, "amorphous": {"rdf_bins": 20}}
        job = {"code": dismai_code, "parameters": orm.Dict(parameters), "options": orm.Dict(OPTIONS)}
        inputs = {"structures": structures, "reference": reference, "chunk_size": orm.Int(size), "job": job}
        chain = process(MetricsWorkChain, inputs | more)
        chain.submitted = []
        chain.submit = lambda cls, **inputs: chain.submitted.append((cls, inputs)) or ended()
        chain.setup()
        return chain

    return make


def test_sets_larger_than_a_chunk_are_cut_and_others_are_not(metrics, copper):
    chain = metrics(2, StructureSetData(copper(5)), StructureSetData(copper(3)), validation=StructureSetData(copper(2)))
    first = [("structures", 0, 2), ("structures", 2, 4), ("structures", 4, 5)]
    assert chain.ctx.chunks == [*first, ("reference", 0, 2), ("reference", 2, 3)]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_fits_into_one_job_is_one_job(metrics, copper, count):
    structures = copper(count) if count else StructureSet.empty()
    chain = metrics(3, StructureSetData(structures), orm.SinglefileData(io.BytesIO(b"x"), filename="reference.npz"))
    assert not chain.has_more()
    assert not chain.has_chunks()
    chain.run_metrics()
    ((cls, inputs),) = chain.submitted
    assert cls is MetricsJobWorkChain
    assert "records" not in inputs
    assert inputs["reference"].filename == "reference.npz"


def test_chunks_of_which_nothing_has_converged_are_not_launched(metrics, copper):
    structures = copper(7).with_property("converged", np.array([1, 0, 0, 0, 1, 1, 0], dtype=bool))
    chain = metrics(2, StructureSetData(structures), StructureSetData(copper(2)))
    assert chain.ctx.chunks == [("structures", 0, 2), ("structures", 4, 6)]
    none = metrics(2, StructureSetData(structures[[1, 2, 3]]), StructureSetData(copper(2)))
    assert none.ctx.chunks == []


def test_a_chunk_is_described_with_the_parameters_that_matter_to_it(metrics, copper):
    structures = copper(3)
    chain = metrics(2, StructureSetData(structures), StructureSetData(copper(2)), max_concurrent=orm.Int(1))
    chain.run_batch()
    assert chain.has_more()
    chain.run_batch()
    assert not chain.has_more()
    (_, _), (cls, inputs) = chain.submitted
    assert cls is DescribeChunkWorkChain
    assert inputs["parameters"].get_dict() == {"kind": "amorphous", "workers": 2, "amorphous": {"rdf_bins": 20}}
    assert inputs["structures"].structures == structures[2:]
    assert inputs["metadata"]["call_link_label"] == "chunk_0001"


def test_a_failed_chunk_fails_the_metrics(metrics, copper, tmp_path):
    chain = metrics(2, StructureSetData(copper(3)), StructureSetData(copper(2)))
    chain.ctx.chunk_0000 = ended(outputs={"records": records(tmp_path, "interface", "a", "b")})
    chain.ctx.chunk_0001 = ended(**FAILED)
    result = chain.merge()
    assert result.status == chain.exit_codes.ERROR_CHUNKS_FAILED.status
    assert result.message == "1 of 2 chunks failed; chunk_0001: fell over"


def test_a_failed_comparison_fails_the_metrics(metrics, copper):
    chain = metrics(2, StructureSetData(copper(2)), StructureSetData(copper(2)))
    chain.ctx.metrics = ended(**FAILED)
    result = chain.finish()
    assert result.status == chain.exit_codes.ERROR_METRICS.status
    assert "fell over" in result.message


def test_records_of_all_chunks_go_into_the_comparison(metrics, copper, tmp_path):
    chain = metrics(2, StructureSetData(copper(3)), StructureSetData(copper(2)))
    chain.ctx.chunk_0000 = ended(outputs={"records": records(tmp_path, "interface", "a", "b")})
    chain.ctx.chunk_0001 = ended(outputs={"records": records(tmp_path, "interface", "c", "d")})
    assert chain.merge() is None
    chain.run_metrics()
    ((_, inputs),) = chain.submitted
    assert inputs["records"].creator.process_label == "merge_records"
    assert inputs["metadata"]["call_link_label"] == "compare"
    with inputs["records"].as_path() as path:
        merged = RecordFile(path, {"kind": "interface"})
    assert sorted(merged.index) == [letter * 32 for letter in (b"a", b"b", b"c", b"d")]


def test_records_of_other_parameters_are_not_mixed(tmp_path):
    one, other = records(tmp_path, "interface", "a"), records(tmp_path, "alloy", "b")
    with pytest.raises(BadInput, match="differs in kind, parameters or version"):
        merge_records(chunk_0000=one, chunk_0001=other)


def test_the_authors_numbers_through_aiida(dismai_code):
    """Two chunks, merged, against the authors' own csv files of the training set; seven had been generated."""
    inputs = {
        "structures": StructureSetData.from_file(REFERENCE / "inputs" / "gen_relaxed.extxyz.gz"),
        "reference": orm.FolderData(tree=REFERENCE / "motif" / "train"),
        "chunk_size": orm.Int(3),
        "max_concurrent": orm.Int(1),
        "job": {
            "code": dismai_code,
            "parameters": orm.Dict({"kind": "interface", "generated_total": 7}),
            "options": orm.Dict(OPTIONS),
        },
    }
    outputs, node = run_get_node(MetricsWorkChain, **inputs)
    assert node.is_finished_ok, node.exit_message
    found = outputs["results"].get_dict()
    with (REFERENCE / "motif" / "gen" / "int_motif_metrics.csv").open() as handle:
        expected = {row["metric"]: row for row in csv.DictReader(handle)}
    for element in ("Li", "Co", "Sc", "all"):
        for name, key in (("Euclidean", "d"), ("Cosine", "cos")):
            row, own = expected[f"{name} distance {element}"], found[f"{key}_{element}"]
            assert own["value"] == pytest.approx(float(row["value"]), abs=1e-9)
            assert own["value"] - own["lower"] == pytest.approx(float(row["lower error"]), abs=1e-9)
            assert own["upper"] - own["value"] == pytest.approx(float(row["upper error"]), abs=1e-9)
    assert found["failed_percent"]["value"] == pytest.approx(float(expected["Failed structures (%)"]["value"]))
    # the comparison had nothing left to describe
    assert "seconds_per_structure" not in found["timings"]
    jobs = [child.process_label for child in node.called_descendants if isinstance(child, orm.CalcJobNode)]
    assert sorted(jobs) == ["DescribeCalculation", "DescribeCalculation", "MetricsCalculation"]
    assert outputs["per_structure"].get_array("d_all").shape == (5,)
    assert outputs["reference"].filename == "reference.npz"
