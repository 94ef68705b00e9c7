"""UniMat through the tasks: training, resuming, sampling, what is kept, and input that is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from aiida_dismai.engine.checkpoint import load_weights
from aiida_dismai.engine.errors import BadInput, BadWeights
from aiida_dismai.engine.generators.contract import TrainedGenerator
from aiida_dismai.engine.generators.registry import describe
from aiida_dismai.engine.generators.seeds import stream
from aiida_dismai.engine.generators.unets.diffusion import denoise
from aiida_dismai.engine.generators.unets.networks import UNet, VideoUNet
from aiida_dismai.engine.generators.unimat import sample as sampling
from aiida_dismai.engine.generators.unimat.config import UnimatParameters
from aiida_dismai.engine.generators.unimat.data import prepare
from aiida_dismai.engine.generators.unimat.model import build, from_published
from aiida_dismai.engine.generators.unimat.sample import sample
from aiida_dismai.engine.generators.weights import make_template
from aiida_dismai.engine.parameters import validate
from aiida_dismai.engine.structures import StructureSet, read_npz, write_npz

pytestmark = pytest.mark.engine
SMALL = {"width": 8, "steps": 4, "batch_size": 4, "validation_steps": 2, "sampling_steps": 3, "learning_rate": 1e-3}


def weights_of(results):
    return load_weights(results["folder"] / "generator" / "weights.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def train(run, name, structures, validation=None, seed=1, **options):
    parameters = {"model": "unimat", "threads": 1, "hyperparameters": SMALL | options}
    inputs = {} if validation is None else {"validation": validation}
    return run("generator.train", name, parameters, seed=seed, structures=structures, **inputs)


@pytest.fixture
def generator(toy):
    """A generator that has learnt nothing and keeps all."""
    parameters = UnimatParameters(**SMALL, accept="all")
    torch.manual_seed(0)
    network = build(parameters)
    torch.nn.init.normal_(network.final_conv.weight, std=0.05)
    config = prepare(toy, None, parameters)[0].config(toy.numbers[:8])
    return TrainedGenerator("unimat", 1, parameters, config, make_template(toy), network.state_dict(), {})


# ---------------------------------------------------------------------- size
def test_the_parts_are_the_published_counts(toy, tmp_path):
    """23,480,966 parameters, of which 397,544 are never used: those for text, and five biases."""
    write_npz(toy, tmp_path / "template.npz")
    parts = describe("unimat", tmp_path / "template.npz")["trainable_parameters"]
    assert parts["init_conv"] == 14_080
    assert parts["init_temporal_peg"] + parts["init_temporal_attn"] == 256 + 79_056
    assert (parts["to_time_hiddens"], parts["to_time_cond"], parts["to_time_tokens"]) == (4_616, 65_792, 32_896)
    # a bias of 8 numbers in the attention of two levels down, two up and in the middle is left out
    assert (parts["downs.0"], parts["downs.1"], parts["downs.2"]) == (635_379, 882_427 - 8, 2_804_443 - 8)
    assert (parts["ups.0"], parts["ups.1"], parts["ups.2"]) == (9_992_091 - 8, 2_903_515 - 8, 799_923)
    assert (parts["mid_block1"], parts["mid_attn"], parts["mid_block2"]) == (2_034_944, 295_688 - 8, 2_034_944)
    assert (parts["mid_temporal_peg"], parts["mid_temporal_attn"]) == (1_024, 364_560)
    assert (parts["final_res_block"], parts["final_conv"], parts["norm_cond"]) == (135_969, 1_731, 128)
    text = 380_864 + 16_384 + 256
    assert sum(parts.values()) == 23_480_966 - text - 5 * 8 == 23_083_422


# ---------------------------------------------------------------------- training
def test_what_training_leaves_behind(run, toy, crystals):
    results = train(run, "a", toy, crystals(3, seed=7))
    assert results["status"] == "finished"
    assert (results["steps"], results["shuffled_atoms"]) == (4, 0)
    with np.load(results["folder"] / "curves.npz") as curves:
        assert np.isfinite(curves["validation_loss"]).all()
        assert results["best_validation_loss"] == curves["validation_loss"].min()
    weights = weights_of(results)
    assert weights["init_conv.convs.0.weight"].shape == (4, 3, 1, 3, 3)
    assert (
        results["trainable_parameters"].keys()
        == describe("unimat", results["folder"] / "structures.npz")["trainable_parameters"].keys()
    )
    assert sum(results["trainable_parameters"].values()) == sum(value.numel() for value in weights.values())
    config = json.loads((results["folder"] / "generator" / "config.json").read_text())["model_config"]
    assert config["pixels"] == {"Na": [0, 0], "Cl": [0, 1]}


def test_what_the_network_is_shown(toy, crystals):
    """Training structures with the atoms of the random region shuffled within an element, others as they are."""
    labelled = toy.with_property("region", [0, 0, 1, 1, 0, 0, 0, 2] * len(toy), "atom", "")
    videos, pictures = prepare(labelled, crystals(3, seed=7), UnimatParameters(**SMALL))
    assert pictures.shuffles.most() == 5
    fractional = torch.from_numpy(toy.positions.reshape(8, 8, 3) / 5.0 % 1.0)
    clean = pictures.clean([2, 5], False, torch.Generator().manual_seed(4), torch.device("cpu"))
    assert clean.shape == (2, 3, 8, 4, 4)
    found, right, _ = videos.decode(clean)
    assert right.all()
    for k, index in enumerate((2, 5)):
        for atoms in ([0, 1], [2], [3], [4, 5, 6], [7]):
            torch.testing.assert_close(found[k][atoms].sort(dim=0).values, fractional[index][atoms].sort(dim=0).values)
    held_out = pictures.clean([1], True, torch.Generator(), torch.device("cpu"))
    expected = torch.from_numpy(crystals(3, seed=7).positions.reshape(3, 8, 3)[[1]] / 5.0 % 1.0)
    torch.testing.assert_close(videos.decode(held_out)[0], expected)


def test_all_atoms_of_an_element_are_shuffled_if_asked_for(toy):
    assert prepare(toy, None, UnimatParameters(shuffle="all"))[1].shuffles.most() == 8
    assert prepare(toy, None, UnimatParameters(shuffle="none"))[1].shuffles is None


def test_a_run_that_was_stopped_resumes_to_the_byte(run, toy, crystals, monkeypatch):
    from aiida_dismai.engine.context import Context

    labelled = toy.with_property("region", [0] * 8 * len(toy), "atom", "")
    validation = crystals(3, seed=7)
    whole = train(run, "whole", labelled, validation, steps=3)
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr(Context, "out_of_time", lambda self: asked.append(1) or len(asked) > 2)
        stopped = train(run, "stopped", labelled, validation, steps=3)
    assert stopped["status"] == "unfinished"
    resumed = train(run, "stopped", labelled, validation, steps=3)
    assert 0 < resumed["resumed_from_step"] < 3
    assert same(weights_of(resumed), weights_of(whole))
    assert not same(weights_of(whole), weights_of(train(run, "other", labelled, validation, steps=3, seed=2)))


# ---------------------------------------------------------------------- sampling
def test_a_structure_depends_on_its_index_only(generator):
    together = sample(generator, [0, 1, 2], 9, "cpu")
    apart = sample(generator, [2, 1], 9, "cpu")
    assert np.array_equal(together[2].positions, apart[0].positions)
    assert np.array_equal(together[1].positions, apart[1].positions)
    assert not np.array_equal(together[0].positions, together[1].positions)
    assert not np.array_equal(sample(generator, [1], 10, "cpu").positions, apart[1].positions)


def test_sampling_is_the_published_one(generator, toy):
    """The structure's numbers in the order that they are drawn, through the network and the decoder."""
    found, random = sample(generator, [7], 3, "cpu"), stream(3, 7)
    network = VideoUNet(3, 8)
    network.load_state_dict(generator.weights)

    def draw(shape):
        return torch.from_numpy(random.standard_normal(tuple(shape), np.float32))

    video = denoise(network.eval(), draw((1, 3, 8, 4, 4)), draw, 3)[0].double()
    low, high = (torch.tensor(generator.config[name], dtype=torch.float64) for name in ("minimum", "maximum"))
    scaled = torch.stack([video[:, atom, 0, 0 if atom < 4 else 1] for atom in range(8)])
    np.testing.assert_allclose(found.positions, (scaled * (high - low) + low) * 5.0, atol=1e-6)
    assert np.array_equal(found.numbers, toy.numbers[:8])
    assert np.array_equal(found.cells[0], toy.cells[0])


@pytest.mark.parametrize(("accept", "kept"), [("published", [0, 2, 3]), ("strict", [0, 2]), ("all", [0, 1, 2, 3])])
def test_only_structures_with_the_right_species_are_kept(run, toy, monkeypatch, accept, kept):
    """Videos of four structures: as they are, with a wrong pixel, with a pixel whose channel is low, without one."""
    folder = train(run, "trained", toy, accept=accept)["folder"] / "generator"
    videos, pictures = prepare(toy, None, UnimatParameters(**SMALL))

    def known(network, x, draw, steps):
        index = known.calls
        known.calls += 1
        video = pictures.clean([index], False, torch.Generator(), torch.device("cpu")).float()
        if index == 1:
            video[0, :, 3, 2, 2] = torch.tensor([0.3, -0.4, 0.8])
        if index == 2:
            video[0, :, 3, 2, 2] = torch.tensor([0.3, -0.6, 0.8])
        if index == 3:
            video[0, 1, 5, 0, 1] = -0.9
        return video

    known.calls = 0
    monkeypatch.setattr(sampling, "denoise", known)
    results = run("generator.sample", "s", {"n_structures": 4}, generator=folder)
    structures = read_npz(results["folder"] / "structures.npz")
    assert structures.values("sample").tolist() == kept
    assert (results["n_structures"], results["n_rejected"]) == (len(kept), 4 - len(kept))
    assert results["share_accepted"] == len(kept) / 4
    assert results["share_right_species"] == pytest.approx(31 / 32)
    assert results["share_element_present"] == pytest.approx(31 / 32)
    expected = toy[kept].positions % 5.0
    if 3 in kept:
        row = 8 * kept.index(3) + 5
        expected[row, 1] = structures.positions[row, 1]
        assert structures.positions[row, 1] < 5 * videos.minimum[1]
    np.testing.assert_allclose(structures.positions, expected, atol=1e-5)


def test_a_network_that_has_learnt_nothing_ends_in_a_message(run, toy):
    folder = train(run, "trained", toy, steps=1)["folder"] / "generator"
    results = run("generator.sample", "s", {"n_structures": 2}, generator=folder)
    assert results["error"]["kind"] == "nothing_left"
    assert "rejected 2" in results["error"]["message"]


# ---------------------------------------------------------------------- bad input
def mixed(numbers, cell=5.0, n=3):
    positions = np.random.default_rng(0).random((n, len(numbers), 3)) * 5
    return StructureSet.from_uniform(numbers, positions, np.eye(3) * cell)


@pytest.mark.parametrize(
    ("structures", "validation", "message"),
    [
        (mixed([11, 17, 11, 17]), None, "not grouped by element .* sort them by element first"),
        (mixed(range(1, 18)), None, "17 elements do not fit into frames of 4 × 4 pixels"),
        (mixed([11, 11, 17, 17], n=1), None, "cannot learn from one structure; give at least two"),
        (mixed([11, 17]), mixed([11, 19]), "validation structures: NaK .*is not NaCl"),
        (mixed([11, 17]), mixed([11, 17], cell=5.1), "validation structures: the cell of structure 0 differs"),
        (StructureSet.concatenate([mixed([11, 17]), mixed([11, 11])]), None, "same atoms in the same order"),
        (StructureSet.concatenate([mixed([11, 17]), mixed([11, 17], cell=5.1)]), None, "UniMat learns one cell only"),
    ],
)
def test_structures_that_are_refused(structures, validation, message):
    with pytest.raises(BadInput, match=message):
        prepare(structures, validation, UnimatParameters(**SMALL))


def test_parameters_are_checked():
    for message, values in {
        "side: .*multiple of 4": {"side": 6},
        "width: .*multiple of 8": {"width": 20},
        "did you mean 'pixels'": {"pixel": {}},
        "accept": {"accept": "most"},
    }.items():
        with pytest.raises(BadInput, match=message):
            validate(UnimatParameters, values, "unimat")


def test_weights_of_another_network_are_refused(generator):
    object.__setattr__(generator, "weights", UNet(4, 8).state_dict())
    with pytest.raises(BadWeights, match="do not fit the hyper-parameters"):
        sample(generator, [0], 1, "cpu")


def test_a_template_with_another_element_is_refused(generator, toy):
    other = StructureSet(np.where(toy.numbers == 11, 3, 17), toy.positions, toy.cells, toy.pbc, toy.offsets)
    object.__setattr__(generator, "template", other[0])
    with pytest.raises(BadWeights, match="Li has no pixel"):
        sample(generator, [0], 1, "cpu")


# ---------------------------------------------------------------------- published weights
def test_published_weights():
    network = build(UnimatParameters(width=8))
    state = {f"unets.0.{name}": value for name, value in network.state_dict().items()}
    text = {"unets.0.attn_pool.latents": torch.zeros(2, 8), "unets.0.mid_attn.fn.null_attn_bias": torch.zeros(8)}
    assert same(from_published(state | text), network.state_dict())
    small = {f"unets.0.{name}": value for name, value in UNet(3, 8).state_dict().items()}
    with pytest.raises(BadWeights, match="those of the network of small images, not that of videos"):
        from_published(small)
