"""What the viewer shows: which structures, in which states, how many of how many."""

import numpy as np
import pytest
from ase.build import bulk

from aiida_dismai.engine.structures import Property, StructureSet, from_ase
from aiida_dismai.report.family import find_report
from aiida_dismai.report.model import Model
from aiida_dismai.report.scenes import MAX_SCENES, Sets, coordination, drawn, scenes_of, viewer_data


def structures(n, atoms=6, seed=0, **properties):
    positions = np.random.default_rng(seed).uniform(0, 5, (n, atoms, 3))
    given = {name: Property(np.asarray(values), "structure") for name, values in properties.items()}
    return StructureSet.from_uniform([3, 27, 8, 8, 8, 8][:atoms], positions, np.diag([5.0, 6, 7]), properties=given)


def model(n, name="model_0", **more):
    distances = np.linspace(0.1, 1.0, n)
    arrays = {"index": np.arange(n), "source_index": np.arange(n) + 1, "d_all": distances, "cos_all": distances}
    return Model(name, {}, per_structure=arrays | more)


FAMILY = find_report("interface")


@pytest.mark.parametrize(
    ("atoms", "neighbours"),
    [
        (bulk("Cu"), [12]),
        (bulk("Si"), [4, 4]),
        (bulk("Si", cubic=True), [4] * 8),
        (bulk("NaCl", "rocksalt", a=5.64), [6, 6]),
    ],
)
def test_coordination(atoms, neighbours):
    assert coordination(from_ase([atoms])).tolist() == neighbours


def test_best_median_and_worst_with_the_nearest_training_structure():
    noted = {"shown_d_all": np.array([0, 4, 9]), "shown_training_d_all": np.array([2, 0, 1])}
    training = structures(3, seed=2)
    scenes = scenes_of(model(10, **noted), FAMILY, Sets(structures(10), structures(12, seed=1), training))
    assert [(scene.measure, scene.place, scene.title) for scene in scenes] == [
        ("d_all", "best", "structure 1 · d_all 0.1"),
        ("d_all", "median", "structure 5 · d_all 0.5"),
        ("d_all", "worst", "structure 10 · d_all 1"),
    ]
    generated, relaxed, nearest = scenes[1].panes
    assert generated["structure"] == drawn(structures(12, seed=1)[5])
    assert relaxed["structure"] == drawn(structures(10)[4])
    assert nearest["structure"] == drawn(training[0])
    assert nearest["title"] == "nearest training structure (0)"


def test_what_is_not_known_is_said():
    scenes = scenes_of(model(4), FAMILY, Sets(structures(5), None, None, relaxed=False))
    generated, relaxed, nearest = scenes[0].panes
    assert generated["structure"] == drawn(structures(5)[0])  # measured as generated
    assert (relaxed["structure"], relaxed["note"]) == (None, "measured as it was generated, not relaxed")
    assert "not part of this report" in nearest["note"]
    older = scenes_of(model(4), FAMILY, Sets(structures(5), structures(5), structures(3)))
    assert older[0].panes[2]["note"].startswith("not known")


def test_files_name_their_structures():
    names = [f"g{i}.cif, frame 0" for i in range(6)]
    scenes = scenes_of(model(4), FAMILY, Sets(structures(5), structures(6), names=names))
    assert scenes[0].title.startswith("g1.cif, frame 0 · ")


def test_structures_that_cannot_be_drawn():
    broken = structures(5)
    positions = broken.positions.copy()
    positions[6] = np.nan
    scenes = scenes_of(model(4), FAMILY, Sets(broken.with_positions(positions), broken.with_positions(positions)))
    assert scenes[0].panes[0]["structure"] is None
    assert "no numbers" in scenes[0].panes[0]["note"]


def test_measures_of_another_set_give_no_scene():
    assert scenes_of(model(10), FAMILY, Sets(structures(5))) == []
    assert scenes_of(Model("m", {}), FAMILY, Sets(structures(5))) == []


def test_regions_and_cells_are_drawn():
    one = structures(1).with_properties({"region": Property(np.array([0, 1, 2, 3, 3, 3]), "atom")})
    found = drawn(one.with_positions(one.positions - 10.0))
    assert found["region"] == [0, 1, 2, 3, 3, 3]
    assert found["elements"] == ["Li", "O", "Co"]
    assert found["kinds"] == [0, 2, 1, 1, 1, 1]
    assert found["cell"] == [5, 0, 0, 0, 6, 0, 0, 0, 7]
    inside = np.array(found["positions"]).reshape(-1, 3)
    assert ((inside >= 0) & (inside <= [500, 600, 700])).all()


def test_three_thousand_structures_are_sampled_and_the_page_says_so():
    many = [model(3000, f"model_{i}") for i in range(20)]
    sets = Sets(structures(3000))
    scenes = [scene for one in many for scene in scenes_of(one, FAMILY, sets)]
    found = viewer_data(scenes, 60_000)
    assert len(found["scenes"]) == MAX_SCENES
    assert found["note"].startswith(f"{MAX_SCENES} of 60000 analysed structures are shown")
    assert "15 more choices are left out" in found["note"]
    alone = viewer_data(scenes[:3], 3000)
    assert alone["note"].startswith("3 of 3000 analysed structures are shown: by each distance the best")
    assert alone["measures"] == [{"name": "d_all", "label": "fingerprint distance, all cations"}]
    assert set(alone["colours"]) == {"Li", "O", "Co"}


def test_large_structures_count_by_their_atoms():
    cell = np.diag([50.0] * 3)
    large = StructureSet.from_uniform(np.full(9000, 14), np.random.default_rng(0).uniform(0, 50, (5, 9000, 3)), cell)
    scenes = scenes_of(model(4), FAMILY, Sets(large, None, None))
    found = viewer_data(scenes * 5, 4)
    assert len(found["scenes"]) == 6


def test_nothing_to_show():
    assert viewer_data([], 0) == {}
