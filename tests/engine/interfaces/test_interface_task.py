import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Unfinished
from aiida_dismai.engine.interfaces.build import Builder
from aiida_dismai.engine.interfaces.crystals import check_crystal, li3sccl6, licoo2, read_crystal
from aiida_dismai.engine.interfaces.parameters import InterfaceParameters
from aiida_dismai.engine.interfaces.protocol import lsc_lco
from aiida_dismai.engine.interfaces.run import run
from aiida_dismai.engine.runner import run_task
from aiida_dismai.engine.store import PIECES
from aiida_dismai.engine.structures import StructureSet, from_ase, read_npz, write_extxyz, write_npz
from aiida_dismai.engine.tasks import find_task


def prepare(folder, parameters, seed=1, crystals=(licoo2, li3sccl6), **more):
    folder.mkdir(exist_ok=True)
    inputs = {}
    for name, crystal in zip(("slab_a", "slab_b"), crystals, strict=True):
        write_npz(crystal() if callable(crystal) else crystal, folder / f"{name}.npz")
        inputs[name] = f"{name}.npz"
    task = {"task": "interfaces.build", "seed": seed, "parameters": parameters, "inputs": inputs, **more}
    (folder / "task.json").write_text(json.dumps(task))
    return folder / "task.json"


def results_of(path):
    status = run_task(path, report=lambda line: None)
    return status, json.loads((path.parent / "results.json").read_text())


def test_the_papers_protocol_end_to_end(tmp_path):
    status, results = results_of(prepare(tmp_path, lsc_lco(45, exchanges=True)))
    assert status == 0
    assert results["n_structures"] == 45
    assert results["packing_failures"] == 0
    assert results["formula"] == "Li72Sc12Co36Cl72O72"
    assert results["n_atoms"] == 264
    assert 4.0 <= results["interface_thickness"]["min"] < results["interface_thickness"]["max"] <= 6.0
    assert results["slab_b"]["composition"] == {"Li": 27, "Sc": 9, "Cl": 54}
    assert results["slab_a"]["composition"] == {"Li": 36, "Co": 36, "O": 72}
    assert results["structures_per_second"] >= 20
    structures = read_npz(tmp_path / "structures.npz")
    assert len(structures) == 45
    assert results["n_exchanged"] == np.count_nonzero(structures.values("exchanges"))
    assert structures.properties["interface_thickness"].unit == "Å"
    assert set(structures.values("source")) == {"random"}
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["done"], line["total"]) for line in lines] == [
        ("build", 20, 45),
        ("build", 40, 45),
        ("build", 45, 45),
    ]


def test_chunks_make_the_whole(tmp_path):
    parameters = lsc_lco(exchanges=True)
    parts = []
    for number, (first, count) in enumerate([(0, 7), (0, 3), (3, 4)]):
        folder = tmp_path / str(number)
        status, _ = results_of(prepare(folder, parameters | {"first": first, "n_structures": count}))
        assert status == 0
        parts.append(read_npz(folder / "structures.npz"))
    assert parts[0] == StructureSet.concatenate(parts[1:])
    assert parts[0].values("index").tolist() == list(range(7))


def test_any_number_of_workers_makes_the_same(tmp_path):
    files = set()
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        status, results = results_of(prepare(folder, lsc_lco(12) | {"workers": workers}))
        assert status == 0, results
        files.add((folder / "structures.npz").read_bytes())
    assert len(files) == 1


def test_stopped_and_resumed_gives_the_same(tmp_path):
    parameters = lsc_lco(6, exchanges=True)
    results_of(prepare(tmp_path / "whole", parameters))
    prepare(tmp_path / "parts", parameters)
    inputs = {name: tmp_path / "parts" / f"{name}.npz" for name in ("slab_a", "slab_b")}
    model = InterfaceParameters.model_validate(parameters)
    for done in range(1, 6):
        with pytest.raises(Unfinished, match=f"{done} of 6"):
            run(Context(tmp_path / "parts", 1, inputs, max_seconds=0), model)
    # the time is also up for the last one, but then it is done
    assert run(Context(tmp_path / "parts", 1, inputs, max_seconds=0), model)["n_structures"] == 6
    assert read_npz(tmp_path / "parts" / "structures.npz") == read_npz(tmp_path / "whole" / "structures.npz")


def test_a_kill_costs_one_structure_and_more_may_be_asked_for(tmp_path, monkeypatch):
    parameters = tight(8, 2)
    _, whole = results_of(prepare(tmp_path / "whole", parameters, seed=3))
    results_of(prepare(tmp_path / "parts", parameters | {"n_structures": 5}, seed=3))
    pieces = tmp_path / "parts" / "checkpoint" / PIECES
    pieces.write_bytes(pieces.read_bytes()[:-1])  # as a kill leaves it
    built = []
    build = Builder.build
    monkeypatch.setattr(Builder, "build", lambda self, seed, index: built.append(index) or build(self, seed, index))
    _, results = results_of(prepare(tmp_path / "parts", parameters, seed=3))
    assert built == [4, 5, 6, 7]
    for name in ("n_structures", "packing_failures", "retries"):
        assert results[name] == whole[name]
    assert whole["retries"] > 0
    assert read_npz(tmp_path / "parts" / "structures.npz") == read_npz(tmp_path / "whole" / "structures.npz")


def test_a_checkpoint_of_another_seed_is_refused(tmp_path):
    prepare(tmp_path, lsc_lco(3))
    inputs = {name: tmp_path / f"{name}.npz" for name in ("slab_a", "slab_b")}
    model = InterfaceParameters.model_validate(lsc_lco(3))
    with pytest.raises(Unfinished):
        run(Context(tmp_path, 1, inputs, max_seconds=0), model)
    with pytest.raises(BadInput, match=r"checkpoint of another run \(seed differs\)"):
        run(Context(tmp_path, 2, inputs), model)


def tight(n, max_attempts, max_tries=400, thickness=(4.0, 6.0)):
    parameters = lsc_lco(n)
    parameters["region"] |= {"max_attempts": max_attempts, "max_tries": max_tries, "thickness": thickness}
    return parameters


def test_failures_are_counted_and_left_out(tmp_path):
    status, results = results_of(prepare(tmp_path, tight(30, 2), seed=3))
    assert status == 0
    assert results["packing_failures"] > 0
    assert results["retries"] > 0
    assert results["n_structures"] == 30 - results["packing_failures"]
    structures = read_npz(tmp_path / "structures.npz")
    assert len(structures) == results["n_structures"]
    assert set(structures.values("index")) < set(range(30))


def test_retries_keep_thickness_and_shift(tmp_path):
    results_of(prepare(tmp_path / "easy", tight(10, 50, 10**5)))
    _, results = results_of(prepare(tmp_path / "hard", tight(10, 50)))
    assert results["retries"] > 0
    easy, hard = (read_npz(tmp_path / name / "structures.npz") for name in ("easy", "hard"))
    assert results["packing_failures"] == 0
    for name in ("interface_thickness", "shift"):
        np.testing.assert_array_equal(easy.values(name), hard.values(name))


def test_a_region_that_is_too_tight_in_practice_is_refused(tmp_path):
    status, results = results_of(prepare(tmp_path, tight(100, 2, 2000, (1.5, 1.6))))
    assert status == 1
    assert results["error"]["kind"] == "bad_input"
    assert "not one structure could be packed" in results["error"]["message"]
    assert not (tmp_path / "structures.npz").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_structure": 3}, "unknown parameter 'n_structure'; did you mean 'n_structures'?"),
        ({"lateral_cell": {"a": 5, "b": 5, "gama": 90}}, "'lateral_cell.gama'; did you mean 'gamma'?"),
        ({"exchanges": [{"interface": "Sc", "top": "Co", "maximum": 1}]}, "did you mean 'top_layer'?"),
        ({"slab_a": {"miller": [0, 0, 0], "layers": 4}}, "(0, 0, 0) is not a plane"),
        ({"slab_a": {"miller": [1, 0, 0], "layers": -1}}, "slab_a.layers"),
        ({"element_order": ["Li", "Sc", "Co", "Cl", "Oxygen"]}, "'Oxygen' is not a chemical element"),
        ({"exchanges": [{"interface": "Mn", "top_layer": "Co", "maximum": 1}]}, "the random region has 0 of it"),
        ({"region": {"composition": {"Xx": 3}}}, "'Xx' is not a chemical element"),
        ({"region": {"composition": {"Li": 3}, "thickness": [6, 4]}}, "smallest ≤ largest"),
        ({"region": {"composition": {"Li": 3}, "distances": {"Li-O": 2, "O-Li": 3}}}, "appears twice"),
        ({"region": {"composition": {"Li": 3}, "distances": {"LiO": 2}}}, "not a pair of elements"),
        ({"region": {"composition": {"Cl": 500}}}, "cannot fit between the slabs"),
        ({"exchange_fraction": 1.5}, "exchange_fraction"),
    ],
)
def test_bad_parameters(tmp_path, change, message):
    status, results = results_of(prepare(tmp_path, lsc_lco() | change))
    assert status == 1
    assert results["error"]["kind"] == "bad_input"
    assert message in results["error"]["message"]


def test_without_a_seed(tmp_path):
    status, results = results_of(prepare(tmp_path, lsc_lco(), seed=None))
    assert (status, results["error"]["kind"]) == (1, "bad_input")
    assert "seed" in results["error"]["message"]


@pytest.mark.parametrize(
    ("crystal", "message"),
    [
        (StructureSet.empty(), "slab_b: the set of structures is empty"),
        (from_ase([Atoms(cell=[3, 3, 3], pbc=True)]), "no atoms"),
        (from_ase([Atoms("Li2", positions=[[0, 0, 0], [0.1, 0, 0]], cell=[3, 3, 3], pbc=True)]), "0.100 Å apart"),
        (from_ase([Atoms("Li", positions=[[np.nan, 0, 0]], cell=[3, 3, 3], pbc=True)]), "NaN"),
        (from_ase([Atoms("Li", cell=[3, 3, 3], pbc=[True, True, False])]), "not periodic"),
    ],
)
def test_bad_crystals(tmp_path, crystal, message):
    status, results = results_of(prepare(tmp_path, lsc_lco(), crystals=(licoo2, crystal)))
    assert (status, results["error"]["kind"]) == (1, "bad_input")
    assert message in results["error"]["message"]


@pytest.mark.parametrize("name", ["mgo.cif", "mgo.vasp", "mgo.extxyz", "mgo.npz"])
def test_crystals_from_every_kind_of_file(tmp_path, name):
    crystal = from_ase([bulk("MgO", "rocksalt", a=4.212, cubic=True)])
    if name.endswith("npz"):
        write_npz(crystal, tmp_path / name)
    elif name.endswith("extxyz"):
        write_extxyz(crystal, tmp_path / name)
    else:
        write(tmp_path / name, bulk("MgO", "rocksalt", a=4.212, cubic=True))
    read = read_crystal(tmp_path / name, "slab_a")
    assert sorted(read.numbers) == [8] * 4 + [12] * 4
    assert read.closest_pair(0) == pytest.approx(2.106, abs=1e-5)
    assert not read.properties


def test_a_disordered_cif_is_refused(tmp_path):
    from pymatgen.core import Lattice, Structure

    Structure(Lattice.cubic(3.6), [{"Fe": 0.6, "Ni": 0.4}], [[0, 0, 0]]).to(filename=str(tmp_path / "alloy.cif"))
    with pytest.raises(BadInput, match="partial occupancies"):
        read_crystal(tmp_path / "alloy.cif", "slab_a")


@pytest.mark.parametrize("extra", [None, 0.5])
def test_slabs_do_not_meet_across_the_boundary_of_the_cell(extra):
    parameters = lsc_lco(2)
    roomy = Builder(licoo2(), li3sccl6(), InterfaceParameters(**parameters))
    solid = float(roomy.cell[2, 2]) - parameters["vacuum"]
    given = parameters | {"vacuum": 0.0, "c": None if extra is None else solid + extra}
    with pytest.raises(BadInput, match=r"vacuum: the cell is periodic.*give at least region.default_distance, 2.0 Å"):
        Builder(licoo2(), li3sccl6(), InterfaceParameters(**given))


def test_only_the_first_structure_of_a_file_is_used():
    both = StructureSet.concatenate([licoo2(), li3sccl6()])
    assert check_crystal(both, "slab_a") == licoo2()


def test_the_bulk_crystals():
    assert sorted(licoo2().elements) == ["Co", "Li", "O"]
    assert len(licoo2().numbers) == 12
    assert len(li3sccl6().numbers) == 20
    assert licoo2().closest_pair(0) == pytest.approx(1.92, abs=0.02)  # Co–O of LiCoO2
    assert li3sccl6().closest_pair(0) == pytest.approx(2.5, abs=0.1)  # Sc–Cl


def test_the_schema_is_documented():
    def undocumented(schema, path=""):
        for name, field in schema.get("properties", {}).items():
            if "description" not in field and "$ref" not in field:
                yield f"{path}.{name}"

    schema = find_task("interfaces.build").model().model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        assert not list(undocumented(part))
