"""An operator made of the graphs of an objective's batches: what Hessian and Gauss-Newton share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
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
    """

    def __init__(self, objective: Objective, theta: Any = None, *, graph_memory: int = 2**30) -> None:
        self.objective = objective
        self.theta = objective.center if theta is None else objective.vector(theta, "theta").clone()
        self.size, self.dtype, self.device = objective.size, objective.dtype, objective.device
        self._graphs = RetainedGraphs(objective, self.theta, graph_memory, self._build)

    @property
    def question(self) -> dict[str, Any]:
        """What matrix this is, in plain values."""
        return {**super().question, "objective": self.objective.question}

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute the product, yielding after every batch."""
        return self.block_steps(vector, range(len(self.objective.layout.blocks)), partial)

    def block_steps(self, vector: Tensor, chosen: Sequence[int], partial: PartialProduct | None = None) -> Steps:
        """Multiply the diagonal block of the `chosen` parameter tensors (indices) and a vector of its size."""
        pieces = self.objective.layout.split_chosen(vector, chosen)
        return self._graphs.product_steps(vector, partial, functools.partial(self._multiply, chosen, pieces))

    def _build(self, replica: Replica, batch: Batch) -> G | None:
        raise TypeError(f"{type(self).__name__} must define _build()")

    def _multiply(self, chosen: Sequence[int], pieces: list[Tensor], graph: G, kept: bool) -> Tensor:
        raise TypeError(f"{type(self).__name__} must define _multiply()")
