"""Task ``metrics`` from files to results; almost all fingerprints come from the authors' csv through the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from interface_reference import COMPOSITION

from aiida_dismai.engine.errors import BadInput, Unfinished
from aiida_dismai.engine.metrics import collect as collecting
from aiida_dismai.engine.metrics.chemistry import Chemistry
from aiida_dismai.engine.metrics.collect import Log, collect, key_of
from aiida_dismai.engine.metrics.parameters import MetricsParameters
from aiida_dismai.engine.metrics.reference import Reference, is_reference, load_reference
from aiida_dismai.engine.metrics.run import LOG, run
from aiida_dismai.engine.metrics.summaries import Summaries, Summary
from aiida_dismai.engine.structures import Property, StructureSet, write_npz
from aiida_dismai.engine.task import Context, run_task

SALT = Chemistry.build({"Li": 1, "Cl": -1}, ["Li"], ["Cl"])
SALT_PARAMETERS = MetricsParameters(oxidation_states={"Li": 1, "Cl": -1}, cations=["Li"], anions=["Cl"])


def write_task(folder: Path, generated: StructureSet, reference: StructureSet | Reference, **parameters) -> Path:
    write_npz(generated, folder / "generated.npz")
    if isinstance(reference, Reference):
        reference.save(folder / "training.npz")
    else:
        write_npz(reference, folder / "training.npz")
    content = {
        "task": "metrics",
        "parameters": parameters,
        "inputs": {"structures": "generated.npz", "reference": "training.npz"},
    }
    (folder / "task.json").write_text(json.dumps(content))
    return folder / "task.json"


def context_for(folder: Path, **more) -> Context:
    inputs = {"structures": folder / "generated.npz", "reference": folder / "training.npz"}
    return Context(folder, inputs=inputs, **more)


def fill_log(folder: Path, structures: StructureSet, summaries: list[Summary], chemistry: Chemistry) -> None:
    (folder / "checkpoint").mkdir(exist_ok=True)
    log = Log(folder / "checkpoint" / LOG)
    for i, summary in enumerate(summaries):
        log.add(key_of(structures[i], chemistry), summary)


@pytest.fixture
def no_crystal_nn(monkeypatch):
    """Fail the test if a fingerprint is computed."""

    def refuse(*_):
        raise AssertionError("this structure was finished before")

    monkeypatch.setattr(collecting.fingerprints, "site_fingerprints", refuse)


def test_from_files_to_the_authors_numbers(
    tmp_path, gen_structures, train_structures, gen_summaries, train_summaries, chemistry
):
    """One structure is computed here, the others are found in the checkpoint."""
    generated = gen_structures.with_properties(
        {
            "energy": Property(np.arange(5) * 264.0, "structure", "eV"),
            "steps": Property(np.array([10, 20, 30, 40, 55]), "structure"),
            "source_index": Property(np.array([0, 2, 3, 5, 6]), "structure"),
        }
    )
    task = write_task(tmp_path, generated, train_structures, generated_total=7)
    fill_log(tmp_path, train_structures, train_summaries, chemistry)
    fill_log(tmp_path, gen_structures, gen_summaries[:4], chemistry)
    assert run_task(task) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["status"] == "finished"
    # reference/int/motif/gen/int_motif_metrics.csv
    assert results["d_all"]["value"] == pytest.approx(0.050218147716582444, abs=1e-9)
    assert results["d_all"]["lower"] == pytest.approx(0.050218147716582444 - 0.04675837551053157, abs=1e-9)
    assert results["cos_Co"]["upper"] == pytest.approx(0.0025981557643173225 + 0.0012180566545070403, abs=1e-9)
    assert results["failed_percent"]["value"] == pytest.approx(28.57142857142857)
    assert results["failed_percent"]["lower"] < 28.5 < results["failed_percent"]["upper"]
    assert (results["n_generated"], results["n_given"], results["n_analysed"], results["n_reference"]) == (7, 5, 5, 5)
    assert results["mean_relaxation_steps"] == 31
    assert results["timings"]["seconds_per_structure"] > 0
    assert {key for key in results if key.startswith(("d_", "cos_"))} == {
        f"{kind}_{what}" for kind in ("d", "cos") for what in ("Li", "Co", "Sc", "all")
    }
    with np.load(tmp_path / "per_structure.npz", allow_pickle=False) as arrays:
        assert arrays["fingerprints"].shape == (5, 4, 109)
        assert arrays["index"].tolist() == [0, 1, 2, 3, 4]
        assert arrays["source_index"].tolist() == [0, 2, 3, 5, 6]
        assert arrays["energy_per_atom"].tolist() == [0, 1, 2, 3, 4]
        assert arrays["cations"].tolist() == ["Li", "Co", "Sc", "all"]
        assert arrays["features"][0] == "wt CN_1"
        assert arrays["motifs.Li"].shape == (5, 72, 3)
        # The distance of the average, from the single structures.
        average = arrays["fingerprints"].mean(axis=0)
        assert np.linalg.norm(average[0] - arrays["average"][0]) == pytest.approx(results["d_Li"]["value"])
        expected = np.linalg.norm(arrays["fingerprints"] - arrays["average"], axis=-1)
        assert np.allclose(arrays["d"], expected)
    assert is_reference(tmp_path / "reference.npz")


def test_a_reference_saved_before_spares_the_training_set(
    tmp_path, gen_structures, reference, gen_summaries, chemistry, no_crystal_nn
):
    write_task(tmp_path, gen_structures, reference)
    fill_log(tmp_path, gen_structures, gen_summaries, chemistry)
    results = run(context_for(tmp_path), MetricsParameters())
    assert results["d_all"]["value"] == pytest.approx(0.050218147716582444, abs=1e-12)
    assert results["failed_percent"]["value"] == 0
    assert results["reference_hash"] == reference.structures_hash
    assert results["mean_relaxation_steps"] is None
    assert (tmp_path / "reference.npz").read_bytes() == (tmp_path / "training.npz").read_bytes()


def test_unconverged_and_unanalysable_structures_are_counted(
    tmp_path, gen_structures, reference, gen_summaries, chemistry, no_crystal_nn
):
    write_task(tmp_path, gen_structures.with_property("converged", [True, False, True, True, True]), reference)
    fill_log(tmp_path, gen_structures, [*gen_summaries[:3], "site 7 (Li): no neighbour", gen_summaries[4]], chemistry)
    results = run(context_for(tmp_path), MetricsParameters(generated_total=10))
    assert (results["n_analysed"], results["n_not_converged"], results["n_not_analysed"]) == (3, 1, 1)
    assert results["not_analysed"] == [{"index": 3, "reason": "site 7 (Li): no neighbour"}]
    assert results["failed_percent"]["value"] == 70
    with np.load(tmp_path / "per_structure.npz", allow_pickle=False) as arrays:
        assert arrays["index"].tolist() == arrays["source_index"].tolist() == [0, 2, 4]


def test_nothing_to_analyse_is_a_result(tmp_path, gen_structures, reference, no_crystal_nn):
    missing = {"value": None, "lower": None, "upper": None}
    for generated in (gen_structures.with_property("converged", [False] * 5), StructureSet.empty()):
        write_task(tmp_path, generated, reference)
        results = run(context_for(tmp_path), MetricsParameters(generated_total=8))
        assert results["failed_percent"]["value"] == 100
        assert results["n_analysed"] == 0
        assert results["d_all"] == results["cos_Sc"] == missing


def test_structures_with_nan_are_counted(tmp_path, rock_salt):
    positions = rock_salt.positions.copy()
    positions[9, 0] = np.nan
    write_task(tmp_path, rock_salt.with_positions(positions), rock_salt[0])
    results = run(context_for(tmp_path), SALT_PARAMETERS)
    assert results["n_not_analysed"] == 1
    assert results["not_analysed"][0]["index"] == 1
    assert "NaN" in results["not_analysed"][0]["reason"]
    assert results["d_Li"]["value"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda gen, train, salt: (gen[:0], train, {}), "set of generated structures is empty"),
        (lambda gen, train, salt: (gen, train, {"generated_total": 4}), "generated_total is 4, but 5"),
        (lambda gen, train, salt: (gen, train[:0], {}), "reference: the set of structures is empty"),
        (lambda gen, train, salt: (salt, train, {}), "generated structures: structure 0 .* has no Co, Sc"),
        (lambda gen, train, salt: (gen, salt, {}), "reference: structure 0 .* has no Co, Sc"),
        (
            lambda gen, train, salt: (
                gen,
                train,
                {"oxidation_states": {"Li": 1, "O": -2}, "cations": ["Li"], "anions": ["O"]},
            ),
            "Cl, Sc, Co has no oxidation state",
        ),
    ],
)
def test_bad_input(
    tmp_path, gen_structures, train_structures, train_summaries, rock_salt, chemistry, no_crystal_nn, change, message
):
    generated, training, parameters = change(gen_structures, train_structures, rock_salt)
    write_task(tmp_path, generated, training)
    fill_log(tmp_path, train_structures, train_summaries, chemistry)
    with pytest.raises(BadInput, match=message):
        run(context_for(tmp_path), MetricsParameters(**parameters))


def test_another_composition_than_the_reference(tmp_path, rock_salt):
    double = StructureSet.from_uniform(
        np.tile(rock_salt.numbers[:8], 2),
        np.concatenate([rock_salt[0].positions, rock_salt[0].positions + np.array([0, 0, 5.13])])[None],
        np.diag([5.13, 5.13, 10.26]),
    )
    write_task(tmp_path, double, rock_salt)
    with pytest.raises(BadInput, match="composition Li8Cl8, the reference Li4Cl4"):
        run(context_for(tmp_path), SALT_PARAMETERS)


def test_references_that_cannot_be_used(tmp_path, reference, chemistry, rock_salt):
    path = tmp_path / "reference.npz"
    reference.save(path)
    again = load_reference(path, chemistry)
    assert again.composition == COMPOSITION
    assert np.array_equal(again.summaries.means, reference.summaries.means)
    with pytest.raises(BadInput, match=r"made for .* but the parameters say"):
        load_reference(path, SALT)
    path.write_bytes(path.read_bytes()[:5000])
    assert not is_reference(path)
    with pytest.raises(BadInput, match="truncated"):
        load_reference(path, chemistry)
    write_npz(rock_salt, path)
    assert not is_reference(path)


def test_no_training_structure_can_be_analysed(tmp_path, rock_salt):
    together = rock_salt.with_positions(np.zeros_like(rock_salt.positions))
    write_task(tmp_path, rock_salt, together)
    with pytest.raises(
        BadInput, match="none of the 2 training structures could be analysed; structure 0: atoms 0 and 1"
    ):
        run(context_for(tmp_path), SALT_PARAMETERS)


def test_stops_in_time_and_repeats_nothing(tmp_path, rock_salt, monkeypatch):
    computed = []
    original = collecting.fingerprints.site_fingerprints
    monkeypatch.setattr(
        collecting.fingerprints,
        "site_fingerprints",
        lambda structure, chemistry: computed.append(structure.cells[0, 0, 0]) or original(structure, chemistry),
    )
    write_task(tmp_path, rock_salt[[1, 0, 1]], rock_salt)
    with pytest.raises(Unfinished, match="reference: 1 of 2 structures"):
        run(context_for(tmp_path, max_seconds=0.0), SALT_PARAMETERS)
    with (tmp_path / "checkpoint" / LOG).open("a") as handle:
        handle.write('{"key": "cut off by a ki')
    results = run(context_for(tmp_path), SALT_PARAMETERS)
    assert computed == [5.13, 5.20]  # the generated ones are the same two
    assert results["n_analysed"] == 3
    assert len(Log(tmp_path / "checkpoint" / LOG).found) == 2
    last = json.loads((tmp_path / "progress.jsonl").read_text().splitlines()[-1])
    assert (last["stage"], last["done"], last["total"]) == ("fingerprints", 3, 3)


def test_the_key_is_of_atoms_cell_and_chemistry(rock_salt):
    key = key_of(rock_salt[0], SALT)
    assert key_of(rock_salt[0].with_property("energy", [1.0]), SALT) == key
    assert key_of(rock_salt[1], SALT) != key
    assert key_of(rock_salt[0], Chemistry.build({"Li": 2, "Cl": -1}, ["Li"], ["Cl"])) != key


def test_several_processes_give_the_same(tmp_path, rock_salt):
    structures = StructureSet.concatenate(
        [rock_salt, rock_salt.with_positions(rock_salt.positions * 1.01), rock_salt[0].with_positions(np.zeros((8, 3)))]
    )
    context = Context(tmp_path)
    serial = collect(context, "one", structures, SALT, 1, Log(tmp_path / "one.jsonl"))
    parallel = collect(context, "two", structures, SALT, 2, Log(tmp_path / "two.jsonl"))
    assert isinstance(serial[4], str)
    assert serial[4] == parallel[4]
    stacked = [Summaries.stack(item, SALT, {"Li": 4}, 85) for item in (serial, parallel)]
    assert len(stacked[0]) == 4
    assert np.array_equal(stacked[0].means, stacked[1].means)
