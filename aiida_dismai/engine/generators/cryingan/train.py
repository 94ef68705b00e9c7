"""Training of CryinGAN: the alternation of critics and generator, its checkpoints, its curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...context import Context
from ...errors import BadInput, Diverged
from ...memory import naming
from ...structures import StructureSet
from ..contract import Trained
from ..trainable import count_parameters
from ..training.epochs import Epochs
from ..training.workers import Alone
from .cgcnn import GraphCritic
from .config import CryinganParameters
from .data import TrainingData, distances_of, prepare
from .losses import critic_loss
from .model import Critic, Generator, Network, build_critics, build_generator, initialise
from .translations import Images
from .views import need_distances, views

#: The checkpoint of versions with a loop of their own.
EARLIER = "cryingan.safetensors"


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
        self.critics: dict[str, Critic | GraphCritic] = build_critics(
            numbers, template.cells[0], template.pbc[0], parameters
        )
        self.distances = distances_of(template, parameters.n_neighbors, device)
        self.optimizers: dict[str, torch.optim.Adam] = {}
        for name, network in self.networks().items():
            initialise(network, self.random)
            network.to(device)
            self.optimizers[name] = torch.optim.Adam(
                network.parameters(), lr=parameters.learning_rate, betas=parameters.betas, fused=True
            )

    def networks(self) -> dict[str, Network]:
        """Return all networks by the name under which they are counted and stored."""
        return {"generator": self.generator} | {f"critic_{name}": critic for name, critic in self.critics.items()}

    def columns(self) -> list[str]:
        """Return the names of the numbers that :meth:`step` gives."""
        kinds = ("loss", "wasserstein", "penalty")
        return [f"critic_{name}_{kind}" for name in self.critics for kind in kinds] + ["generator_loss"]

    def views(self, coordinates: Tensor) -> dict[str, Tensor]:
        """Return what each critic sees of structures with these fractional coordinates."""
        distances = self.distances(coordinates) if need_distances(self.critics) else None
        return views(self.critics, coordinates, distances)

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
        weights = {"distances": parameters.lambda_distance} if len(self.critics) > 1 else {}
        terms = [-weights.get(name, 1.0) * critic(generated[name]).mean() for name, critic in self.critics.items()]
        generator_loss = torch.stack(terms).sum()
        value = generator_loss.item()
        self._check({"generator_loss": value})
        self._descend("generator", generator_loss, self.generator)
        return [*numbers, value]

    def _descend(self, name: str, loss: Tensor, network: Network) -> None:
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

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave, but for the learning rate."""
        for name, network in self.networks().items():
            network.load_state_dict(state["networks"][name])
            self.optimizers[name].load_state_dict(state["optimizers"][name])
            for group in self.optimizers[name].param_groups:
                group["lr"] = self.parameters.learning_rate
        self.random.set_state(state["random"])


class Game:
    """Critics against generator on all images, as the :class:`~..training.epochs.Learner` of the epochs."""

    def __init__(self, nets: Adversaries, images: Images) -> None:
        """Begin before the first epoch."""
        self.nets, self.images = nets, images
        self.n_training = len(images)
        self.order = torch.empty(0, dtype=torch.int64)

    def take(self, epoch: int, seen: int, size: int) -> Tensor:
        """Return the indices of the next images, in a new order at the start of an epoch."""
        if seen == 0:
            self.order = torch.randperm(self.n_training, generator=self.nets.random)
        return self.order[seen : seen + size]

    def step(self, chosen: Tensor, epoch: int, step: int) -> dict[str, float]:
        """Train the critics, and the generator if it is its turn."""
        with naming(
            f"epoch {epoch + 1}, step {step + 1}: {len(chosen)} structures do not fit into the memory",
            "a smaller batch_size may help",
        ):
            real = self.images.views(chosen.to(self.nets.device), self.nets.critics)
            numbers = self.nets.step(real, step % self.nets.parameters.generator_interval == 0)
        return dict(zip(self.nets.columns(), numbers, strict=True))

    def close(self, epoch: int, means: dict[str, float]) -> dict[str, float]:
        """Return the averages: nothing is validated."""
        return means

    def state(self) -> dict[str, Any]:
        """Return networks, optimisers, random numbers and the order of the running epoch."""
        return {"order": self.order} | self.nets.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.order = state["order"]
        self.nets.load_state(state)


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
    if (context.checkpoint / EARLIER).is_file():
        raise BadInput(f"{EARLIER}: checkpoint of an earlier version; remove its folder to start from scratch")
    nets = Adversaries(template, parameters, context.required_seed(), device)
    epochs = Epochs(Game(nets, images), parameters, context, Alone(torch.device(device)))
    epochs.run(parameters.batch_size)
    results = epochs.results()
    results["images_per_structure"] = len(images.shifts)
    results["generator_steps_per_epoch"] = math.ceil(results["steps_per_epoch"] / parameters.generator_interval)
    if held_out is not None:
        results |= _overfitting(nets, data, held_out)
    return Trained(
        weights=nets.generator.state_dict(),
        trainable_parameters={name: count_parameters(network) for name, network in nets.networks().items()},
        curves=dict(epochs.curves()),
        results=results,
    )


@torch.no_grad()
def _overfitting(nets: Adversaries, data: TrainingData, held_out: TrainingData) -> dict[str, float]:
    """Return by how much each critic scores the training structures above the validation structures.

    Zero means that it has learned what both share; large against the Wasserstein estimate, that it
    knows the training structures by heart. Both sets are taken as they are given, without translations.
    """
    for critic in nets.critics.values():
        critic.eval()  # normalised by statistics of training, not of the very structures that are compared

    def mean_score(name: str, structures: TrainingData) -> float:
        chunks = torch.arange(len(structures), device=nets.device).split(nets.parameters.batch_size)
        return float(torch.cat([nets.critics[name](structures.views(chunk, [name])[name]) for chunk in chunks]).mean())

    return {f"critic_{name}_overfitting": mean_score(name, data) - mean_score(name, held_out) for name in nets.critics}
