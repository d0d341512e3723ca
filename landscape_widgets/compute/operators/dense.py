"""A dense symmetric matrix as an operator, for small problems and for checks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
from landscape_widgets.compute.parameters import real_tensor
from landscape_widgets.errors import InputError


class DenseOperator(SymmetricOperator):
    """A given symmetric (P, P) matrix.

    Parameters
    ----------
    matrix : (P, P), torch or NumPy, float32 or float64; symmetric to rounding.

    >>> import numpy as np
    >>> DenseOperator(np.array([[2.0, 1.0], [1.0, 0.0]])) @ np.array([1.0, 1.0])
    array([3., 1.])
    """

    def __init__(self, matrix: Any) -> None:
        tensor = real_tensor(matrix, "a matrix")
        if tensor.ndim != 2 or tensor.shape[0] != tensor.shape[1] or not tensor.is_floating_point():
            raise InputError(
                f"expected a square real matrix, got shape {tuple(tensor.shape)} of {tensor.dtype}",
                "pass a (P, P) array of float32 or float64",
            )
        asymmetry = (tensor - tensor.T).abs().max().item() if tensor.numel() else 0.0
        if asymmetry > 100 * torch.finfo(tensor.dtype).eps * tensor.abs().max().item():
            raise InputError(
                f"expected a symmetric matrix, got one that differs from its transpose by {asymmetry:.3g}",
                "pass (A + A.T) / 2 if that is what is meant",
            )
        self._matrix = tensor.clone()
        self.size, self.dtype, self.device = len(tensor), tensor.dtype, tensor.device

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute the product in one step."""
        partial = PartialProduct() if partial is None else partial
        if partial.total is None:
            partial.total, partial.done = self._matrix @ vector, 1
            yield
        return partial.total
