"""The contract of a symmetric operator: products in bounded steps, and the forms they are asked in."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from landscape_widgets.compute.parameters import array_of, real_tensor
from landscape_widgets.errors import InputError

Steps = Generator[None, None, Tensor]
"""Yields after every bounded piece of work and returns the product."""


@dataclasses.dataclass
class PartialProduct:
    """A product under way: the sum over its first `done` batches (or terms, and `inner` the term under way)."""

    total: Tensor | None = None
    done: int = 0
    inner: PartialProduct | None = None

    def copy(self) -> PartialProduct:
        """A copy that later steps do not change."""
        total = None if self.total is None else self.total.clone()
        return PartialProduct(total, self.done, None if self.inner is None else self.inner.copy())


class SymmetricOperator:
    """A real symmetric (P, P) matrix known by its products.

    A subclass sets `size`, `dtype`, `device` and defines `product_steps`; if it says a `width` above 1, for the columns
    of a matrix too. Sums, differences, multiples (`2.0 * A`) and `A.shift(mu)` are operators again.
    """

    size: int
    dtype: torch.dtype
    device: torch.device
    __array_ufunc__ = None  # NumPy numbers leave `number * A` to the operator

    def product_steps(self, vector: Float[Tensor, "P *k"], partial: PartialProduct | None = None) -> Steps:
        """Compute the product with one (P,) vector of this operator's dtype, yielding after every batch.

        `partial` is where to go on; it is kept up to date, so that a checkpoint may hold a copy.
        """
        raise TypeError(f"{type(self).__name__} must define product_steps()")

    def width(self, count: int) -> int:
        """How many of `count` vectors are best multiplied at a time, as the columns of one matrix (P, k)."""
        return 1

    @property
    def shape(self) -> tuple[int, int]:
        """(P, P)."""
        return (self.size, self.size)

    @property
    def question(self) -> dict[str, Any]:
        """What matrix this is, in plain values."""
        return {"operator": type(self).__name__, "size": self.size, "dtype": str(self.dtype).removeprefix("torch.")}

    def __matmul__(self, other: Any) -> Any:
        """Product with a vector (P,) or with the columns of a matrix (P, k), in the form they came: torch or NumPy."""
        operand = self._check(other)
        if operand.ndim == 1:
            product = self.product(operand)
        else:
            product = torch.empty_like(operand)
            done, count = 0, operand.shape[1]
            while done < count:
                width = self.width(count - done)
                columns = operand[:, done] if width == 1 else operand[:, done : done + width]
                product[:, done : done + width] = self.product(columns).reshape(self.size, width)
                done += width
        return array_of(product) if isinstance(other, np.ndarray) else product

    def product(self, vector: Float[Tensor, "P *k"]) -> Float[Tensor, "P *k"]:
        """The product with one vector, or with as many columns as `width` allows, all steps at once."""
        steps = self.product_steps(vector.contiguous())
        while True:
            try:
                with torch.inference_mode(False):
                    next(steps)
            except StopIteration as end:
                result: Tensor = end.value
                return result

    def to_scipy(self) -> LinearOperator:
        """The same matrix as a `scipy.sparse.linalg.LinearOperator` (products on this operator's device)."""
        dtype = array_of(torch.empty(0, dtype=self.dtype)).dtype
        return LinearOperator(
            self.shape,
            matvec=lambda x: self @ np.asarray(x).reshape(-1),
            matmat=lambda X: self @ np.asarray(X),
            rmatvec=lambda x: self @ np.asarray(x).reshape(-1),
            dtype=dtype,
        )

    def to_dense(self) -> Float[np.ndarray, "P P"]:
        """The dense (P, P) matrix, float64, from P products: for small P and for checks."""
        identity = torch.eye(self.size, dtype=self.dtype, device=self.device)
        dense: Tensor = self @ identity
        return array_of(dense).astype(np.float64)

    def __add__(self, other: SymmetricOperator) -> SymmetricOperator:
        """A + B."""
        return self._combined([(1.0, self), (1.0, other)])

    def __sub__(self, other: SymmetricOperator) -> SymmetricOperator:
        """A - B."""
        return self._combined([(1.0, self), (-1.0, other)])

    def __neg__(self) -> SymmetricOperator:
        """-A."""
        return self._combined([(-1.0, self)])

    def __mul__(self, factor: Any) -> SymmetricOperator:
        """Multiple c A, for a real number c."""
        return self._combined([(factor, self)])

    __rmul__ = __mul__

    def shift(self, mu: Any) -> SymmetricOperator:
        """A + μI."""
        return self._combined([(1.0, self)], mu)

    @staticmethod
    def _combined(terms: list[tuple[Any, Any]], shift: Any = 0.0) -> SymmetricOperator:
        from landscape_widgets.compute.operators.algebra import SumOperator  # algebra is built on this file

        return SumOperator(terms, shift)

    def _check(self, other: Any) -> Tensor:
        operand = real_tensor(other, "a vector or matrix")
        if operand.ndim not in (1, 2) or operand.shape[0] != self.size or not operand.is_floating_point():
            raise InputError(
                f"expected a real floating-point vector ({self.size},) or matrix ({self.size}, k), "
                f"got shape {tuple(operand.shape)} of {operand.dtype}",
                "flatten the parameters into one vector first",
            )
        operand = operand.clone() if operand.is_inference() else operand
        return operand.to(dtype=self.dtype, device=self.device)
