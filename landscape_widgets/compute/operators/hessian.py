"""The Hessian of the mean loss, by its products."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.operators.graph_operator import GraphOperator
from landscape_widgets.compute.operators.retained import derivative, refuse_unsound
from landscape_widgets.compute.parameters import Replica


@dataclasses.dataclass(frozen=True, eq=False)
class GradientGraph:
    """The gradient of one batch's loss with its graph."""

    gradients: tuple[Tensor, ...]
    parameters: list[Tensor]


class HessianOperator(GraphOperator[GradientGraph]):
    """The Hessian H = ∇²L(θ) of an objective, as an operator: Hv = ∇(∇L · v).

    Cost of a product, on a CPU: about two gradient evaluations where the graph of the gradient could be kept
    from an earlier product, about three where it is built anew; convolutions with BatchNorm 2.5 to 3 and 4 to 5.
    Several vectors at a time, which many products of small models ask for, a third to two thirds of that each
    (`question["width"]`). Kept graphs hold the activations of a batch.

    Parameters
    ----------
    objective : the loss to differentiate twice.
    theta : (P,) where to differentiate; None takes the centre.
    graph_memory : bytes of retained graphs in all; batches beyond it are rebuilt for every product.
    fold : whether BatchNorm in evaluation mode is folded into the convolutions before it, where a check finds
        the same products; `question["path"]` says which, and `question["graphs"]` how many graphs were kept.

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

    def _multiply(
        self, chosen: Sequence[int], pieces: list[Tensor], graph: GradientGraph, kept: bool, batch: Sequence[int]
    ) -> Sequence[Tensor]:
        gradients = [graph.gradients[index] for index in chosen]
        parameters = [graph.parameters[index] for index in chosen]
        return derivative(gradients, parameters, pieces, kept, batch)

    def _build(self, replica: Replica, batch: Batch) -> GradientGraph | None:
        loss, _ = self.objective.forward(replica, batch)
        if not loss.requires_grad:
            return None
        gradients = torch.autograd.grad(
            loss, replica.parameters, create_graph=True, allow_unused=True, materialize_grads=True
        )
        refuse_unsound((loss, *gradients))  # a constant gradient through it would leave no trace in its own graph
        return GradientGraph(gradients, list(replica.parameters))
