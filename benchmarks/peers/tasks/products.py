"""Hessian-vector products of every package, as functions of a flat vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers.problems import Loader, Samples, flat, hessian_product, like_parameters

Product = Callable[[Tensor], Tensor]


def ours(model: nn.Module, batches: list[Samples]) -> Product:
    """Ours, graphs kept as far as memory is allowed."""
    import landscape_widgets as lw

    return lw.HessianOperator(lw.Objective(model, nn.CrossEntropyLoss(), batches)).__matmul__


def reference(model: nn.Module, batches: list[Samples]) -> Product:
    """The plain double backward over all samples at once."""
    data = (torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches]))
    return lambda vector: hessian_product(model, data, vector)


def curvlinops_operator(model: nn.Module, batches: list[Samples]) -> Any:
    """The linear operator of curvlinops."""
    from curvlinops import HessianLinearOperator

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        return HessianLinearOperator(model, nn.CrossEntropyLoss(), parameters, batches, check_deterministic=False)
    except (TypeError, AttributeError):
        named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        return HessianLinearOperator(model, nn.CrossEntropyLoss(), named, batches, check_deterministic=False)


def curvlinops(model: nn.Module, batches: list[Samples]) -> Product:
    """One vector at a time."""
    return curvlinops_operator(model, batches).__matmul__


def eigenthings_operator(model: nn.Module, batches: list[Samples]) -> Any:
    """The operator of hessian-eigenthings."""
    from hessian_eigenthings import HessianOperator, supervised_loss

    return HessianOperator(model, Loader(batches), supervised_loss(nn.CrossEntropyLoss()))


def eigenthings(model: nn.Module, batches: list[Samples]) -> Product:
    """Its double backward, the mean over batches."""
    return eigenthings_operator(model, batches).matvec


def pyhessian_object(model: nn.Module, batches: list[Samples]) -> Any:
    """PyHessian, over one batch with its graph kept, or over a loader."""
    from pyhessian import hessian

    single = {"data": batches[0]} if len(batches) == 1 else {"dataloader": Loader(batches)}
    if len(batches) > 1:  # it reads .grad of the parameters before any product
        nn.functional.cross_entropy(model(batches[0][0]), batches[0][1]).backward()
    return hessian(model, nn.CrossEntropyLoss(), cuda=False, **single)


def pyhessian(model: nn.Module, batches: list[Samples]) -> Product:
    """One product of PyHessian."""
    from pyhessian.utils import hessian_vector_product

    own = pyhessian_object(model, batches)

    def product(vector: Tensor) -> Tensor:
        pieces = like_parameters(model, vector)
        if own.full_dataset:
            return flat(own.dataloader_hv_product(pieces)[1])
        return flat(hessian_vector_product(own.gradsH, own.params, pieces))

    return product


PRODUCTS: dict[str, Callable[[nn.Module, list[Samples]], Product]] = {
    "ours": ours,
    "floor: double backward": reference,
    "curvlinops": curvlinops,
    "hessian-eigenthings": eigenthings,
    "pyhessian": pyhessian,
}
