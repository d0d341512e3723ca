"""Several points in one pass: their parameters stacked, the first layer precomputed where it reads the data alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from landscape_widgets.compute.convolutions import ordinary, watched_pass
from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.torch_state import differentiation

FIRST_BYTES = 2**26
"""Memory that the precomputed outputs of a first layer may take."""
NARROW = 16
"""Outputs of a linear layer below which a product from the left, W xᵀ, is the faster one for many small matrices."""


class PointsForward:
    """Outputs at K points of a plane at once: the model mapped over K stacked parameter vectors, data shared.

    A first linear layer, on what depends on no parameter, is linear in the coordinates of the plane too:
    W(α, β)x + b(α, β) = y₀ + α y₁ + β y₂, with y₀ of the centre and y₁, y₂ of the directions.

    Cost: the arithmetic of K forward passes (without that of the first layer), the overhead of one. Memory: K
    parameter vectors, and K times the activations of a batch.

    Parameters
    ----------
    objective : the loss.
    vectors : one or two directions, flat (P,), in the objective's dtype and on its device.
    first : name of the layer to precompute, as `first_layer` found it; "" for none.
    """

    def __init__(self, objective: Objective, vectors: Sequence[Float[Tensor, " P"]], first: str = "") -> None:
        self._objective, self._vectors = objective, list(vectors)
        replica = objective.own_replica()
        self._given: Tensor | None = None
        self._precomputed = _precomputed(objective, replica, self._vectors, first) if first else None
        if self._precomputed is not None:
            replica.module.get_submodule(first).forward = lambda x: self._given
        for part in replica.module.modules():
            if type(part) is nn.Linear and ordinary(part) and part.out_features < NARROW:
                vars(part)["forward"] = functools.partial(_from_the_left, part)
        self._replica = replica

    def outputs(self, points: Float[Tensor, "K d"], batch: Batch, number: int) -> Any:
        """What the model gives for batch `number`, each tensor with the points in front."""
        self._replica.reset_buffers()
        theta = _combined([self._objective.center, *self._vectors], points)
        blocks = self._objective.layout.blocks
        parameters = [theta[:, block.start : block.stop].view(-1, *block.shape) for block in blocks]
        given = None if self._precomputed is None else _combined(self._precomputed[number], points)

        def one(parameters: list[Tensor], given: Tensor | None) -> Any:
            self._given = given
            named = {block.name: parameter for block, parameter in zip(blocks, parameters, strict=True)}
            return batch.apply(lambda *args, **named_args: functional_call(module, named, args, named_args))

        module = self._replica.module
        try:
            return vmap(one, (0, None if given is None else 0))(parameters, given)
        finally:
            self._given = None


def first_layer(replica: Replica, batch: Batch) -> str:
    """Name of a linear layer called once, on one tensor that depends on no parameter; "" where there is none.

    Cost: one forward pass over the batch.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> replica = Replica(net, [name for name, _ in net.named_parameters()], None, torch.device("cpu"))
    >>> first_layer(replica, Batch(torch.ones(3, 2, 2), None, 3, 3.0))
    '1'
    """
    calls: dict[str, list[bool]] = {}
    handles = []
    for name, part in replica.module.named_modules():
        if type(part) is nn.Linear and ordinary(part) and name:
            handles.append(part.register_forward_hook(_noting(calls.setdefault(name, []))))
    watched_pass(replica, batch, handles, differentiation())
    return next((name for name, found in calls.items() if found == [True]), "")


def _from_the_left(layer: nn.Linear, x: Tensor) -> Tensor:
    """The same sums as W xᵀ for a matrix x, laid out as the layer's own pass would."""
    if x.ndim != 2:
        return functional.linear(x, layer.weight, layer.bias)
    product = layer.weight @ x.mT
    return (product if layer.bias is None else product + layer.bias.unsqueeze(1)).mT.contiguous()


def _noting(found: list[bool]) -> Callable[..., None]:
    def note(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        found.append(len(inputs) == 1 and isinstance(inputs[0], Tensor) and not inputs[0].requires_grad)

    return note


def _precomputed(
    objective: Objective, replica: Replica, vectors: Sequence[Tensor], first: str
) -> list[list[Tensor]] | None:
    """Outputs of the first layer at the centre and along each direction, per batch; None: too large, or not finite."""
    layer: Any = replica.module.get_submodule(first)
    taken: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda layer, inputs: taken.append(inputs[0].detach().clone()))
    try:
        for batch in objective.batches:
            replica.reset_buffers()
            batch.apply(replica.module)
    finally:
        handle.remove()
    count = len(vectors) + 1
    if sum(x.nbytes // max(1, x.shape[-1]) * layer.out_features * count for x in taken) > FIRST_BYTES:
        return None
    outputs = [[layer(x)] for x in taken]
    zero = torch.zeros_like(layer.weight)
    weight, bias = (
        one if any(one is own for own in replica.parameters) else None for one in (layer.weight, layer.bias)
    )
    for vector in vectors:
        replica.move_to(vector)
        for found, x in zip(outputs, taken, strict=True):
            found.append(functional.linear(x, zero if weight is None else weight, bias).expand_as(found[0]))
    replica.move_to(objective.center)
    return outputs if all(bool(y.isfinite().all()) for found in outputs for y in found) else None


def _combined(parts: Sequence[Tensor], points: Float[Tensor, "K d"]) -> Tensor:
    """y₀ + β y₂ + α y₁ for every point (α, β), the points in front; the row base first, as one point is made."""
    result = parts[0].unsqueeze(0)
    for part, column in zip(reversed(parts[1:]), reversed(points.unbind(1)), strict=True):
        result = torch.addcmul(result, column.view(-1, *[1] * part.ndim), part)
    return result
