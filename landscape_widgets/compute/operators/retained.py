"""Graphs of the gradient, kept between products as far as a memory budget allows."""

from __future__ import annotations

import contextlib
import dataclasses
import threading

import torch
from torch import Tensor

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.torch_state import math_attention
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
        self.lock = threading.Lock()

    @property
    def memory(self) -> int:
        """Bytes held by kept graphs (saved tensors, the parameters themselves apart)."""
        return self._used

    def gradient(self, number: int, batch: Batch) -> GradientGraph:
        """The gradient of batch `number` with its graph, kept if the budget allows."""
        if number in self._kept:
            return self._kept[number]
        if self._replica is None:
            self._replica = self._objective.own_replica(self._theta)
        counter = _SavedBytes({self._replica.flat.untyped_storage().data_ptr()})
        keep = self._used < self._budget
        with counter if keep else contextlib.nullcontext():
            gradients = self._differentiate(self._replica, batch)
        fits = keep and self._used + counter.total <= self._budget
        graph = GradientGraph(gradients, list(self._replica.parameters), fits)
        if graph.kept:
            self._kept[number] = graph
            self._used += counter.total
        elif keep:
            self._budget = self._used  # the next batch is as large: do not count again
        return graph

    def _differentiate(self, replica: Replica, batch: Batch) -> tuple[Tensor, ...]:
        try:
            with torch.enable_grad(), math_attention():
                loss, _ = self._objective.forward(replica, batch)
                if not loss.requires_grad:
                    return tuple(torch.zeros_like(parameter) for parameter in replica.parameters)
                return torch.autograd.grad(
                    loss, replica.parameters, create_graph=True, allow_unused=True, materialize_grads=True
                )
        except RuntimeError as error:
            if "derivative" not in str(error):
                raise
            raise ModelError(
                f"expected a loss that can be differentiated twice, but torch says: {str(error).splitlines()[0]}",
                "replace the operation it names by one with a second derivative",
            ) from error


class _SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes of the distinct storages that autograd saves, parameters apart."""

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
