"""A diagonal matrix as an operator: the Hessian of a toy, whose quadratic forms are sums over coordinates."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
from landscape_widgets.compute.parameters import real_tensor
from landscape_widgets.errors import InputError


class DiagonalOperator(SymmetricOperator):
    """The matrix diag(d).

    Parameters
    ----------
    diagonal : (P,), torch or NumPy, float32 or float64, finite.

    Raises
    ------
    InputError : no vector of finite real numbers.

    >>> import numpy as np
    >>> DiagonalOperator(np.array([2.0, -1.0])) @ np.array([1.0, 3.0])
    array([ 2., -3.])
    """

    def __init__(self, diagonal: Any) -> None:
        tensor = real_tensor(diagonal, "a diagonal")
        if tensor.ndim != 1 or not len(tensor) or not tensor.is_floating_point() or not tensor.isfinite().all():
            raise InputError(
                f"expected a diagonal of finite real numbers, got shape {tuple(tensor.shape)} of {tensor.dtype}",
                "pass a (P,) array of float32 or float64 without NaN or infinity",
            )
        self.diagonal = tensor.clone()
        self.size, self.dtype, self.device = len(tensor), tensor.dtype, tensor.device

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute the product in one step."""
        partial = PartialProduct() if partial is None else partial
        if partial.total is None:
            partial.total, partial.done = self.diagonal * vector, 1
            yield
        return partial.total
