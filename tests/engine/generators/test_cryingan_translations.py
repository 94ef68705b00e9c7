from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from support.killed import run_and_kill, write_task
from support.weights import same_weights, weights_of

from aiida_dismai.engine.checkpoint import load_checkpoint
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.generators.cryingan.config import CryinganParameters
from aiida_dismai.engine.generators.cryingan.data import TrainingData, prepare
from aiida_dismai.engine.generators.cryingan.train import Adversaries, Game, train
from aiida_dismai.engine.generators.cryingan.translations import Images
from aiida_dismai.engine.generators.training.epochs import CHECKPOINT
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.structures import StructureSet, load_structures, write_npz

ALLOY = Path(__file__).parents[2] / "data" / "reference" / "alloy" / "inputs" / "train_300K.extxyz.gz"
BOTH = ("coordinates", "distances")


@pytest.fixture(scope="module")
def alloy():
    return load_structures(ALLOY)


def prepared(structures, **parameters):
    return prepare(structures, structures[0], CryinganParameters(**parameters), "cpu", "training structures")


def images_of(structures, counts, **parameters):
    return Images(prepared(structures, **parameters), structures[0], counts, "training structures")


def copies(structures, counts):
    """Return the explicit copy: every structure shifted by every lattice translation, wrapped, one after the other."""
    n = structures.n_atoms[0]
    cell = structures.cells[0]
    positions = []
    for own in structures.positions.reshape(-1, n, 3):
        for steps in itertools.product(*map(range, counts)):
            moved = own + np.array(steps) / counts @ cell
            fractional = np.linalg.solve(cell.T, moved.T).T
            positions.append((fractional - np.floor(fractional)) @ cell)
    return StructureSet.from_uniform(structures.numbers[:n], np.array(positions), cell, structures.pbc[0])


def toy_alloys(n=5, seed=0):
    """Perfect rock-salt sites with the two elements put on them at random."""
    random = np.random.default_rng(seed)
    sites = np.stack(np.meshgrid([0, 0.5], [0, 0.5], [0, 0.5]), axis=-1).reshape(8, 3) * 5.0
    return StructureSet.from_uniform(
        [11] * 4 + [17] * 4, np.array([random.permutation(sites) for _ in range(n)]), np.eye(3) * 5.0
    )


def sheared(crystals):
    """Noisy structures of 2 × 1 × 1 lattice cells whose supercell is triclinic and not periodic along c."""
    cell = np.array([[10.0, 0, 0], [1.5, 5.0, 0], [0.5, -0.7, 6.0]])
    toy = crystals(3, sigma=0.04)
    inner = toy.positions.reshape(3, 8, 3) / 5.0 % 1.0
    both = np.concatenate([inner * [0.5, 1, 1], inner * [0.5, 1, 1] + [0.5, 0, 0]], axis=1)
    order = np.argsort(np.tile(toy.numbers[:8], 2), kind="stable")
    return StructureSet.from_uniform(
        np.tile(toy.numbers[:8], 2)[order], (both % 1.0)[:, order] @ cell, cell, [True, True, False]
    )


def round_the_cell(first, second):
    """Return the largest difference of fractional coordinates, 0.9999999 being next to 0."""
    difference = first.double() - second.double()
    return float((difference - difference.round()).abs().max())


# ---------------------------------------------------------------------- the images are the explicit copy
def test_images_of_the_alloy_are_those_of_the_64_fold_copy_to_the_last_bit(alloy):
    images = images_of(alloy, (4, 4, 4))
    explicit = prepared(copies(alloy, (4, 4, 4)))
    assert len(images) == len(explicit) == 4 * 64
    views = images.views(torch.arange(256), BOTH)
    assert torch.equal(views["coordinates"], explicit.coordinates)
    assert torch.equal(views["distances"], explicit.distances)
    assert len(np.unique(views["coordinates"][:64].flatten(1).numpy(), axis=0)) == 64
    assert torch.equal(views["coordinates"][::64], images.data.coordinates)


@pytest.mark.parametrize("kind", ["noise", "triclinic slab"])
def test_images_of_noisy_structures_are_those_of_the_copy(crystals, kind):
    structures, counts = (crystals(3), (2, 2, 2)) if kind == "noise" else (sheared(crystals), (2, 1, 1))
    images = images_of(structures, counts)
    explicit = prepared(copies(structures, counts))
    views = images.views(torch.arange(len(images)), BOTH)
    assert round_the_cell(views["coordinates"], explicit.coordinates) < 2e-7
    torch.testing.assert_close(views["distances"], explicit.distances, atol=2e-5, rtol=0)
    assert 0 <= float(views["coordinates"].min()) < float(views["coordinates"].max()) < 1


@pytest.mark.parametrize("count", range(2, 17))
def test_a_site_that_comes_to_lie_on_a_face_of_the_cell_is_at_0_and_never_at_its_other_end(count):
    sites = (torch.arange(count, dtype=torch.float64) / count).float()
    line = torch.stack([sites, torch.zeros(count), torch.zeros(count)], dim=1)
    cell = StructureSet.from_uniform([11] * count, np.zeros((1, count, 3)), np.diag([2.5 * count, 3.0, 3.0]))
    images = Images(TrainingData(line[None], None), cell, (count, 1, 1), "")
    found = images.views(torch.arange(count), ["coordinates"])["coordinates"][..., 0].sort(dim=1).values
    assert float((found - sites).abs().max()) < 2e-7


def test_training_with_translations_is_training_on_the_copy(tiny, tmp_path):
    """Exact sites, so that both see the same bits: every weight, curve and result of the two runs must be the same."""
    structures = toy_alloys()
    run = {}
    for name, data, counts in (("images", structures, (2, 2, 2)), ("copy", copies(structures, (2, 2, 2)), (1, 1, 1))):
        parameters = CryinganParameters(**tiny | {"epochs": 2, "translations": counts})
        (tmp_path / name).mkdir()
        run[name] = train(data, None, parameters, Context(tmp_path / name, seed=4), "cpu")
    assert run["images"].weights.keys() == run["copy"].weights.keys()
    for name, weight in run["images"].weights.items():
        assert torch.equal(weight, run["copy"].weights[name])
    for name, curve in run["images"].curves.items():
        np.testing.assert_array_equal(curve, run["copy"].curves[name])
    assert run["images"].results["steps_per_epoch"] == 10  # 40 images, batches of 4
    assert (run["images"].results["images_per_structure"], run["copy"].results["images_per_structure"]) == (8, 1)


# ---------------------------------------------------------------------- an epoch
def test_an_epoch_passes_over_every_image_once_in_a_new_order(tiny, tmp_path, monkeypatch):
    """What the critics were really given, two epochs long, against the explicit copy."""
    structures = toy_alloys(3)
    expected = prepared(copies(structures, (2, 2, 2))).coordinates.flatten(1).numpy()
    given = []
    step = Adversaries.step

    def watch(self, real, train_generator):
        given.append(real["coordinates"].flatten(1).numpy().copy())
        return step(self, real, train_generator)

    monkeypatch.setattr(Adversaries, "step", watch)
    parameters = CryinganParameters(**tiny | {"epochs": 2, "batch_size": 7, "translations": (2, 2, 2)})
    train(structures, None, parameters, Context(tmp_path, seed=1), "cpu")
    assert [len(batch) for batch in given] == [7, 7, 7, 3] * 2
    first, second = np.concatenate(given[:4]), np.concatenate(given[4:])
    for epoch in (first, second):
        np.testing.assert_array_equal(np.sort(epoch, axis=0), np.sort(expected, axis=0))
        assert {row.tobytes() for row in epoch} == {row.tobytes() for row in expected}
    assert not np.array_equal(first, second)
    source = [next(i for i, row in enumerate(expected) if np.array_equal(row, moved)) // 8 for moved in first]
    assert source != sorted(source)  # structures and translations are mixed


def test_nothing_is_stored_for_the_images(alloy):
    def stored(data: TrainingData) -> int:
        return sum(values.untyped_storage().nbytes() for values in (data.coordinates, data.distances))

    images = images_of(alloy, (4, 4, 4))
    n = 4 * 256
    assert stored(images.data) == stored(prepared(alloy)) == 4 * n * (3 + 6)
    assert images.shifts.untyped_storage().nbytes() == 64 * 3 * 8
    game = Game(Adversaries(alloy[0], CryinganParameters(), 1, "cpu"), images)
    assert len(game.take(0, 0, 32)) == 32
    assert game.order.untyped_storage().nbytes() == 8 * len(images)  # the copy has 9216 bytes for an image
    views = images.views(torch.arange(32), BOTH)
    assert sum(view.untyped_storage().nbytes() for view in views.values()) == 4 * 32 * 256 * 9


def test_distances_are_not_computed_again(alloy, monkeypatch):
    images = images_of(alloy, (4, 4, 4))
    monkeypatch.setattr(
        "aiida_dismai.engine.generators.cryingan.distances.NeighborDistances.__call__",
        lambda self, coordinates: pytest.fail("distances were computed"),
    )
    views = images.views(torch.tensor([0, 70, 255]), ["distances"])
    assert set(views) == {"distances"}
    assert torch.equal(views["distances"], images.data.distances[[0, 1, 3]])


def test_validation_structures_are_not_translated(run, tiny):
    hyper = tiny | {"epochs": 1, "translations": [2, 2, 2]}
    results = run(
        "generator.train",
        "a",
        {"model": "cryingan", "hyperparameters": hyper},
        structures=toy_alloys(4),
        validation=toy_alloys(3, seed=8),
    )
    assert (results["n_training"], results["n_validation"], results["steps_per_epoch"]) == (4, 3, 8)
    assert np.isfinite(results["critic_coordinates_overfitting"])
    assert results["structures_per_second"] == pytest.approx(4 / results["seconds_per_step"])


# ---------------------------------------------------------------------- seeds, resuming
def test_seeds_decide_with_translations_too(run, tiny):
    parameters = {"model": "cryingan", "threads": 1, "hyperparameters": tiny | {"translations": [2, 2, 1]}}
    first = run("generator.train", "a", parameters, seed=5, structures=toy_alloys())
    again = run("generator.train", "b", parameters, seed=5, structures=toy_alloys())
    other = run("generator.train", "c", parameters, seed=6, structures=toy_alloys())
    assert same_weights(weights_of(first), weights_of(again))
    assert not same_weights(weights_of(first), weights_of(other))


def test_a_killed_run_with_translations_goes_on_as_if_it_had_not_been_killed(run, tiny, tmp_path):
    """SIGKILL in the middle of the first epoch of 40 steps, of a real ``dismai run``."""
    hyper = tiny | {"epochs": 4, "batch_size": 1, "translations": [2, 2, 2], "checkpoint_seconds": 0.0}
    parameters = {"model": "cryingan", "threads": 1, "hyperparameters": hyper}
    place = tmp_path / "killed"
    place.mkdir()
    write_npz(toy_alloys(), place / "structures.npz")
    write_task(place, "generator.train", parameters, structures="structures.npz")
    run_and_kill(place, (place / "checkpoint" / CHECKPOINT).is_file)
    assert len(load_checkpoint(place / "checkpoint" / CHECKPOINT)["order"]) == 40
    resumed = run("generator.train", "killed", parameters, structures=toy_alloys())
    assert 0 < resumed["resumed_from_epoch"] < 4
    parameters["hyperparameters"] = hyper | {"checkpoint_seconds": 1e6}
    whole = run("generator.train", "whole", parameters, structures=toy_alloys())
    assert whole["resumed_from_epoch"] == 0
    assert same_weights(weights_of(resumed), weights_of(whole))


# ---------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([0, 4, 4], r"translations\.0: Input should be greater than or equal to 1 \(given: 0\)"),
        ([4, -4, 4], r"translations\.1: Input should be greater than or equal to 1"),
        ([4, 4, 17], r"translations\.2: Input should be less than or equal to 16"),
        ([4, 4], r"translations\.2: Field required"),
        ([4, 4, 4, 4], "translations: .*at most 3 items"),
        ([4, 4, 1.5], r"translations\.2: Input should be a valid integer"),
        (4, "translations: Input should be a valid tuple"),
    ],
)
def test_counts_that_mean_nothing(value, message):
    with pytest.raises(BadInput, match=message):
        validate(CryinganParameters, {"translations": value}, "model 'cryingan'")


@pytest.mark.parametrize(("counts", "axis", "gap"), [((3, 4, 4), 0, 1.2), ((4, 5, 4), 1, 0.72), ((4, 4, 8), 2, 1.8)])
def test_a_shift_that_is_no_translation_of_the_lattice_is_refused(alloy, counts, axis, gap):
    with pytest.raises(BadInput, match=rf"has {counts[axis]} along axis {axis}, but .* 0 {gap:.2f} Å \(median\)"):
        images_of(alloy, counts)


def test_a_shift_that_leaves_atoms_where_they_are_is_refused(crystals):
    with pytest.raises(BadInput, match=r"has 8 along axis 1, but cells of a lattice are not 0\.62 Å long"):
        images_of(crystals(2), (2, 8, 1))


def test_vibrations_do_not_hide_the_lattice_and_a_part_of_the_translations_is_allowed(alloy):
    noise = np.random.default_rng(0).normal(0, 0.12, alloy.positions.shape)
    assert len(images_of(alloy.with_positions(alloy.positions + noise), (4, 4, 4))) == 256
    assert len(images_of(alloy, (2, 1, 4))) == 32


def test_an_axis_that_is_no_period_is_not_shifted(crystals):
    with pytest.raises(BadInput, match="translations has 2 along axis 2, which is not periodic; give 1"):
        images_of(sheared(crystals), (2, 1, 2))


def test_structures_in_different_cells_are_refused(alloy):
    cells = alloy.cells.copy()
    cells[2] *= 1.01
    other = StructureSet(alloy.numbers, alloy.positions * 1.0, cells, alloy.pbc, alloy.offsets)
    with pytest.raises(BadInput, match=r"cell of structure 2 differs from the template's by 0\.144 Å"):
        images_of(other, (4, 4, 4))
