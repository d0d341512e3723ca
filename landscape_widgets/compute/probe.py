"""Probes at construction: is the loss a deterministic, finite mean over samples, of this model's parameters?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from landscape_widgets.compute.data import Batch, tensors_of
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.torch_state import differentiation, evaluation, preserved_random_state
from landscape_widgets.errors import LandscapeError, ModelError

if TYPE_CHECKING:
    from landscape_widgets.compute.objective import Objective

PROBE_SAMPLES = 32
"""Samples of the first batch that the probe runs."""


def probe(
    objective: Objective, replica: Replica, original: nn.Module, *, check_determinism: bool, check_mean: bool
) -> None:
    """Run the first samples twice, then doubled, and raise `ModelError` for what does not agree.

    `original` is the user's module, which is not run: only whether the loss reaches its parameters is asked.
    """
    if check_determinism:
        _refuse_training_layers(replica.module)
    batch = objective.batches.first
    batch = batch.head(PROBE_SAMPLES) or batch
    with preserved_random_state():
        loss = _first_loss(objective, replica, batch, original)
        if not math.isfinite(loss):
            raise ModelError(
                f"expected a finite loss at the centre, got {loss} on the first {batch.size} samples",
                "check the inputs for NaN, the learning rate that trained the model, or use dtype=torch.float64",
            )
        if check_determinism:
            _check_repeat(objective, replica, batch, loss)
        if check_mean and (twice := batch.doubled()) is not None:
            _check_doubled(objective, loss, _loss(objective, replica, twice))


def _first_loss(objective: Objective, replica: Replica, batch: Batch, original: nn.Module) -> float:
    """The loss on samples of our own, with what can go wrong in a first pass put into words."""
    batch = batch.cloned()
    tensors = list(tensors_of((batch.inputs, batch.targets)))
    versions = [tensor._version for tensor in tensors]
    try:
        with differentiation():
            loss, _ = objective.forward(replica, batch)
    except LandscapeError:
        raise
    except Exception as error:
        shapes = [f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}" for tensor in tensors]
        raise ModelError(
            f"expected the model and the loss to take a batch, got {type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}; inputs and targets: "
            f"{', '.join(shapes)}",
            f"check shapes and dtypes of the data against the model (parameters are "
            f"{str(objective.dtype).removeprefix('torch.')}; dtype= converts both)",
        ) from error
    objective.writes_data = any(now._version != was for now, was in zip(tensors, versions, strict=True))
    _refuse_unsuitable_graph(loss, original)
    return loss.item()


def _refuse_unsuitable_graph(loss: torch.Tensor, original: nn.Module) -> None:
    """Refuse a loss of the user's own parameters, which never move, and checkpointing that hides a gradient."""
    reached, hidden = graph_nodes(loss)
    theirs = [name for name, parameter in original.named_parameters() if id(parameter) in reached]
    if theirs:
        raise ModelError(
            f"expected a loss of the outputs and targets alone, got one that uses '{theirs[0]}' of the model itself, "
            "which does not move with the analysed copy",
            "let the model return what the penalty needs, and compute it from the outputs",
        )
    if "CheckpointFunctionBackward" in hidden:
        raise ModelError(
            "expected a differentiable model, got reentrant activation checkpointing, which hides its gradient",
            "use torch.utils.checkpoint.checkpoint(..., use_reentrant=False)",
        )


ONCE = "once_differentiable"
"""The name that `graph_nodes` gives to functions whose backward is marked so."""


def _once_differentiable(node: Any) -> bool:
    """Whether a node is of a Python function whose backward torch's decorator wraps."""
    backward = getattr(getattr(node, "_forward_cls", None), "backward", None)
    return getattr(backward, "__globals__", {}).get("__name__") == "torch.autograd.function"


def graph_nodes(*tensors: torch.Tensor) -> tuple[set[int], set[str]]:
    """What the graphs of some tensors hold: ids of the leaves, and names of the functions."""
    leaves, names, seen = set[int](), set[str](), set[Any]()
    waiting: list[Any] = [tensor.grad_fn for tensor in tensors]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        names.add(ONCE if _once_differentiable(node) else node.name())
        if hasattr(node, "variable"):
            leaves.add(id(node.variable))
        waiting.extend(following for following, _ in node.next_functions)
    return leaves, names


def _refuse_training_layers(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        if not layer.training:
            continue
        probability = getattr(layer, "p", None) if isinstance(layer, nn.modules.dropout._DropoutNd) else None
        if isinstance(layer, nn.MultiheadAttention) or (isinstance(layer, nn.RNNBase) and layer.num_layers > 1):
            probability = layer.dropout
        if probability:
            raise ModelError(
                f"expected a deterministic model, got dropout left on in '{name}' (p={probability})",
                "call model.eval() first, or pass check_determinism=False to draw one random loss",
            )
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise ModelError(
                f"expected frozen BatchNorm statistics, got BatchNorm in train mode in '{name}'",
                "call model.eval() first, or pass check_determinism=False to use each batch's own statistics",
            )


def _check_repeat(objective: Objective, replica: Replica, batch: Batch, loss: float) -> None:
    one = objective.batch_gradient(replica, batch)
    other = objective.batch_gradient(replica, batch)
    again = _loss(objective, replica, batch)
    tolerance = 64 * torch.finfo(objective.dtype).eps
    moved = one is not None and other is not None and bool((one - other).norm() > 64 * tolerance * one.norm())
    if abs(again - loss) > tolerance * max(abs(loss), abs(again)) or moved:
        raise ModelError(
            f"expected the same loss and gradient twice on the same batch, got losses {loss:.9g} and {again:.9g}",
            "make the model deterministic (model.eval(), a fixed seed inside), or pass check_determinism=False",
        )


def _check_doubled(objective: Objective, loss: float, doubled: float) -> None:
    # Reductions over twice the samples round differently: a mean must agree to a few hundred ulps only.
    tolerance = 4096 * torch.finfo(objective.dtype).eps * max(abs(loss), abs(doubled), torch.finfo(objective.dtype).eps)
    if abs(doubled - loss) <= tolerance:
        return
    if abs(doubled - 2 * loss) <= 2 * tolerance:
        raise ModelError(
            f"expected the mean over samples, got a sum: every sample twice gave {doubled:.6g} instead of {loss:.6g}",
            'use reduction="mean", or pass check_mean=False if the sum is meant',
        )
    raise ModelError(
        f"expected the mean over samples, got a loss that changes from {loss:.6g} to {doubled:.6g} "
        "when every sample comes twice",
        "average over the samples of the batch, or pass check_mean=False if this is meant (a contrastive loss, say)",
    )


def _loss(objective: Objective, replica: Replica, batch: Batch) -> float:
    with evaluation():
        return objective.forward(replica, batch)[0].item()
