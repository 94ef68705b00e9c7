"""Training of CryinGAN: the alternation of critics and generator, its checkpoints, its curves."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...checkpoint import load_checkpoint, save_checkpoint
from ...context import Context
from ...errors import Diverged, Unfinished
from ...memory import naming
from ...structures import StructureSet
from ..contract import Trained
from .config import CryinganParameters
from .data import TrainingData, distances_of, prepare
from .losses import critic_loss
from .model import Critic, Generator, build_critics, build_generator, count_parameters, initialise
from .translations import Images

CHECKPOINT = "cryingan.safetensors"
#: Seconds between two lines of progress.
REPORT_SECONDS = 5.0


class Adversaries:
    """Generator and critics with their optimisers, and one step of training on a batch.

    All random numbers come from one stream on the CPU, so a run is the same on any device but for
    rounding, and can be resumed exactly.
    """

    def __init__(self, template: StructureSet, parameters: CryinganParameters, seed: int, device: str) -> None:
        """Build and initialise the networks for structures like ``template``."""
        self.parameters = parameters
        self.device = device
        self.random = torch.Generator().manual_seed(seed)
        numbers = template.numbers[template.atoms_of(0)].tolist()
        self.generator: Generator = build_generator(len(numbers), parameters)
        self.critics: dict[str, Critic] = build_critics(numbers, parameters)
        self.distances = distances_of(template, parameters.n_neighbors, device)
        self.optimizers: dict[str, torch.optim.Adam] = {}
        for name, network in self.networks().items():
            initialise(network, self.random)
            network.to(device)
            self.optimizers[name] = torch.optim.Adam(
                network.parameters(), lr=parameters.learning_rate, betas=parameters.betas, fused=True
            )

    def networks(self) -> dict[str, Generator | Critic]:
        """Return all networks by the name under which they are counted and stored."""
        return {"generator": self.generator} | {f"critic_{name}": critic for name, critic in self.critics.items()}

    def columns(self) -> list[str]:
        """Return the names of the numbers that :meth:`step` gives."""
        kinds = ("loss", "wasserstein", "penalty")
        return [f"critic_{name}_{kind}" for name in self.critics for kind in kinds] + ["generator_loss"]

    def views(self, coordinates: Tensor) -> dict[str, Tensor]:
        """Return what each critic sees of structures with these fractional coordinates."""
        seen = {"coordinates": coordinates}
        if "distances" in self.critics:
            seen["distances"] = self.distances(coordinates)
        return {name: seen[name] for name in self.critics}

    def step(self, real: dict[str, Tensor], train_generator: bool) -> list[float]:
        """Train every critic once on a batch, and then the generator if it is its turn.

        Both use the same noise: the structures are generated once, and the generator is judged on them
        by the critics that have just learned from them.

        Args:
            real: by critic, its view of the training structures of this batch.
            train_generator: whether it is the generator's turn.

        Returns:
            The numbers named by :meth:`columns`; the generator's is NaN when it was not its turn.

        Raises:
            Diverged: a loss is NaN or infinite; nothing has been changed by this loss.
        """
        parameters = self.parameters
        size = len(next(iter(real.values())))
        noise = torch.randn(size, parameters.latent_dim, generator=self.random).to(self.device)
        with torch.set_grad_enabled(train_generator):
            generated = self.views(self.generator(noise))
        losses = []
        for name, critic in self.critics.items():
            mix = torch.rand(size, generator=self.random).to(self.device)
            losses.append(critic_loss(critic, real[name], generated[name].detach(), mix, parameters.gradient_penalty))
        numbers = torch.stack([value.detach() for loss in losses for value in loss]).tolist()
        self._check(dict(zip(self.columns(), numbers, strict=False)))
        for (name, critic), loss in zip(self.critics.items(), losses, strict=True):
            self._descend(f"critic_{name}", loss.loss, critic)
        if not train_generator:
            return [*numbers, math.nan]
        weights = {"coordinates": 1.0, "distances": parameters.lambda_distance if len(self.critics) > 1 else 1.0}
        terms = [-weights[name] * critic(generated[name]).mean() for name, critic in self.critics.items()]
        generator_loss = torch.stack(terms).sum()
        value = generator_loss.item()
        self._check({"generator_loss": value})
        self._descend("generator", generator_loss, self.generator)
        return [*numbers, value]

    def _descend(self, name: str, loss: Tensor, network: Generator | Critic) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward(inputs=list(network.parameters()))  # the other networks need no gradient
        self.optimizers[name].step()

    @staticmethod
    def _check(numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} became {value}")

    def state(self) -> dict[str, Any]:
        """Return all that a resumed run needs to continue as if it had not been interrupted.

        Raises:
            Diverged: a weight is NaN or infinite, so that no bad checkpoint replaces a good one.
        """
        for name, network in self.networks().items():
            if not all(bool(torch.isfinite(weight).all()) for weight in network.state_dict().values()):
                raise Diverged(f"the weights of {name} became NaN or infinite")
        return {
            "networks": {name: network.state_dict() for name, network in self.networks().items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "random": self.random.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        for name, network in self.networks().items():
            network.load_state_dict(state["networks"][name])
            self.optimizers[name].load_state_dict(state["optimizers"][name])
        self.random.set_state(state["random"])


class Schedule:
    """Where a run is: the epoch, the batch in it, the order of the structures, and the curves so far.

    With augmentation each image of a structure counts as a structure.
    """

    def __init__(self, n_structures: int, n_columns: int) -> None:
        """Begin before the first epoch."""
        self.n_structures = n_structures
        self.epoch = 0
        self.batch = 0
        self.order = torch.empty(0, dtype=torch.int64)
        self.current: list[list[float]] = []
        self.rows: list[list[float]] = []
        self.n_columns = n_columns

    def batches(self, size: int) -> int:
        """Return the number of batches of an epoch."""
        return math.ceil(self.n_structures / size)

    def take(self, size: int, random: torch.Generator) -> Tensor:
        """Return the indices of the next batch, in a new order at the start of an epoch."""
        if self.batch == 0:
            self.order = torch.randperm(self.n_structures, generator=random)
        return self.order[self.batch * size : (self.batch + 1) * size]

    def advance(self, numbers: list[float], size: int) -> bool:
        """Note the numbers of a step; return whether the epoch is over."""
        self.current.append(numbers)
        self.batch += 1
        if self.batch < self.batches(size):
            return False
        self.rows.append(np.nanmean(self.current, axis=0).tolist())
        self.current, self.batch = [], 0
        self.epoch += 1
        return True

    def state(self) -> dict[str, Any]:
        """Return all of it for a checkpoint."""
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "order": self.order,
            "current": torch.tensor(self.current, dtype=torch.float64).reshape(-1, self.n_columns),
            "rows": torch.tensor(self.rows, dtype=torch.float64).reshape(-1, self.n_columns),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.epoch, self.batch, self.order = state["epoch"], state["batch"], state["order"]
        self.current, self.rows = state["current"].tolist(), state["rows"].tolist()


def train(
    structures: StructureSet,
    validation: StructureSet | None,
    parameters: CryinganParameters,
    context: Context,
    device: str,
) -> Trained:
    """Train CryinGAN and return the generator of the last epoch; see ``TrainFunction`` for the contract.

    Raises:
        BadInput: structures that differ in atoms or cell, overlap, or are not grouped by element.
        Diverged: a loss became NaN or infinite; the last good checkpoint is kept.
        OutOfMemory: a batch did not fit; it is named.
        Unfinished: out of time; a checkpoint is written.
    """
    template = structures[0]
    data = prepare(structures, template, parameters, device, "training structures")
    images = Images(data, template, parameters.translations, "training structures")
    held_out = None
    if validation is not None:
        held_out = prepare(validation, template, parameters, device, "validation structures")
    nets = Adversaries(template, parameters, context.required_seed(), device)
    schedule = Schedule(len(images), len(nets.columns()))
    path = context.checkpoint / CHECKPOINT
    if path.is_file():
        state = load_checkpoint(path)
        nets.load_state(state["nets"])
        schedule.load_state(state["schedule"])
    resumed = schedule.epoch + schedule.batch / schedule.batches(parameters.batch_size)
    steps, seconds = _loop(nets, schedule, images, context)
    curves = {"epoch": np.arange(1, schedule.epoch + 1)}
    curves |= dict(zip(nets.columns(), np.array(schedule.rows).T, strict=True))
    results: dict[str, Any] = {
        "epochs": schedule.epoch,
        "images_per_structure": len(images.shifts),
        "steps_per_epoch": schedule.batches(parameters.batch_size),
        "generator_steps_per_epoch": math.ceil(schedule.batches(parameters.batch_size) / parameters.generator_interval),
        "resumed_from_epoch": resumed,
        **{f"final_{name}": float(curves[name][-1]) for name in nets.columns()},
    }
    if steps:
        per_step = seconds / steps
        results["seconds_per_step"] = per_step
        results["seconds_per_epoch"] = per_step * schedule.batches(parameters.batch_size)
        results["structures_per_second"] = len(images) / results["seconds_per_epoch"]
    if held_out is not None:
        results |= _overfitting(nets, data, held_out)
    return Trained(
        weights=nets.generator.state_dict(),
        trainable_parameters={name: count_parameters(network) for name, network in nets.networks().items()},
        curves=curves,
        results=results,
    )


def _loop(nets: Adversaries, schedule: Schedule, images: Images, context: Context) -> tuple[int, float]:
    """Train to the last epoch; return the steps made here and the seconds they took."""
    parameters = nets.parameters
    path = context.checkpoint / CHECKPOINT

    def save() -> None:
        save_checkpoint(path, {"nets": nets.state(), "schedule": schedule.state()})

    started = saved = time.monotonic()
    reported = -math.inf
    steps = 0
    while schedule.epoch < parameters.epochs:
        if context.out_of_time():
            save()
            raise Unfinished(f"epoch {schedule.epoch} of {parameters.epochs} is done; run again to resume")
        turn = schedule.batch % parameters.generator_interval == 0
        chosen = schedule.take(parameters.batch_size, nets.random).to(nets.device)
        try:
            with naming(
                f"epoch {schedule.epoch + 1}, batch {schedule.batch + 1}: {len(chosen)} structures do not fit into the "
                "memory",
                "a smaller batch_size may help",
            ):
                numbers = nets.step(images.views(chosen, nets.critics), turn)
            steps += 1
            complete = schedule.advance(numbers, parameters.batch_size)
            now = time.monotonic()
            last = complete and schedule.epoch == parameters.epochs
            due = complete and schedule.epoch % parameters.checkpoint_epochs == 0
            if last or due or now - saved >= parameters.checkpoint_seconds:
                save()
                saved = now
        except Diverged as error:
            raise Diverged(
                f"epoch {schedule.epoch + 1}, batch {schedule.batch}: {error}; a lower learning_rate may help, "
                f"and the last good checkpoint is kept" + ("" if path.is_file() else " (none was written yet)")
            ) from error
        if last or now - reported >= REPORT_SECONDS:
            shown = {name: value for name, value in zip(nets.columns(), numbers, strict=True) if math.isfinite(value)}
            context.progress("train", schedule.epoch, parameters.epochs, batch=schedule.batch, **shown)
            reported = now
    return steps, time.monotonic() - started


@torch.no_grad()
def _overfitting(nets: Adversaries, data: TrainingData, held_out: TrainingData) -> dict[str, float]:
    """Return by how much each critic scores the training structures above the validation structures.

    Zero means that it has learned what both share; large against the Wasserstein estimate, that it
    knows the training structures by heart. Both sets are taken as they are given, without translations.
    """

    def mean_score(name: str, structures: TrainingData) -> float:
        chunks = torch.arange(len(structures), device=nets.device).split(nets.parameters.batch_size)
        return float(torch.cat([nets.critics[name](structures.views(chunk, [name])[name]) for chunk in chunks]).mean())

    return {f"critic_{name}_overfitting": mean_score(name, data) - mean_score(name, held_out) for name in nets.critics}
