"""The loss of several points in one call: cross-entropy by its formula, any other loss mapped over the points."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional
from torch.utils._pytree import tree_map

from landscape_widgets.compute.convolutions import ordinary
from landscape_widgets.compute.data import in_dtype, tensors_of
from landscape_widgets.compute.fast_check import UnequalError, compare
from landscape_widgets.compute.objective import Objective, private_loss

IGNORED = -100
"""The target that torch's cross-entropy leaves out unless told otherwise."""


def points_loss(objective: Objective, outputs: Any, targets: Any) -> Float[Tensor, " K"]:
    """Losses of K points from outputs with the points in front, and the targets that they share.

    Cross-entropy is taken with the classes in front of the samples: sums over a short last dimension are slow.

    >>> objective = Objective(nn.Linear(2, 3), nn.CrossEntropyLoss(), (torch.ones(4, 2), torch.arange(4) % 3))
    >>> points_loss(objective, torch.zeros(2, 4, 3), torch.arange(4) % 3).exp()
    tensor([3., 3.])
    """
    if not plain_cross_entropy(objective.loss_function):
        return vmap(lambda own: objective.loss_of(own, targets))(outputs)
    if _classes(outputs, targets):
        shared = targets.expand(len(outputs), -1)
        return functional.cross_entropy(outputs.mT, shared, reduction="none").mean(1)
    return torch.stack([objective.loss_of(point_of(outputs, index), targets) for index in range(len(outputs))])


def plain_cross_entropy(loss: Any) -> bool:
    """Whether a loss is the mean cross-entropy, without weights, smoothing or a hook.

    >>> plain_cross_entropy(functional.cross_entropy), plain_cross_entropy(nn.CrossEntropyLoss(label_smoothing=0.1))
    (True, False)
    """
    if loss is functional.cross_entropy:
        return True
    if type(loss) is not nn.CrossEntropyLoss or not ordinary(loss) or loss.weight is not None:
        return False
    return (loss.reduction, loss.label_smoothing, loss.ignore_index) == ("mean", 0.0, IGNORED)


def _classes(outputs: Any, targets: Any) -> bool:
    """Whether these are scores of classes, (K, N, C), and a class for every sample, (N,), none of them ignored."""
    return (
        isinstance(outputs, Tensor)
        and isinstance(targets, Tensor)
        and outputs.ndim == 3
        and targets.shape == outputs.shape[1:2]
        and targets.dtype == torch.long
        and not bool((targets == IGNORED).any())
    )


def verify_points_loss(objective: Objective, outputs: Any, targets: Any) -> None:
    """Raise where the losses of points differ from those taken one by one by more than rounding."""
    count = len(next(tensors_of(outputs)))
    found = points_loss(objective, outputs, targets)
    if found.shape != (count,):
        raise UnequalError("losses of another form")
    plain = [objective.loss_of(point_of(outputs, index), targets) for index in range(count)]
    double = private_loss(objective.loss_function, torch.float64, None)
    wide = in_dtype((outputs, targets), torch.float64)
    exact = [double(point_of(wide[0], index), wide[1]).reshape(()) for index in range(count)]
    compare([found], [torch.stack(plain)], [torch.stack(exact)])


def point_of(outputs: Any, index: int) -> Any:
    """The outputs of one point, as the model gives them.

    >>> point_of({"a": torch.eye(2)}, 1)
    {'a': tensor([0., 1.])}
    """
    return tree_map(lambda value: value[index].contiguous() if isinstance(value, Tensor) else value, outputs)
