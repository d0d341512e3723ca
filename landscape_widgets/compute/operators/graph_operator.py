"""An operator made of the graphs of an objective's batches: what Hessian and Gauss-Newton share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
from landscape_widgets.compute.operators.folding import Folding, folding_of
from landscape_widgets.compute.operators.retained import RetainedGraphs
from landscape_widgets.compute.operators.width import FEWEST, LARGE, Width, choose_width
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.torch_state import differentiation

G = TypeVar("G")


class GraphOperator(SymmetricOperator, Generic[G]):
    """A second derivative of an objective at θ, from one graph a batch, kept as far as memory allows.

    A subclass builds the graph of a batch (`_build`) and multiplies by it (`_multiply`). Several vectors are multiplied
    at a time where that pays (`width`).

    Parameters
    ----------
    objective : what is differentiated.
    theta : (P,) where; None takes the centre.
    graph_memory : bytes of retained graphs in all; batches beyond it are rebuilt for every product.
    fold : whether BatchNorm is folded into the convolutions before it, where that gives the same products.
    """

    def __init__(
        self, objective: Objective, theta: Any = None, *, graph_memory: int = 2**30, fold: bool = True
    ) -> None:
        self.objective = objective
        self.theta = objective.center if theta is None else objective.vector(theta, "theta").clone()
        self.size, self.dtype, self.device = objective.size, objective.dtype, objective.device
        self._folding = Folding(reason="not asked for") if not fold else None
        self._width: Width | None = None
        self._graphs = RetainedGraphs(objective, self.theta, graph_memory, self._build, self._prepare)

    @property
    def question(self) -> dict[str, Any]:
        """What matrix this is, in plain values; after a product also its path, width and how many graphs were kept."""
        path = "not taken yet" if self._folding is None else self._folding.words
        width = (self._width or Width()).words
        own = {"objective": self.objective.question, "path": path, "width": width, "graphs": self._graphs.words}
        return {**super().question, **own}

    def width(self, count: int) -> int:
        """How many of `count` vectors are multiplied at a time: several for a small model, once it is tried.

        Cost: once an operator, where enough small products are due: of about ten of them.
        """
        if self._width is None or self._width.reason == LARGE:  # which it may have seemed beside a busy neighbour
            with torch.inference_mode(False):
                self._width = self._chosen_width(count)
        return 1 if self._width is None else min(count, self._width.count)

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute the product with one vector or with the columns of a matrix, yielding after every batch."""
        return self.block_steps(vector, self._whole, partial)

    def block_steps(self, vector: Tensor, chosen: Sequence[int], partial: PartialProduct | None = None) -> Steps:
        """Multiply the diagonal block of the `chosen` parameter tensors (indices) and what is as long as it."""
        at_once = vector.ndim == 1 or (self._width is not None and self._width.count > 1)
        multiply = self._apply if at_once else self._one_by_one
        return self._graphs.product_steps(vector, partial, functools.partial(multiply, chosen, vector))

    @property
    def _whole(self) -> Sequence[int]:
        return range(len(self.objective.layout.blocks))

    def _apply(self, chosen: Sequence[int], vectors: Tensor, graph: G, kept: bool) -> Tensor:
        """The product with one vector, or by one reverse pass with the columns of a matrix."""
        layout, batch = self.objective.layout, vectors.shape[1:]
        pieces = layout.split_chosen(vectors.T if batch else vectors, chosen)
        product = layout.join(self._multiply(chosen, pieces, graph, kept, batch), batch)
        return product.T if batch else product

    def _one_by_one(self, chosen: Sequence[int], matrix: Tensor, graph: G, kept: bool) -> Tensor:
        """The same column by column: a block begun where it paid, and taken up where it does not."""
        last = matrix.shape[1] - 1
        columns = [self._apply(chosen, matrix[:, n], graph, kept or n < last) for n in range(last + 1)]
        return torch.stack(columns, dim=1)

    def _chosen_width(self, due: int) -> Width | None:
        """The width of products; None where there is too little to choose by."""
        if self.dtype not in (torch.float32, torch.float64):
            return Width(reason=f"no check in {str(self.dtype).removeprefix('torch.')}")
        with self._graphs.held() as held:
            if held is None:
                return None
            graph, sample = held
            if not sample.pays(due):
                return None
            if sample.most < FEWEST:
                return Width(reason=LARGE)
            multiply = functools.partial(self._apply, self._whole)
            exact = None if self.dtype == torch.float64 else self._in_double
            return choose_width(sample, self.theta, lambda vectors: multiply(vectors, graph, True), exact)

    def _in_double(self, vector: Tensor) -> Tensor:
        """The product of the first batch in float64, nothing folded."""
        plain = self.objective.own_replica(self.theta)
        names = [block.name for block in self.objective.layout.blocks]
        double = Replica(plain.module, names, torch.float64, self.device)
        with differentiation():
            product = self._once(double, self.objective.batches.first.double(), vector)
        assert product is not None
        return product

    def _prepare(self, replica: Replica) -> None:
        """Fold what may be folded in the replica that the graphs will be built on."""
        if self._folding is None:
            self._folding = folding_of(self.objective, replica, self._once, type(self).__name__)
        self._folding.install(replica)

    def _once(self, replica: Replica, batch: Batch, vector: Tensor) -> Tensor | None:
        """The product with one vector on one batch, its graph not kept."""
        graph = self._build(replica, batch)
        if graph is None:
            return None
        return self._apply(self._whole, vector, graph, False)

    def _build(self, replica: Replica, batch: Batch) -> G | None:
        raise TypeError(f"{type(self).__name__} must define _build()")

    def _multiply(
        self, chosen: Sequence[int], pieces: list[Tensor], graph: G, kept: bool, batch: Sequence[int]
    ) -> Sequence[Tensor]:
        """The product with one tensor a `chosen` parameter; with `batch` (k,) k of them, along a first dimension."""
        raise TypeError(f"{type(self).__name__} must define _multiply()")
