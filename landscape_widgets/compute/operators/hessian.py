"""The Hessian of the mean loss, by its products."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from landscape_widgets.compute.objective import Objective, independent_loss
from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
from landscape_widgets.compute.operators.retained import GradientGraph, RetainedGraphs
from landscape_widgets.compute.torch_state import math_attention
from landscape_widgets.errors import ModelError


class HessianOperator(SymmetricOperator):
    """The Hessian H = ∇²L(θ) of an objective, as an operator: Hv = ∇(∇L · v).

    Cost of a product: about one gradient evaluation where the graph of the gradient could be kept from
    an earlier product, about three where it is built anew. Kept graphs hold the activations of a batch.

    Parameters
    ----------
    objective : the loss to differentiate twice.
    theta : (P,) where to differentiate; None takes the centre.
    graph_memory : bytes of retained graphs in all; batches beyond it are rebuilt for every product.

    Raises
    ------
    ModelError : at a product, when the loss is not twice differentiable, or depends on no parameter.

    Source: B. Pearlmutter, "Fast exact multiplication by the Hessian" (1994), section 3.

    >>> from landscape_widgets.compute.objective import Objective
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> data = (torch.tensor([[1.0, 2.0]]), torch.zeros(1, 1))
    >>> H = HessianOperator(Objective(model, torch.nn.MSELoss(), data))
    >>> H @ torch.tensor([1.0, 0.0])
    tensor([2., 4.])
    """

    def __init__(self, objective: Objective, theta: Any = None, *, graph_memory: int = 2**30) -> None:
        self.objective = objective
        self.theta = objective.center if theta is None else objective.vector(theta, "theta").clone()
        self.size, self.dtype, self.device = objective.size, objective.dtype, objective.device
        self._graphs = RetainedGraphs(objective, self.theta, graph_memory)

    @property
    def question(self) -> dict[str, Any]:
        """What matrix this is, in plain values."""
        return {**super().question, "objective": self.objective.question}

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute Hv, yielding after every batch."""
        partial = PartialProduct() if partial is None else partial
        total = torch.zeros_like(vector) if partial.total is None else partial.total
        pieces = self.objective.layout.split(vector)
        batches, first = self.objective.batches, partial.done
        for number, batch in enumerate(batches):
            if number < first:
                continue
            with self._graphs.lock:  # never held across a yield: streams on one operator may interleave
                graph = self._graphs.gradient(number, batch)
                if graph is not None:
                    product = self._batch_product(graph, pieces)
                    total.add_(product, alpha=batch.weight / batches.total_weight)
            partial.total, partial.done = total, number + 1
            yield
        if self._graphs.independent == batches.count:
            raise independent_loss()
        return total

    def _batch_product(self, graph: GradientGraph, pieces: list[Tensor]) -> Tensor:
        used = [index for index, gradient in enumerate(graph.gradients) if gradient.requires_grad]
        if not used:
            return torch.zeros(self.size, dtype=self.dtype, device=self.device)
        try:
            with math_attention():
                products = torch.autograd.grad(
                    [graph.gradients[index] for index in used],
                    graph.parameters,
                    grad_outputs=[pieces[index] for index in used],
                    retain_graph=graph.kept,
                    allow_unused=True,
                    materialize_grads=True,
                )
        except RuntimeError as error:
            raise ModelError(
                f"expected a loss that can be differentiated twice, but torch says: {str(error).splitlines()[0]}",
                "replace the operation it names by one with a second derivative",
            ) from error
        return self.objective.layout.join(products)
