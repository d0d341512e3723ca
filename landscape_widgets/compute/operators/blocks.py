"""Diagonal blocks of an operator: one layer, or some parameters, by themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor

from landscape_widgets.compute.operators.algebra import DeflatedOperator, SumOperator
from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
from landscape_widgets.compute.operators.gauss_newton import GaussNewtonOperator
from landscape_widgets.compute.operators.graph_operator import GraphOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.parameters import ParameterLayout, real_tensor
from landscape_widgets.errors import InputError


class BlockOperator(SymmetricOperator):
    """The diagonal block of an operator that belongs to some parameters: EᵀAE, E the embedding of their vector.

    Cost of a product: of a Hessian or Gauss-Newton operator, a part of its product: the block uses the
    operator's own graphs, kept once for all blocks, and walks only what lies between its parameters and the loss
    (where the graph is not kept, building it costs as much as for the whole). Of other operators, a whole
    product, all but the block thrown away. To pay for one layer alone from the start, and to keep smaller
    graphs, give `Objective` only its parameters (`parameters=`).

    Parameters
    ----------
    operator : a Hessian or Gauss-Newton operator, or a sum or deflation of such.
    names : a parameter's or a layer's name, or several; a layer stands for all parameters below it.
    label : what it is called in captions; None joins the names.

    Raises
    ------
    InputError : names that do not occur, or an operator whose parameters have no names.

    >>> from landscape_widgets.compute.objective import Objective
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Linear(1, 1, bias=False))
    >>> _ = [torch.nn.init.constant_(parameter, 1.0) for parameter in model.parameters()]
    >>> H = HessianOperator(Objective(model, torch.nn.MSELoss(), (torch.ones(1, 2), torch.zeros(1, 1))))
    >>> first = BlockOperator(H, "0")
    >>> first.names, first.to_dense().tolist()
    (('0.weight', '0.bias'), [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]])
    """

    def __init__(self, operator: SymmetricOperator, names: str | Collection[str], *, label: str | None = None) -> None:
        self.operator = operator
        blocks = _layout(operator).blocks
        wanted = [names] if isinstance(names, str) else list(names)
        self._chosen = _choose([block.name for block in blocks], wanted)
        self._blocks = [blocks[index] for index in self._chosen]
        self.names = tuple(block.name for block in self._blocks)
        self.label = ", ".join(wanted) if label is None else label
        self.size = sum(block.stop - block.start for block in self._blocks)
        self.dtype, self.device = operator.dtype, operator.device

    @property
    def question(self) -> dict[str, Any]:
        """What matrix this is, in plain values."""
        return {**super().question, "block": self.label, "names": list(self.names), "of": self.operator.question}

    def width(self, count: int) -> int:
        """As many vectors at a time as the operator whose graphs these are."""
        return self.operator.width(count) if isinstance(self.operator, GraphOperator) else 1

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute the product, yielding after every batch."""
        if isinstance(self.operator, (HessianOperator, GaussNewtonOperator)):
            return (yield from self.operator.block_steps(vector, self._chosen, partial))
        image = yield from self.operator.product_steps(self.embed(vector), partial)
        return self.restrict(image)

    def embed(self, vector: Any) -> Tensor:
        """The (P,) vector of the whole operator with these entries, and zeros elsewhere: a direction of the model."""
        vector = _vector(vector, self.size)
        whole = torch.zeros(self.operator.size, dtype=vector.dtype, device=vector.device)
        pieces = torch.split(vector, [block.stop - block.start for block in self._blocks])
        for block, piece in zip(self._blocks, pieces, strict=True):
            whole[block.start : block.stop] = piece
        return whole

    def restrict(self, whole: Any) -> Tensor:
        """The entries of a (P,) vector that belong to this block."""
        whole = _vector(whole, self.operator.size)
        return torch.cat([whole[block.start : block.stop] for block in self._blocks])


def layer_blocks(operator: SymmetricOperator) -> dict[str, SymmetricOperator]:
    """Split an operator into the diagonal blocks of its layers, in the model's order.

    A layer is a module with parameters of its own, named as in `named_modules` ("" is the model itself);
    a parametrization counts as its layer. The off-diagonal blocks are in none of them.

    Cost: none here; see `BlockOperator` for that of a product.

    Parameters
    ----------
    operator : a Hessian or Gauss-Newton operator, or a sum or deflation of such.

    Returns
    -------
    Layer name -> operator with its `label`; their sizes add up to P.

    Raises
    ------
    InputError : an operator whose parameters have no names.

    >>> from landscape_widgets.compute.objective import Objective
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> H = HessianOperator(Objective(model, torch.nn.MSELoss(), (torch.ones(4, 2), torch.zeros(4, 1))))
    >>> {name: block.size for name, block in layer_blocks(H).items()}
    {'0': 9, '2': 4}
    """
    layers: dict[str, list[str]] = {}
    for block in _layout(operator).blocks:
        owner, _, _ = block.name.rpartition(".")
        owner = f".{owner}.".partition(".parametrizations.")[0].strip(".")
        layers.setdefault(owner, []).append(block.name)
    return {layer: BlockOperator(operator, names, label=layer) for layer, names in layers.items()}


def _vector(value: Any, size: int) -> Tensor:
    vector = real_tensor(value, "a vector")
    if vector.shape != (size,):
        raise InputError(
            f"expected a vector of shape ({size},), got {tuple(vector.shape)}",
            "a block's own vectors have the block's size; embed() takes them to the whole, restrict() back",
        )
    return vector


def _layout(operator: Any) -> ParameterLayout:
    """The named parameters that an operator acts on."""
    if isinstance(operator, (HessianOperator, GaussNewtonOperator)):
        return operator.objective.layout
    if isinstance(operator, DeflatedOperator):
        return _layout(operator.operator)
    layouts = _layouts(operator) if isinstance(operator, SumOperator) else []
    if not layouts:
        raise InputError(
            f"expected a Hessian or Gauss-Newton operator, or a sum or deflation of such, "
            f"got {type(operator).__name__}",
            "take the block before projecting, or build the operator from an objective",
        )
    if any(layout.blocks != layouts[0].blocks for layout in layouts):
        raise InputError(
            "expected a sum of operators on the same named parameters, got different ones",
            "build them from objectives of one model and one parameters=",
        )
    return layouts[0]


def _layouts(operator: SumOperator) -> list[ParameterLayout]:
    """The layouts of the terms that have one; a dense matrix, say, goes along."""
    found: list[ParameterLayout] = []
    for _, term in operator.terms:
        if isinstance(term, (HessianOperator, GaussNewtonOperator, DeflatedOperator)):
            found.append(_layout(term))
    return found


def _choose(known: list[str], wanted: Iterable[str]) -> list[int]:
    """Indices of the parameters that are named, or lie below a layer that is named, in the model's order."""
    chosen: set[int] = set()
    for name in wanted:
        found = {index for index, full in enumerate(known) if full == name or full.startswith(f"{name}.")}
        if not found:
            raise InputError(
                f"expected names of parameters or layers, got {name!r}",
                f"choose among {', '.join(known[:8])}{' …' if len(known) > 8 else ''}",
            )
        chosen |= found
    if not chosen:
        raise InputError("expected at least one name, got none", f"choose among {', '.join(known[:8])}")
    return sorted(chosen)
