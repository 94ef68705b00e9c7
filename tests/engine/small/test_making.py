"""Making some of the small data sets anew: alloys and networks to the last bit, relaxed sets within the noise floor."""

import json

import numpy as np
import pytest

from aiida_dismai.engine.errors import DismaiError, NothingLeft
from aiida_dismai.engine.interfaces.crystals import li3sccl6, licoo2
from aiida_dismai.engine.recipes.families import hashes, make
from aiida_dismai.engine.recipes.label import label
from aiida_dismai.engine.recipes.making import write_set
from aiida_dismai.engine.small.catalogue import SmallSet, available, find, manifest, recipe
from aiida_dismai.engine.steps import Steps
from aiida_dismai.engine.structures import StructureSet, read_npz, write_npz
from aiida_dismai.engine.structures.npz import open_arrays

pytestmark = pytest.mark.engine


def silent(line):
    pass


def both_parts(name):
    chosen = find(name)
    return StructureSet.concatenate([chosen.load(part) for part in ("train", "validation")])


@pytest.mark.parametrize("temperature", ["300K", "1500K"])
def test_the_beginning_of_a_run_gives_the_shipped_alloys_to_the_last_bit(temperature, tmp_path):
    given = recipe()["alloy"]
    begun = {"temperature": given["temperatures"][temperature], "runs": 1, "passes": given["sample"]["burn_in"] + 4000}
    place = Steps(tmp_path, report=silent).run("sample", "alloys.sample", given["sample"] | begun, seed=given["seed"])
    with open_arrays(place / "snapshots.npz", "snapshots") as arrays:
        passes, numbers, positions = (arrays.read(name) for name in ("pass", "numbers", "positions"))
    for order in ("wide", "narrow"):
        shipped = both_parts(f"alloy_{temperature}_{order}")
        mine = np.flatnonzero((shipped.values("run") == 0) & (shipped.values("pass") <= passes.max()))
        assert len(mine) >= 3
        for index in mine:
            one = shipped[int(index)]
            (here,) = np.flatnonzero(passes == one.values("pass")[0])
            for number in np.unique(one.numbers):
                wanted = positions[numbers[here] == number]
                np.testing.assert_array_equal(one.positions[one.numbers == number], wanted)


needs_silicon = pytest.mark.skipif("amorphous" not in available(), reason="amorphous is not in this version")
needs_interface = pytest.mark.skipif("interface" not in available(), reason="interface is not in this version")


def within_the_floor(folder, kind, anew, shipped):
    """Structures relaxed here against the same ones as they ship: no measure above the noise floor of so many."""
    write_npz(anew, folder / "anew.npz")
    write_npz(shipped, folder / "shipped.npz")
    inputs = {"structures": folder / "anew.npz", "reference": folder / "shipped.npz"}
    Steps(folder, report=silent).run("metrics", "metrics", {"kind": kind, "resamples": 50}, inputs)
    results = json.loads((folder / "metrics" / "results.json").read_text())
    floors = [entry for entry in results.values() if isinstance(entry, dict) and entry.get("floor")]
    assert floors
    assert all(entry["value"] <= entry["floor"] for entry in floors)


@needs_silicon
def test_networks_to_the_last_bit_and_relaxed_within_the_noise_floor(tmp_path):
    given, noted = recipe()["amorphous"], manifest()["amorphous"]["unrelaxed"]
    steps = Steps(tmp_path, report=silent)
    made = steps.run("network", "amorphous.network", given["network"] | {"n_structures": 4}, seed=given["seed"])
    assert list(hashes(read_npz(made / "structures.npz"))) == noted[:4]
    relaxed = steps.run("relax", "relax", given["relax"], {"structures": made / "structures.npz"})
    compare_relaxed(tmp_path, "amorphous", read_npz(relaxed / "structures.npz"))


@needs_interface
def test_interfaces_to_the_last_bit_and_relaxed_within_the_noise_floor(tmp_path):
    given, noted = recipe()["interface"], manifest()["interface"]["unrelaxed"]
    steps = Steps(tmp_path, report=silent)
    crystals = {"slab_a": tmp_path / "a.npz", "slab_b": tmp_path / "b.npz"}
    write_npz(licoo2(), crystals["slab_a"])
    write_npz(li3sccl6(), crystals["slab_b"])
    parameters = given["build"] | {"n_structures": 4}
    built = steps.run("build", "interfaces.build", parameters, crystals, seed=given["seed"]["candidates"])
    assert list(hashes(read_npz(built / "structures.npz"))) == noted[:4]
    inputs = {"structures": built / "structures.npz", "potential": find("interface").potential_folder}
    relaxed = steps.run("relax", "relax", given["relax"], inputs)
    compare_relaxed(tmp_path, "interface", read_npz(relaxed / "structures.npz"))


def compare_relaxed(folder, name, relaxed):
    """Those of the data set among the first structures, made here and shipped."""
    shipped = both_parts(name)
    chosen = [index for index in relaxed.values("index") if index in shipped.values("index")]
    assert len(chosen) >= 2
    anew = relaxed[[int(np.flatnonzero(relaxed.values("index") == index)[0]) for index in chosen]]
    same = shipped[[int(np.flatnonzero(shipped.values("index") == index)[0]) for index in chosen]]
    np.testing.assert_allclose(anew.values("energy") / anew.n_atoms, same.values("energy") / same.n_atoms, atol=2e-3)
    within_the_floor(folder, name, anew, same)


# ------------------------------------------------------------------ the machinery, on a small alloy
SMALL = {
    "version": 1,
    "n_structures": 10,
    "validation_share": 0.2,
    "split_seed": 1,
    "alloy": {
        "seed": 1,
        "temperatures": {"300K": 300},
        "sample": {
            "supercell": [2, 2, 2],
            "composition": {"Cr": 6, "Fe": 20, "Ni": 6},
            "runs": 2,
            "passes": 900,
            "burn_in": 100,
            "max_structures": 0,
        },
        "selections": {"wide": {}, "narrow": {"width": 1e-6}},
    },
}


def test_a_step_that_is_finished_is_not_run_again_and_another_one_is(tmp_path):
    said = []
    steps = Steps(tmp_path, report=said.append)
    first = make(steps, SMALL, "alloy_300K_wide")
    assert len(said) == 1
    again = make(Steps(tmp_path, 2, said.append), SMALL, "alloy_300K_wide")
    assert len(said) == 1
    assert again.structures == first.structures
    other = {**SMALL, "alloy": {**SMALL["alloy"], "seed": 2}}
    with pytest.raises(DismaiError, match="did not finish"):  # its checkpoint is that of the first seed
        make(steps, other, "alloy_300K_wide")
    assert any("seed" in line for line in said)


def test_too_few_structures_are_said(tmp_path):
    with pytest.raises(NothingLeft, match="alloy_300K_narrow: 0 structures, 10 are wanted"):
        make(Steps(tmp_path, report=silent), SMALL, "alloy_300K_narrow")


def test_files_and_manifest_of_a_set(tmp_path):
    made = make(Steps(tmp_path / "work", report=silent), SMALL, "alloy_300K_wide")
    write_set("alloy_300K_wide", made, SMALL, tmp_path / "data")
    noted = manifest(tmp_path / "data")["alloy_300K_wide"]
    chosen = SmallSet("alloy_300K_wide", "alloy", "", folder=tmp_path / "data")
    assert [len(chosen.load(part)) for part in ("train", "validation")] == [8, 2]
    assert noted["summary"]["kept"] == 10
    assert "numpy" in noted["versions"]
    assert set(chosen.load("train").properties) == {"formation_energy", "pass", "run"}


def test_labels_are_the_steps_of_relaxations_and_are_computed_once(tmp_path, copper):
    settings = {"calculator": "ase.calculators.emt:EMT", "steps": 5, "every": 2, "fmax": 1e-4}
    said = []
    file = label(copper(count=2), settings, tmp_path / "label", 1, said.append)
    labelled = read_npz(file)
    assert labelled.values("trajectory").tolist() == [0] * 4 + [1] * 4
    assert labelled.values("step").tolist() == [0, 2, 4, 5] * 2
    assert (np.diff(labelled.values("energy")[:4]) < 0).all()
    assert set(labelled.values("method")) == {"ase.calculators.emt:EMT ?"}
    assert labelled.values("stress").shape == (8, 3, 3)
    assert said == ["interface/label: 2 of 2 relaxations with ase.calculators.emt:EMT"]
    before = file.read_bytes()
    assert label(copper(count=2), settings, tmp_path / "label", 1, said.append).read_bytes() == before
    assert len(said) == 1
