"""The losses of a Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, arXiv 1704.00028)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .cgcnn import GraphCritic
from .model import Critic

#: The norm has no gradient where it is zero.
SMALLEST_SQUARE = 1e-12


class CriticLoss(NamedTuple):
    """Scalars of one critic step.

    Attributes:
        loss: what the critic minimises.
        wasserstein: mean score of the real minus that of the generated structures.
        penalty: mean of (‖gradient‖ − 1)², without its weight.
    """

    loss: Tensor
    wasserstein: Tensor
    penalty: Tensor


def critic_loss(
    critic: Critic | GraphCritic, real: Tensor, generated: Tensor, mix: Tensor, penalty_weight: float
) -> CriticLoss:
    """Return the loss of a critic.

    Args:
        critic: any of them.
        real: its input for training structures, ``(B, n, w)``.
        generated: the same for generated ones, without a gradient.
        mix: in [0, 1], one per structure, ``(B,)``: where between the two the gradient is taken.
        penalty_weight: of the gradient penalty.
    """
    wasserstein = critic(real).mean() - critic(generated).mean()
    share = mix.view(-1, 1, 1)
    mixed = (share * real + (1 - share) * generated).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    norm = gradient.flatten(1).square().sum(dim=1).clamp_min(SMALLEST_SQUARE).sqrt()
    penalty = (norm - 1).square().mean()
    return CriticLoss(penalty_weight * penalty - wasserstein, wasserstein, penalty)
