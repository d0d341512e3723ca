"""Graphs of the gradient, kept between products as far as a memory budget allows."""

from __future__ import annotations

import contextlib
import dataclasses
import threading

import torch
from torch import Tensor

from landscape_widgets.compute.data import Batch, tensors_of
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.probe import graph_nodes
from landscape_widgets.compute.torch_state import differentiation, math_attention
from landscape_widgets.errors import ModelError


@dataclasses.dataclass(frozen=True, eq=False)
class GradientGraph:
    """The gradient of one batch's loss with its graph; `kept` says that it will be used again."""

    gradients: tuple[Tensor, ...]
    parameters: list[Tensor]
    kept: bool


class RetainedGraphs:
    """Gradient graphs of the batches at one θ; kept ones live on a replica of their own that never moves.

    Hold `lock` from asking for a graph until it has been used: two threads may not walk one graph at once.
    """

    def __init__(self, objective: Objective, theta: Tensor, budget: int) -> None:
        self._objective, self._theta, self._budget = objective, theta, budget
        self._replica: Replica | None = None
        self._kept: dict[int, GradientGraph] = {}
        self._used = 0
        self._independent: set[int] = set()
        self.lock = threading.Lock()

    @property
    def memory(self) -> int:
        """Bytes held by kept graphs (saved tensors, the parameters themselves apart)."""
        return self._used

    @property
    def independent(self) -> int:
        """How many batches are known whose loss depends on no parameter."""
        return len(self._independent)

    def gradient(self, number: int, batch: Batch) -> GradientGraph | None:
        """The gradient of batch `number` with its graph, kept if the budget allows; None if it depends on nothing."""
        if number in self._kept:
            return self._kept[number]
        if self._replica is None:
            self._replica = self._objective.own_replica(self._theta)
        data = {tensor.untyped_storage().data_ptr() for tensor in tensors_of((batch.inputs, batch.targets))}
        counter = _SavedBytes(self._replica.storages() | data)
        keep = self._used < self._budget
        with counter if keep else contextlib.nullcontext():
            gradients = self._differentiate(self._replica, batch)
        if gradients is None:
            self._independent.add(number)
            return None
        fits = keep and self._used + counter.total <= self._budget
        graph = GradientGraph(gradients, list(self._replica.parameters), fits)
        if graph.kept:
            self._kept[number] = graph
            self._used += counter.total
        elif keep:
            self._budget = self._used  # the next batch is as large: do not count again
        return graph

    def _differentiate(self, replica: Replica, batch: Batch) -> tuple[Tensor, ...] | None:
        try:
            with differentiation(), math_attention():
                loss, _ = self._objective.forward(replica, batch)
                if not loss.requires_grad:
                    return None
                gradients = torch.autograd.grad(
                    loss, replica.parameters, create_graph=True, allow_unused=True, materialize_grads=True
                )
            for node in graph_nodes(*gradients)[1] & UNSOUND.keys():  # torch would give a wrong product in silence
                raise RuntimeError(f"{UNSOUND[node]} has no second derivative")
            return gradients
        except RuntimeError as error:
            if "derivative" not in str(error):
                raise
            raise ModelError(
                f"expected a loss that can be differentiated twice, but torch says: {str(error).splitlines()[0]}",
                "replace the operation it names by one with a second derivative",
            ) from error


UNSOUND = {
    "torch::autograd::Error": "a function with a once_differentiable backward",
    "WeightNormInterfaceBackward0": "torch._weight_norm (its double backward is wrong)",
}
"""Nodes of a graph that gives wrong second derivatives without a word, and what made them."""


class _SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes of the distinct storages that autograd saves, those of model and data apart."""

    def __init__(self, known: set[int]) -> None:
        self.total = 0
        self._seen = set(known)
        super().__init__(self._count, lambda tensor: tensor)

    def _count(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.total += storage.nbytes()
        return tensor
