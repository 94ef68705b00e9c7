"""The task ``alloys.sample``: what it leaves behind, that it goes on where it was, the paper's averages, bad input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.monte_carlo_systems import HCP

from aiida_dismai.engine import compiling
from aiida_dismai.engine.alloys.energies import evaluate
from aiida_dismai.engine.alloys.expansion import Expansion, packaged_expansion
from aiida_dismai.engine.alloys.monte_carlo.parameters import SampleParameters
from aiida_dismai.engine.alloys.monte_carlo.sampler import temperatures
from aiida_dismai.engine.ownership import Owner
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.store import PIECES, Store
from aiida_dismai.engine.structures import read_npz
from aiida_dismai.engine.tasks import find_task

OUTPUTS = find_task("alloys.sample").outputs
SHORT = {"temperature": 1200, "passes": 120, "burn_in": 33, "snapshot_interval": 10, "runs": 3}


def start(folder: Path, seed: int = 4, inputs: dict[str, str] | None = None, **parameters: Any) -> dict[str, Any]:
    """Run the task in a folder; returns results.json."""
    folder.mkdir(exist_ok=True)
    task = {"task": "alloys.sample", "seed": seed, "parameters": {**SHORT, **parameters}, "inputs": inputs or {}}
    (folder / "task.json").write_text(json.dumps(task))
    run_task(folder / "task.json", report=lambda line: None)
    return json.loads((folder / "results.json").read_text())


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    results = start(folder)
    assert results["status"] == "finished", results.get("error")
    return folder, results


def test_snapshots_follow_the_burn_in(sampled):
    folder, results = sampled
    with np.load(folder / "snapshots.npz") as snapshots:
        assert snapshots["pass"].tolist() == [43, 53, 63, 73, 83, 93, 103, 113] * 3
        assert snapshots["run"].tolist() == [0] * 8 + [1] * 8 + [2] * 8
        assert snapshots["numbers"].shape == (24, 256)
        assert snapshots["numbers"].dtype == np.uint8
        assert snapshots["sro"].shape == (24, 7, 6)
        # positions are written once
        assert snapshots["positions"].shape == (256, 3)
    with np.load(folder / "traces.npz") as traces:
        assert traces["pass"].tolist() == [3, 13, 23, 33, 43, 53, 63, 73, 83, 93, 103, 113]
        assert traces["energy"].shape == (3, 114)
        assert traces["sro"].shape == (3, 12, 7, 6)
        assert (np.diff(traces["accepted"], axis=1) > 0).all()
    assert (results["n_snapshots"], results["n_structures"], results["n_sites"]) == (24, 24, 256)
    assert results["composition"] == {"Cr": 51, "Fe": 154, "Ni": 51}


def test_structures_have_the_energies_that_they_say(sampled):
    folder, _ = sampled
    structures = read_npz(folder / "structures.npz")
    assert set(structures.formulas) == {"Cr51Fe154Ni51"}
    assert structures.properties["formation_energy"].unit == "eV/atom"
    found = evaluate(structures, packaged_expansion(), align="none")
    np.testing.assert_allclose(found.formation_energy, structures.values("formation_energy"), rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.sro, structures.values("sro"), rtol=0, atol=1e-12)
    fractional = structures.positions @ np.linalg.inv(structures.cells[0])
    assert fractional.min() > -1e-9
    assert fractional.max() < 1 - 1e-9
    with np.load(folder / "snapshots.npz") as snapshots, np.load(folder / "traces.npz") as traces:
        np.testing.assert_array_equal(snapshots["formation_energy"], structures.values("formation_energy"))
        for run, done, energy in zip(snapshots["run"], snapshots["pass"], snapshots["formation_energy"], strict=True):
            assert traces["energy"][run, done] == pytest.approx(energy, abs=1e-12)
        # atoms of the structures are those of the sites, sorted by species
        sites = [tuple(np.round(row, 6)) for row in snapshots["positions"]]
        for index in (0, 13):
            own = structures.atoms_of(index)
            places = [sites.index(tuple(np.round(row, 6))) for row in structures.positions[own]]
            np.testing.assert_array_equal(snapshots["numbers"][index][places], structures.numbers[own])


def test_results_summarise_the_traces(sampled):
    folder, results = sampled
    with np.load(folder / "traces.npz") as traces:
        energy, sro = traces["energy"][:, 34:], traces["sro"][:, 4:]
        accepted = traces["accepted"]
    assert results["formation_energy"]["mean"] == pytest.approx(energy.mean())
    assert results["formation_energy"]["std"] == pytest.approx(energy.std())
    assert results["acceptance"] == pytest.approx((accepted[:, -1] - accepted[:, 3]).sum() / (3 * 80 * 256))
    assert list(results["sro"]) == [f"{shell}NN" for shell in range(1, 8)]
    assert results["sro"]["2NN"]["Cr-Ni"]["mean"] == pytest.approx(sro[:, :, 1, 2].mean(), rel=1e-5)
    assert results["sro"]["1NN"]["Fe-Fe"]["error"] > 0
    assert results["autocorrelation_passes"] >= 1
    assert results["r_hat"] == pytest.approx(1, abs=0.2)
    assert results["drift"] < 1e-12
    assert results["swaps"] == 3 * 113 * 256
    assert results["swaps_per_second"] > 0
    lines = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
    # where kernels were not compiled yet, a line says so
    assert [line["done"] for line in lines if line["stage"] != compiling.STAGE] == [12, 24, 36]


def test_a_run_depends_on_its_number_and_the_seed_alone(sampled, tmp_path):
    folder, _ = sampled
    assert start(tmp_path / "one", workers=1)["workers"] == 1
    assert start(tmp_path / "many", workers=16)["workers"] == 3
    assert files(tmp_path / "one") == files(tmp_path / "many") == files(folder)
    start(tmp_path / "fewer", runs=2)
    with np.load(folder / "traces.npz") as all_runs, np.load(tmp_path / "fewer" / "traces.npz") as fewer:
        np.testing.assert_array_equal(all_runs["energy"][:2], fewer["energy"])
    start(tmp_path / "other", seed=5)
    with np.load(folder / "traces.npz") as all_runs, np.load(tmp_path / "other" / "traces.npz") as other:
        assert not np.isin(other["energy"][:, 1:], all_runs["energy"]).any()


def test_finished_runs_are_lengthened(sampled, tmp_path):
    folder, _ = sampled
    start(tmp_path, passes=60, runs=2)
    results = start(tmp_path)
    assert results["swaps"] == (2 * 60 + 113) * 256  # the passes 54 to 113 of two runs, and the third
    assert files(tmp_path) == files(folder)
    again = start(tmp_path)
    assert (again["swaps"], again["swaps_per_second"]) == (0, None)
    assert files(tmp_path) == files(folder)


def test_killed_it_goes_on_to_the_same_bytes(tmp_path):
    """SIGKILL of a real ``dismai run`` after its first records."""
    long = {"temperature": 1500, "passes": 18_000, "burn_in": 4_000, "snapshot_interval": 50, "runs": 2}
    whole = start(tmp_path / "whole", **long)
    assert whole["status"] == "finished"
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "task.json").write_text((tmp_path / "whole" / "task.json").read_text())
    command = [sys.executable, "-m", "aiida_dismai.engine.main", "run", "task.json"]
    records = tmp_path / "killed" / "checkpoint"
    with subprocess.Popen(command, cwd=tmp_path / "killed", stdout=subprocess.DEVNULL) as process:
        for _ in range(12_000):
            if records.is_dir() and any(path.stat().st_size for path in records.iterdir()):
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "structures.npz").exists()
    # and as if it had been killed in the middle of writing
    first = sorted(records.iterdir())[0]
    with first.open("ab") as handle:
        handle.write(b"\x01" * 500)
    results = start(tmp_path / "killed", **long)
    assert results["status"] == "finished"
    assert 0 < results["swaps"] < whole["swaps"]
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    for name in ("formation_energy", "sro", "acceptance", "r_hat", "autocorrelation_passes"):
        assert results[name] == whole[name]


def test_out_of_time_it_stops_and_goes_on(tmp_path, monkeypatch, sampled):
    folder, _ = sampled
    monkeypatch.setattr("aiida_dismai.engine.alloys.monte_carlo.sampler.CHUNK", 256 * 30)
    task = {"task": "alloys.sample", "seed": 4, "parameters": {**SHORT, "workers": 2}, "max_seconds": 0}
    stages = []
    for _ in range(40):
        (tmp_path / "task.json").write_text(json.dumps(task))
        run_task(tmp_path / "task.json", report=lambda line: None)
        results = json.loads((tmp_path / "results.json").read_text())
        stages.append(results["status"])
        if results["status"] == "finished":
            break
        assert results["error"]["kind"] == "unfinished"
        assert "snapshots (burn-in included) are made; run again to resume" in results["error"]["message"]
    assert len(stages) > 3
    assert stages[-1] == "finished"
    assert files(tmp_path) == files(folder)


def test_damaged_records_are_sampled_again(tmp_path, sampled):
    folder, _ = sampled
    start(tmp_path)
    path = tmp_path / "checkpoint" / PIECES
    content = path.read_bytes()
    path.write_bytes(content[:-256] + b"\x00" * 256)  # the last arrangement, as after a power cut
    assert start(tmp_path)["swaps"] == 113 * 256
    assert files(tmp_path) == files(folder)


def test_records_of_another_sampling_are_refused(tmp_path):
    start(tmp_path)
    error = start(tmp_path, temperature=301.0)["error"]
    assert "checkpoint of another run (parameters.temperature differs)" in error["message"]
    assert error["message"].endswith("free to change: max_structures, passes, runs, workers")


def test_an_energy_that_has_drifted_is_an_error(tmp_path):
    start(tmp_path)
    path = tmp_path / "checkpoint" / PIECES
    store = Store(path, Owner(json.loads(path.read_bytes().split(b"\n")[0])))
    content = bytearray(store.read("0:0"))
    place = 11 * (len(content) // 12) + 16 + 8 * 9  # the change of the energy at the end of the last record
    energy = np.frombuffer(content[place : place + 8], "<f8")[0]
    content[place : place + 8] = np.array([energy + 1e-6]).tobytes()
    store.add("0:0", bytes(content))
    error = start(tmp_path)["error"]
    assert error["kind"] == "diverged"
    assert "the energy has drifted by 3.9e-09 eV/atom" in error["message"]


def test_few_structures_are_spread_over_all_runs(tmp_path, sampled):
    results = start(tmp_path, max_structures=6)
    assert (results["n_snapshots"], results["n_structures"]) == (24, 6)
    structures = read_npz(tmp_path / "structures.npz")
    assert structures.values("run").tolist() == [0, 0, 1, 1, 2, 2]
    assert structures.values("pass").tolist() == [43, 83] * 3
    assert start(tmp_path, max_structures=0)["n_structures"] == 0
    assert len(read_npz(tmp_path / "structures.npz")) == 0


def test_any_lattice_and_cell(tmp_path):
    (tmp_path / "mine.json").write_text(HCP.model_dump_json(exclude_none=True))
    results = start(
        tmp_path,
        inputs={"expansion": "mine.json"},
        supercell=[[3, 0, 0], [1, 2, 0], [0, 0, 2]],
        composition={"Ti": 0.5, "Al": 0.25, "V": 0.25},
        lattice_constant=2.95,
        passes=60,
    )
    assert results["status"] == "finished", results.get("error")
    assert results["composition"] == {"Ti": 12, "Al": 6, "V": 6}
    structures = read_npz(tmp_path / "structures.npz")
    found = evaluate(structures, Expansion.build(HCP, 2.95), align="none")
    np.testing.assert_allclose(found.formation_energy, structures.values("formation_energy"), rtol=0, atol=1e-13)


#: science.md section 5: energy per atom, acceptance, Warren–Cowley parameters of shells 1 and 2, in the order
#: Fe–Ni, Cr–Fe, Cr–Ni, Fe–Fe, Cr–Cr, Ni–Ni.
PAPER = {
    300: (
        -0.0942,
        0.026,
        [[0.226, -0.187, -0.430, -0.013, 0.996, -0.251], [0.204, 0.764, 0.972, -0.320, -3.28, -1.59]],
    ),
    1500: (
        -0.0632,
        0.43,
        [[0.010, -0.004, -0.082, -0.002, 0.095, 0.050], [0.033, 0.055, 0.033, -0.029, -0.198, -0.132]],
    ),
}
ORDER = ["Fe-Ni", "Cr-Fe", "Cr-Ni", "Fe-Fe", "Cr-Cr", "Ni-Ni"]


@pytest.mark.parametrize("temperature", PAPER)
def test_the_papers_averages(tmp_path, temperature):
    results = start(tmp_path, seed=1, temperature=temperature, passes=6000, burn_in=2000, runs=4, max_structures=0)
    energy, acceptance, orders = PAPER[temperature]
    mean, error = results["formation_energy"]["mean"], results["formation_energy"]["error"]
    assert error < 1.5e-4
    assert mean == pytest.approx(energy, abs=4 * error + 5e-5)  # printed with four decimals
    assert results["formation_energy"]["std"] == pytest.approx(0.0013, abs=1e-4)
    assert results["acceptance"] == pytest.approx(acceptance, rel=0.06)  # printed with two digits
    for shell, values in enumerate(orders, start=1):
        for pair, value in zip(ORDER, values, strict=True):
            found = results["sro"][f"{shell}NN"][pair]
            # theirs have errors too, about as large as ours with a tenth of the passes over three
            assert found["mean"] == pytest.approx(value, abs=5 * found["error"] + 0.005), (shell, pair)
    assert results["r_hat"] < 1.1
    # about 100 passes at 300 K by the authors' judgement; at 1500 K a pass or two
    low, high = (20, 200) if temperature == 300 else (1, 3)
    assert low < results["autocorrelation_passes"] < high
    assert results["sro_autocorrelation_passes"] >= results["autocorrelation_passes"] * 0.9


def test_runs_that_were_quenched_are_told_and_cooled_ones_agree(tmp_path):
    """At 300 K some runs stay in domains when they are not cooled: the energy is too high, and R-hat says so."""
    short = {"seed": 77, "temperature": 300, "passes": 5000, "burn_in": 3000, "runs": 12, "max_structures": 0}
    quenched = start(tmp_path / "quenched", start_temperature=None, **short)
    cooled = start(tmp_path / "cooled", **short)
    assert quenched["r_hat"] > 1.1
    assert "r_hat is" in quenched["warnings"][-1]
    assert quenched["formation_energy"]["mean"] > cooled["formation_energy"]["mean"] + 1e-4
    assert cooled["r_hat"] < 1.1
    assert cooled["formation_energy"]["mean"] == pytest.approx(-0.0942, abs=2e-4)


def test_the_temperature_falls_in_the_first_half_of_the_burn_in():
    parameters = SampleParameters(temperature=300, passes=200, burn_in=100, start_temperature=1200)
    passes = np.arange(200)
    found = temperatures(parameters, passes)
    assert found[0] == pytest.approx(1200)
    assert found[25] == pytest.approx(600)  # half of the way in the logarithm
    assert (found[50:] == 300).all()
    assert (np.diff(found[:51]) < 0).all()
    hotter = SampleParameters(temperature=1500, passes=200, burn_in=100, start_temperature=1200)
    none = SampleParameters(temperature=300, passes=200, burn_in=100, start_temperature=None)
    at_once = SampleParameters(temperature=300, passes=200, burn_in=0)
    for parameters in (hotter, none, at_once):
        assert (temperatures(parameters, passes) == parameters.temperature).all()


def test_frozen_runs_are_told(tmp_path):
    results = start(tmp_path, temperature=1, passes=700, burn_in=600)
    assert results["acceptance"] < 1e-3
    assert results["status"] == "finished"
    assert results["warnings"]
    assert "NaN" not in (tmp_path / "results.json").read_text()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperature": -300}, "temperature: Input should be greater than 0 (given: -300)"),
        ({"temperature": 0}, "temperature: Input should be greater than 0"),
        ({"tempreature": 300}, "unknown parameter 'tempreature'; did you mean 'temperature'"),
        ({"burn_in": 115}, "passes (120) must exceed burn_in (115) by snapshot_interval (10) or more"),
        ({"supercell": [4, 4]}, "supercell"),
        ({"supercell": [4, 4, 0]}, "supercell: [4, 4, 0]: repeats must be 1 or more"),
        ({"supercell": [[1, 0, 0], [0, 1, 0], [1, 1, 0]]}, "span no volume"),
        ({"supercell": [40, 40, 40]}, "256000 sites are more than the 200000 that can be sampled"),
        (
            {"supercell": [5, 5, 5]},
            "composition: Cr 51, Fe 154, Ni 51 (256 atoms) do not fit the supercell's 500 sites; nearest is Cr 100, "
            "Fe 301, Ni 99",
        ),
        (
            {"composition": {"Fe": 0.6, "Ni": 0.2, "Cr": 0.2}},
            "composition: Fe 0.6, Ni 0.2, Cr 0.2 (shares) do not fit the supercell's 256 sites; nearest is Cr 51, "
            "Fe 154, Ni 51",
        ),
        ({"composition": {"Fe": 200, "Co": 56}}, "the cluster expansion has no species 'Co'; did you mean"),
        ({"composition": {"Fe": 200, "Cr": 50, "X": 6}}, "no species 'X'"),
        ({"composition": {"Fe": 200, "Cr": 50, "Va": 6}}, "every site holds an atom, vacancies are not sampled"),
        ({"composition": {"Fe": 300, "Cr": -44}}, "-44 atoms of Cr"),
        ({"composition": {"Fe": 200.5, "Cr": 55.5}}, "do not fit"),
        ({"composition": {"Fe": 256}}, "with a single species there is nothing to swap"),
        ({"composition": {}}, "do not fit the supercell's 256 sites"),
    ],
)
def test_bad_parameters(tmp_path, parameters, message):
    error = start(tmp_path, **parameters)["error"]
    assert error["kind"] == "bad_input"
    assert message in error["message"]


def test_bad_expansions(tmp_path):
    content = json.loads(HCP.model_dump_json(exclude_none=True))
    del content["shells"][1]["pairs"]["Ti-V"]
    (tmp_path / "mine.json").write_text(json.dumps(content))
    assert "shell 2: no coefficient for Ti-V" in start(tmp_path, inputs={"expansion": "mine.json"})["error"]["message"]
    content = json.loads(HCP.model_dump_json(exclude_none=True))
    (tmp_path / "mine.json").write_text(json.dumps(content))
    both = start(tmp_path, inputs={"expansion": "mine.json"}, expansion=content)
    assert "given twice" in both["error"]["message"]
    content["shells"][2]["radius"] = 4.6
    assert "no two sites are 4.6 Å apart" in start(tmp_path, expansion=content)["error"]["message"]
