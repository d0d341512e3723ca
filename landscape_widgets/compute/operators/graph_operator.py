"""An operator made of the graphs of an objective's batches: what Hessian and Gauss-Newton share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
from landscape_widgets.compute.operators.folding import Folding, folding_of
from landscape_widgets.compute.operators.retained import RetainedGraphs
from landscape_widgets.compute.parameters import Replica

G = TypeVar("G")


class GraphOperator(SymmetricOperator, Generic[G]):
    """A second derivative of an objective at θ, from one graph a batch, kept as far as memory allows.

    A subclass builds the graph of a batch (`_build`) and multiplies by it (`_multiply`).

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
        self._graphs = RetainedGraphs(objective, self.theta, graph_memory, self._build, self._prepare)

    @property
    def question(self) -> dict[str, Any]:
        """What matrix this is, in plain values; after a product also its path, and how many graphs were kept."""
        path = "not taken yet" if self._folding is None else self._folding.words
        return {**super().question, "objective": self.objective.question, "path": path, "graphs": self._graphs.words}

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute the product, yielding after every batch."""
        return self.block_steps(vector, range(len(self.objective.layout.blocks)), partial)

    def block_steps(self, vector: Tensor, chosen: Sequence[int], partial: PartialProduct | None = None) -> Steps:
        """Multiply the diagonal block of the `chosen` parameter tensors (indices) and a vector of its size."""
        pieces = self.objective.layout.split_chosen(vector, chosen)
        return self._graphs.product_steps(vector, partial, functools.partial(self._multiply, chosen, pieces))

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
        layout = self.objective.layout
        return self._multiply(range(len(layout.blocks)), layout.split(vector), graph, False)

    def _build(self, replica: Replica, batch: Batch) -> G | None:
        raise TypeError(f"{type(self).__name__} must define _build()")

    def _multiply(self, chosen: Sequence[int], pieces: list[Tensor], graph: G, kept: bool) -> Tensor:
        raise TypeError(f"{type(self).__name__} must define _multiply()")
