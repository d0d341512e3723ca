"""Graphs of batches, kept between products as far as a memory budget allows, and the sum of products over them."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from landscape_widgets.compute.batch_statistics import refuse_recomputed
from landscape_widgets.compute.data import Batch, tensors_of
from landscape_widgets.compute.objective import Objective, independent_loss
from landscape_widgets.compute.operators.base import PartialProduct, Steps
from landscape_widgets.compute.operators.width import Sample
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.probe import ONCE, graph_nodes
from landscape_widgets.compute.torch_state import differentiation, math_attention
from landscape_widgets.errors import ModelError

G = TypeVar("G")


class RetainedGraphs(Generic[G]):
    """Graphs of the batches at one θ, of a kind that `build` makes; kept ones live on a replica that never moves.

    Parameters
    ----------
    objective, theta : what is differentiated, and where.
    budget : bytes of kept graphs in all; batches beyond it are built anew every time.
    build : (replica, batch) -> a dataclass that holds the graph, or None where the loss depends on no parameter.
    prepare : called once with the replica that the graphs will be built on.
    """

    def __init__(
        self,
        objective: Objective,
        theta: Tensor,
        budget: int,
        build: Callable[[Replica, Batch], G | None],
        prepare: Callable[[Replica], None],
    ) -> None:
        self._objective, self._theta, self._budget = objective, theta, budget
        self._build, self._prepare = build, prepare
        self._replica: Replica | None = None
        self._kept: dict[int, G] = {}
        self._used = 0
        self._seconds = math.inf  # of one vector and one kept graph, the fastest so far, the first one left out
        self._first = True
        self._independent: set[int] = set()
        self._lock = threading.Lock()

    @property
    def memory(self) -> int:
        """Bytes held by kept graphs (saved tensors and gradients, the parameters themselves apart)."""
        return self._used

    @property
    def words(self) -> str:
        """How many graphs are kept between products, and how many batches are built anew for each."""
        kept, count = len(self._kept), self._objective.batches.count - len(self._independent)
        return f"{kept} kept, {count - kept} rebuilt" if self._replica is not None else "none built yet"

    @contextlib.contextmanager
    def held(self) -> Iterator[tuple[G, Sample] | None]:
        """The first kept graph, with the lock, and what is known of products; None before it was used twice."""
        with self._lock, math_attention(), twice_differentiable():
            if not self._kept or self._seconds == math.inf:
                yield None
            else:
                sample = Sample(self._seconds, self._used / len(self._kept), self._objective.batches.count)
                yield next(iter(self._kept.values())), sample

    def product_steps(
        self, vector: Tensor, partial: PartialProduct | None, multiply: Callable[[G, bool], Tensor]
    ) -> Steps:
        """Sum `multiply(graph, kept)` over the batches by their weights into a vector like the given one.

        Yields after every batch. Two threads may not walk one graph at once, so a batch is multiplied under
        a lock, never held across a yield: streams on one operator may interleave.
        """
        refuse_recomputed(self._objective)
        partial = PartialProduct() if partial is None else partial
        total, batches, first = partial.total, self._objective.batches, partial.done
        for number, batch in enumerate(batches):
            if number < first:
                continue
            with self._lock:
                graph, kept = self._graph(number, batch)
                if graph is not None:
                    started = time.perf_counter()
                    with math_attention(), twice_differentiable():
                        product = multiply(graph, kept)
                    if kept and vector.ndim == 1:
                        self._seconds = math.inf if self._first else min(self._seconds, time.perf_counter() - started)
                        self._first = False
                    total = _weighted_sum(total, product, batch.weight / batches.total_weight)
            partial.total, partial.done = total, number + 1
            yield
        if len(self._independent) == batches.count:
            raise independent_loss()
        return torch.zeros_like(vector) if total is None else total

    def _graph(self, number: int, batch: Batch) -> tuple[G | None, bool]:
        """The graph of batch `number`, and whether it is kept as the budget allows."""
        if number in self._kept:
            return self._kept[number], True
        if self._replica is None:
            replica = self._objective.own_replica(self._theta)
            with differentiation(), math_attention():
                self._prepare(replica)
            self._replica = replica
        data = {tensor.untyped_storage().data_ptr() for tensor in tensors_of((batch.inputs, batch.targets))}
        counter = _SavedBytes(self._replica.storages() | data)
        keep = self._used < self._budget
        counting = counter if keep else contextlib.nullcontext()
        with counting, differentiation(), math_attention(), twice_differentiable():
            graph = self._build(self._replica, batch)
        if graph is None:
            self._independent.add(number)
            return None, False
        for tensor in tensors_of(list(vars(graph).values())):
            counter.count(tensor)
        fits = keep and self._used + counter.total <= self._budget
        if fits:
            self._kept[number] = graph
            self._used += counter.total
        elif keep:
            self._budget = self._used  # the next batch is as large: do not count again
        return graph, fits


def _weighted_sum(total: Tensor | None, product: Tensor, weight: float) -> Tensor:
    """Add a product to the sum, in the memory of the sum, or for the first one in its own."""
    if total is not None:
        return total.add_(product, alpha=weight)
    return product if weight == 1.0 else product.mul_(weight)


@contextlib.contextmanager
def twice_differentiable() -> Iterator[None]:
    """Turn torch's words for a missing second derivative into a `ModelError`."""
    try:
        yield
    except RuntimeError as error:
        if "derivative" not in str(error) and "differentiat" not in str(error):
            raise
        raise ModelError(
            f"expected a loss that can be differentiated twice, but torch says: {str(error).splitlines()[0]}",
            "replace the operation it names by one with a second derivative",
        ) from error


def derivative(
    values: Sequence[Tensor],
    variables: Sequence[Tensor],
    weights: Sequence[Tensor],
    kept: bool,
    batch: Sequence[int] = (),
) -> tuple[Tensor, ...]:
    """Σ weightsᵀ ∂values/∂variables by one reverse pass, zeros where nothing depends; `kept` retains the graph.

    With `batch` (k,) the weights are k at once, along a dimension before their own, and so are the sums.
    """
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if value.requires_grad]
    found: Sequence[Tensor | None] = [None] * len(variables)
    if pairs and variables:
        found = torch.autograd.grad(
            [value for value, _ in pairs],
            variables,
            grad_outputs=[weight for _, weight in pairs],
            retain_graph=kept,
            allow_unused=True,
            is_grads_batched=bool(batch),
        )
    return tuple(
        variable.new_zeros((*batch, *variable.shape)) if sum_ is None else sum_
        for variable, sum_ in zip(variables, found, strict=True)
    )


def refuse_unsound(gradients: tuple[Tensor, ...]) -> None:
    """Raise for a graph of gradients that torch would differentiate wrongly in silence."""
    for node in graph_nodes(*gradients)[1] & UNSOUND.keys():
        raise RuntimeError(f"{UNSOUND[node]} has no second derivative")


UNSOUND = {
    "torch::autograd::Error": "a function with a once_differentiable backward",
    ONCE: "a function with a once_differentiable backward",
    "WeightNormInterfaceBackward0": "torch._weight_norm (its double backward is wrong)",
}
"""Nodes of a graph that gives wrong second derivatives without a word, and what made them."""


class _SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes of the distinct storages that autograd saves, those of model and data apart."""

    def __init__(self, known: set[int]) -> None:
        self.total = 0
        self._seen = set(known)
        super().__init__(self.count, lambda tensor: tensor)

    def count(self, tensor: Tensor) -> Tensor:
        """Add a tensor's memory, if it is not counted yet, and give the tensor back."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.total += storage.nbytes()
        return tensor
