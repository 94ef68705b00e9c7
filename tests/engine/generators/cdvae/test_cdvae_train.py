"""Training of CDVAE through the task: results, resuming, seeds, bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.cdvae_scenes import TINY, crystals, tiny
from support.weights import same_weights

from aiida_dismai.engine.checkpoint import load_weights
from aiida_dismai.engine.context import Context
from aiida_dismai.engine.errors import BadInput, Diverged, Unfinished
from aiida_dismai.engine.generators.cdvae import train as training
from aiida_dismai.engine.generators.cdvae.data import Limits, prepare
from aiida_dismai.engine.generators.cdvae.model import Cdvae
from aiida_dismai.engine.generators.cdvae.scale_factor import PUBLISHED
from aiida_dismai.engine.generators.cdvae.scale_fitting import factors
from aiida_dismai.engine.generators.cdvae.train import ENCODER, fit_scale_factors, train
from aiida_dismai.engine.generators.contract import Trained

SETS = crystals((5, 7, 2, 4, 6), seed=1), crystals((3, 5), seed=2)


def run_train(folder: Path, seed: int = 3, stop_at: int | None = None, **changes: Any) -> Trained:
    """Train in a folder; ``stop_at``: run out of time at this question."""
    folder.mkdir(exist_ok=True)
    asked = 0

    class Limited(Context):
        def out_of_time(self) -> bool:
            nonlocal asked
            asked += 1
            return stop_at is not None and asked > stop_at

    return train(*SETS, tiny(**changes), Limited(folder, seed), "cpu")


def test_the_tasks_train_and_sample(run: Callable[..., dict[str, Any]]) -> None:
    result = run(
        "generator.train",
        "train",
        {"model": "cdvae", "hyperparameters": {**TINY, "encoder_graph": "crystalnn"}},
        structures=SETS[0],
        validation=SETS[1],
    )
    assert result["status"] == "finished"
    assert set(result["trainable_parameters"]) == {
        "encoder", "latent", "decoder", "head_atoms", "head_lattice", "head_composition"
    }  # fmt: skip
    assert result["epochs"] == 3
    assert 1 <= result["best_epoch"] <= 3
    assert result["encoder_edges_per_atom"] > 1
    curves = np.load(result["folder"] / "curves.npz")
    for name in ("coordinates", "lattice", "atoms", "composition", "kl", "denoising", "loss"):
        assert np.isfinite(curves[f"train_{name}"]).all()
        assert np.isfinite(curves[f"validation_{name}"]).all()
    np.testing.assert_allclose(curves["validation_denoising"], 10 * curves["validation_coordinates"], rtol=1e-6)
    assert result["best_validation_denoising"] == pytest.approx(curves["validation_denoising"].min())
    weights = load_weights(result["folder"] / "generator" / "weights.safetensors")
    assert not any(name.startswith(ENCODER) for name in weights)
    sampled = run("generator.sample", "sample", {"n_structures": 3}, generator=str(result["folder"] / "generator"))
    assert sampled["status"] == "finished"
    assert sampled["n_structures"] == 3


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first = run_train(tmp_path / "a")
    assert same_weights(first.weights, run_train(tmp_path / "b").weights)
    assert not same_weights(first.weights, run_train(tmp_path / "c", seed=4).weights)


@pytest.mark.parametrize("stop_at", [0, 1, 4])
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path, stop_at: int) -> None:
    options = {"fit_scale_factors": True, "denoise_species": True}
    whole = run_train(tmp_path / "whole", **options)
    with pytest.raises(Unfinished):
        run_train(tmp_path / "parts", stop_at=stop_at, **options)
    resumed = run_train(tmp_path / "parts", **options)
    assert same_weights(whole.weights, resumed.weights)
    for name in whole.curves:
        np.testing.assert_array_equal(whole.curves[name], resumed.curves[name])


def test_the_lattice_is_forced_in_the_first_epochs_of_training_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []

    def spy(network: Cdvae, *rest: Any) -> dict[str, torch.Tensor]:
        seen.append((network.training, rest[-1]))
        return original(network, *rest)

    original = training.losses
    monkeypatch.setattr(training, "losses", spy)
    run_train(tmp_path / "run", teacher_forcing_epochs=2)
    # two steps of training and one batch of validation per epoch
    forced, free, validation = (True, True), (True, False), (False, False)
    assert seen == [forced, forced, validation] * 2 + [free, free, validation]


def test_scale_factors_are_fitted_and_kept_with_the_weights(tmp_path: Path) -> None:
    published = run_train(tmp_path / "published", fit_scale_factors=False).weights
    fitted = run_train(tmp_path / "fitted", fit_scale_factors=True).weights
    names = [name for name in fitted if name.endswith("scale_factor")]
    assert len(names) == 7  # 3 of the interaction, 2 of each of two outputs
    for name in names:
        assert any(float(published[name]) == pytest.approx(value) for value in PUBLISHED.values())
        assert 0 < float(fitted[name]) < 1e4
    assert all(float(fitted[name]) != pytest.approx(float(published[name]), rel=1e-3) for name in names)


def test_fitted_scale_factors_follow_from_the_seed_and_the_data() -> None:
    parameters = tiny(fit_scale_factors=True)
    data = prepare(SETS[0], Limits.of(SETS[0], parameters), parameters, "here")
    torch.manual_seed(0)
    network = Cdvae(parameters, Limits.of(SETS[0], parameters))
    first = fit_scale_factors(network, data, parameters, 1, "cpu")
    assert factors(network.decoder.gemnet) == first
    assert fit_scale_factors(network, data, parameters, 1, "cpu") == first
    assert fit_scale_factors(network, data, parameters, 2, "cpu") != first


def test_one_composition_is_asked_for_where_the_template_gives_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"structure 1 .* is not .*composition is 'template': give 'head'"):
        run_train(tmp_path / "run", composition="template")


def test_validation_structures_that_the_heads_cannot_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="validation structures: structure 1 has more atoms than 3"):
        train(crystals((3, 2)), crystals((2, 4)), tiny(), Context(tmp_path, 1), "cpu")


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    original = training.losses

    def spoil(*arguments: Any) -> dict[str, torch.Tensor]:
        nonlocal steps
        steps += 1
        found = original(*arguments)
        return {**found, "loss": found["loss"] * (torch.nan if steps > 4 else 1.0)}

    monkeypatch.setattr(training, "losses", spoil)
    with pytest.raises(Diverged, match="epoch 2"):
        run_train(tmp_path / "run", checkpoint_epochs=1)
    monkeypatch.setattr(training, "losses", original)
    assert np.isfinite(run_train(tmp_path / "run").curves["train_loss"]).all()


def test_without_validation_the_last_epoch_counts(tmp_path: Path) -> None:
    trained = train(SETS[0], None, tiny(), Context(tmp_path, 1), "cpu")
    assert trained.results["best_epoch"] == 3
    assert not any(name.startswith("validation") for name in trained.curves)
