"""The generalised Gauss-Newton matrix of the mean loss, by its products."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.operators.graph_operator import GraphOperator
from landscape_widgets.compute.operators.retained import derivative, refuse_unsound
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.probe import graph_nodes
from landscape_widgets.errors import ModelError


@dataclasses.dataclass(frozen=True, eq=False)
class GaussNewtonGraph:
    """Three graphs of one batch: of the outputs, of their pullback, and of the loss as a function of the outputs.

    Parameters
    ----------
    outputs : the k output tensors in which the loss is curved, with the model's graph.
    cotangents, pullbacks : k zeros u shaped as the outputs, and Jᵀu with its graph, one a parameter.
    points, slopes : the outputs again without the model's graph, and ∇ℓ there with its graph.
    """

    outputs: list[Tensor]
    cotangents: list[Tensor]
    pullbacks: tuple[Tensor, ...]
    points: list[Tensor]
    slopes: list[Tensor]
    parameters: list[Tensor]


class GaussNewtonOperator(GraphOperator[GaussNewtonGraph]):
    """The generalised Gauss-Newton matrix G of an objective: the Hessian without the model's own curvature.

    G = Σ_b w_b/W · J_bᵀ H_ℓ,b J_b, with J the Jacobian of the outputs in the parameters and H_ℓ the Hessian of
    the loss in the outputs. H - G = Σ_i (∂ℓ/∂z_i) ∇²z_i: zero for a model that is linear in its parameters, and
    where ∂ℓ/∂z = 0. G is positive semidefinite if the loss is convex in the outputs, and zero if it is
    linear in them: so what counts as an output, what the model returns, matters. Outputs may be a tensor, or
    tensors in nested tuples, lists, dicts and whatever else `torch.utils._pytree` knows.

    Jv is the derivative of Jᵀu in u, a second reverse pass: exact, with every layer whose backward pass has a
    derivative.

    Cost of a product, on a CPU: 1 (MLP) to 1.5 (transformer) gradient evaluations where the graphs could be kept
    from an earlier product, 2 to 2.5 where they are built anew; convolutions with BatchNorm 2.5 and 4 to 5. That is
    0.6 to 1 of the Hessian's, with as much memory: kept graphs hold the activations of a batch.

    Parameters
    ----------
    objective : the mean loss; its model and its loss are differentiated apart.
    theta : (P,) where to differentiate; None takes the centre.
    graph_memory : bytes of retained graphs in all; batches beyond it are rebuilt for every product.
    fold : whether BatchNorm in evaluation mode is folded into the convolutions before it, where a check finds
        the same products; `question["path"]` says which, and `question["graphs"]` how many graphs were kept.

    Raises
    ------
    ModelError : at a product, when outputs are of a class whose tensors cannot be found, when model or loss
        are not twice differentiable, or when the loss depends on no parameter.

    Source: N. Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent" (2002),
    "Extended Gauss-Newton approximation"; J. Townsend, "A new trick for calculating Jacobian vector products" (2017).

    >>> from landscape_widgets.compute.objective import Objective
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> data = (torch.tensor([[1.0, 2.0]]), torch.zeros(1, 1))
    >>> G = GaussNewtonOperator(Objective(model, torch.nn.MSELoss(), data))
    >>> G @ torch.tensor([1.0, 0.0])
    tensor([2., 4.])
    """

    def _multiply(
        self, chosen: Sequence[int], pieces: list[Tensor], graph: GaussNewtonGraph, kept: bool, batch: Sequence[int]
    ) -> Sequence[Tensor]:
        parameters = [graph.parameters[index] for index in chosen]
        pushed = derivative([graph.pullbacks[index] for index in chosen], graph.cotangents, pieces, kept, batch)
        curved = derivative(graph.slopes, graph.points, pushed, kept, batch)
        return derivative(graph.outputs, parameters, curved, kept, batch)

    def _build(self, replica: Replica, batch: Batch) -> GaussNewtonGraph | None:
        given, targets = self.objective.outputs(replica, batch)
        leaves, structure = pytree.tree_flatten(given)
        chosen = [index for index, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.requires_grad]
        outputs = [leaves[index] for index in chosen]
        points = [output.detach().requires_grad_() for output in outputs]
        for index, point in zip(chosen, points, strict=True):
            leaves[index] = point.clone()  # a loss may write into what it is given
        loss = self.objective.loss_of(pytree.tree_unflatten(leaves, structure), targets)
        if not loss.requires_grad:
            return None
        _refuse_hidden_outputs(loss, given, replica)
        slopes = torch.autograd.grad(loss, points, create_graph=True, allow_unused=True, materialize_grads=True)
        refuse_unsound(slopes)
        curved = [index for index, slope in enumerate(slopes) if slope.requires_grad]  # the loss is linear in others
        outputs = [outputs[index] for index in curved]
        cotangents = [torch.zeros_like(output, requires_grad=True) for output in outputs]
        pullbacks = tuple(torch.zeros_like(parameter) for parameter in replica.parameters)
        if outputs:
            pullbacks = torch.autograd.grad(
                outputs, replica.parameters, cotangents, create_graph=True, allow_unused=True, materialize_grads=True
            )
        refuse_unsound(pullbacks)
        return GaussNewtonGraph(
            outputs,
            cotangents,
            pullbacks,
            [points[index] for index in curved],
            [slopes[index] for index in curved],
            list(replica.parameters),
        )


def _refuse_hidden_outputs(loss: Tensor, given: Any, replica: Replica) -> None:
    """Refuse a loss that reaches the parameters through something else than the tensors found in the outputs."""
    reached, _ = graph_nodes(loss)
    if not any(id(parameter) in reached for parameter in replica.parameters):
        return
    unknown = [leaf for leaf in pytree.tree_leaves(given) if not isinstance(leaf, Tensor)]
    kinds = sorted({type(leaf).__name__ for leaf in unknown if leaf is not None})
    raise ModelError(
        "expected model outputs as a tensor, or tensors in tuples, lists and dicts, got a loss that uses tensors "
        f"inside {', '.join(kinds) or type(given).__name__}",
        "return a tuple or a dict of the tensors that the loss uses, or register the class with "
        "torch.utils._pytree.register_pytree_node",
    )
