"""Operators made of operators: sum, scale, shift, deflate, project."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
from landscape_widgets.compute.parameters import real_tensor
from landscape_widgets.errors import InputError


class SumOperator(SymmetricOperator):
    """A linear combination c₁A₁ + … + cₖAₖ + μI.

    Made by `A + B`, `A - B`, `2.0 * A`, `-A` and `A.shift(mu)`; sums of sums become one, and an operator that
    occurs twice is multiplied once.

    Cost of a product: one product of every term.

    Parameters
    ----------
    terms : pairs (c, A); all A of one size, dtype and device.
    shift : μ.

    Raises
    ------
    InputError : no terms, a number that is not real and finite, or operators that do not fit together.

    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> A = DenseOperator(np.array([[2.0, 1.0], [1.0, 0.0]]))
    >>> (2.0 * A - A + A.shift(10.0)) @ np.array([1.0, 1.0])
    array([16., 12.])
    """

    def __init__(self, terms: Sequence[tuple[Any, Any]], shift: Any = 0.0) -> None:
        factors: dict[int, float] = {}
        operators: dict[int, SymmetricOperator] = {}
        self.shift_by = real_number(shift, "a shift")
        for factor, term in terms:
            factor = real_number(factor, "a factor")
            inner: Sequence[tuple[float, SymmetricOperator]] = [(1.0, term)]
            if isinstance(term, SumOperator):
                inner = term.terms
                self.shift_by += factor * term.shift_by
            for own, operator in inner:
                _check_operator(operator)
                operators[id(operator)] = operator
                factors[id(operator)] = factors.get(id(operator), 0.0) + factor * own
        if not operators:
            raise InputError("expected at least one operator to sum, got none", "pass [(1.0, A), (-1.0, B)]")
        self.terms: tuple[tuple[float, SymmetricOperator], ...] = tuple(
            (factors[key], operator) for key, operator in operators.items()
        )
        first = self.terms[0][1]
        for _, operator in self.terms[1:]:
            _check_fit(first, operator)
        self.size, self.dtype, self.device = first.size, first.dtype, first.device

    @property
    def question(self) -> dict[str, Any]:
        """What matrix this is, in plain values."""
        terms = [{"factor": factor, **operator.question} for factor, operator in self.terms]
        return {**super().question, "shift": self.shift_by, "terms": terms}

    def width(self, count: int) -> int:
        """As many vectors at a time as every term takes."""
        return min(operator.width(count) for _, operator in self.terms)

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute the product, yielding after every step of every term."""
        partial = PartialProduct() if partial is None else partial
        total = self.shift_by * vector if partial.total is None else partial.total
        first = partial.done
        for number, (factor, operator) in enumerate(self.terms[first:], start=first):
            partial.inner = PartialProduct() if partial.inner is None else partial.inner
            image = yield from operator.product_steps(vector, partial.inner)
            total = total + factor * image
            partial.total, partial.done, partial.inner = total, number + 1, None
        return total


class DeflatedOperator(SymmetricOperator):
    """An operator with some directions taken out, as `deflate` makes it."""

    def __init__(self, operator: SymmetricOperator, basis: Tensor, values: Tensor) -> None:
        self.operator, self.basis, self.values = operator, basis, values
        self.size, self.dtype, self.device = operator.size, operator.dtype, operator.device

    @property
    def question(self) -> dict[str, Any]:
        """What matrix this is, in plain values."""
        return {**super().question, "deflated": self.values.tolist(), "of": self.operator.question}

    def width(self, count: int) -> int:
        """As many vectors at a time as the operator takes."""
        return self.operator.width(count)

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute the product in the steps of the operator."""
        inside = self.basis.T @ vector
        image = yield from self.operator.product_steps(self._outside(vector), partial)
        return self._outside(image) + self.basis * self.values @ inside

    def _outside(self, vector: Tensor) -> Tensor:
        return vector - self.basis @ (self.basis.T @ vector)


class ProjectedOperator(SymmetricOperator):
    """The small matrix of an operator in a basis, as `project` makes it."""

    def __init__(self, operator: SymmetricOperator, basis: Tensor) -> None:
        self.operator, self.basis = operator, basis
        self.size, self.dtype, self.device = basis.shape[1], operator.dtype, operator.device

    @property
    def question(self) -> dict[str, Any]:
        """What matrix this is, in plain values."""
        return {**super().question, "of": self.operator.question}

    def width(self, count: int) -> int:
        """As many vectors at a time as the operator takes."""
        return self.operator.width(count)

    def product_steps(self, vector: Tensor, partial: PartialProduct | None = None) -> Steps:
        """Compute the product in the steps of the operator."""
        image = yield from self.operator.product_steps(self.basis @ vector, partial)
        return self.basis.T @ image


def deflate(operator: SymmetricOperator, vectors: Any, values: Any = None) -> DeflatedOperator:
    """Take directions out of an operator: (I - UUᵀ) A (I - UUᵀ) + U diag(values) Uᵀ, UᵀU = I.

    The eigenvalues of eigenvectors taken out become 0, or the given values, whatever they were; all else stays.

    Cost: QR of the vectors, O(P k²), once; a product of A and 4 P k operations a product.

    Parameters
    ----------
    operator : A.
    vectors : (P, k) or (P,), torch or NumPy, linearly independent; U is their span, by QR in float64.
    values : a number, or (k,) one for each vector, which must then be orthogonal; None: 0.

    Returns
    -------
    DeflatedOperator, with `basis` U (P, k) in A's dtype, and `values` (k,).

    Raises
    ------
    InputError : shapes that do not fit, vectors that depend on each other or are not finite.

    Source: Y. Saad, "Numerical methods for large eigenvalue problems", 2nd ed. (2011), section 4.2.

    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> deflate(DenseOperator(np.diag([5.0, 2.0, 1.0])), np.array([1.0, 0.0, 0.0])) @ np.ones(3)
    array([0., 2., 1.])
    """
    _check_operator(operator)
    basis, overlap = orthonormal_basis(operator, vectors)
    given = real_tensor(0.0 if values is None else values, "the values")
    count = basis.shape[1]
    if given.shape not in ((), (count,)) or given.is_complex() or not bool(torch.isfinite(given).all()):
        raise InputError(
            f"expected values as one finite real number or {count}, one a vector, got shape {tuple(given.shape)} "
            f"of {given.dtype}",
            "pass values=None for zeros",
        )
    if given.ndim and overlap > 1e-3:
        raise InputError(
            f"expected orthogonal vectors where each gets a value of its own, got a cosine of {overlap:.3g}",
            "orthogonalise them first, or pass one value for all",
        )
    filled = given.to(dtype=operator.dtype, device=operator.device).expand(count).clone()
    return DeflatedOperator(operator, basis, filled)


def project(operator: SymmetricOperator, basis: Any, *, orthonormalize: bool = True) -> ProjectedOperator:
    """Project an operator on the span of k vectors: the (k, k) operator UᵀAU.

    Its eigenvalues are the Ritz values of the span, between the smallest and the largest eigenvalue of A. The
    columns of U keep the directions of vectors that are orthogonal already.

    Cost: QR of the basis, O(P k²), once; a product of A a product: `to_dense` takes k.

    Parameters
    ----------
    operator : A.
    basis : (P, k) or (P,), torch or NumPy, linearly independent; U is its QR factor, in float64.
    orthonormalize : False takes the basis as it is: BᵀAB, the Hessian of a slice in raw coordinates.

    Returns
    -------
    ProjectedOperator, with `basis` U (P, k) in A's dtype.

    Raises
    ------
    InputError : shapes that do not fit, vectors that depend on each other or are not finite.

    Source: Y. Saad, "Numerical methods for large eigenvalue problems", 2nd ed. (2011), section 4.3.

    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> project(DenseOperator(np.diag([5.0, 2.0, 1.0])), np.eye(3)[:, 1:]).to_dense()
    array([[2., 0.],
           [0., 1.]])
    """
    _check_operator(operator)
    if orthonormalize:
        columns = orthonormal_basis(operator, basis)[0]
    else:
        columns = _columns(operator, basis).to(dtype=operator.dtype, device=operator.device)
    if columns.shape[1] == 0:
        raise InputError("expected at least one vector to project on, got none", "pass a (P, k) matrix, k ≥ 1")
    return ProjectedOperator(operator, columns)


def orthonormal_basis(operator: SymmetricOperator, vectors: Any) -> tuple[Tensor, float]:
    """U (P, k) of the operator's dtype with the span of some vectors, and the largest cosine between two of them.

    QR on the CPU in float64, signs such that orthonormal vectors stay what they are.
    """
    given = _columns(operator, vectors)
    eps = torch.finfo(given.dtype).eps
    columns = given.to(device="cpu", dtype=torch.float64)
    lengths = columns.norm(dim=0)
    columns = columns / torch.where(lengths > 0, lengths, 1.0)
    basis, triangle = torch.linalg.qr(columns)
    diagonal = triangle.diagonal()
    if columns.shape[1] > columns.shape[0] or bool((diagonal.abs() <= 10 * eps).any()):
        raise InputError(
            f"expected linearly independent vectors, got {columns.shape[1]} that span fewer dimensions",
            "leave out zeros and repetitions",
        )
    cosines = columns.T @ columns - torch.eye(columns.shape[1], dtype=torch.float64)
    oriented = basis * torch.sign(diagonal)
    largest = cosines.abs().max().item() if cosines.numel() else 0.0
    return oriented.to(dtype=operator.dtype, device=operator.device), largest


def real_number(value: Any, what: str) -> float:
    """A finite real number of what was given: a number, or an array or tensor without dimensions."""
    scalar = value.item() if isinstance(value, (np.generic, np.ndarray, Tensor)) and value.ndim == 0 else value
    if not isinstance(scalar, numbers.Real) or isinstance(scalar, bool) or not math.isfinite(scalar):
        raise InputError(
            f"expected {what} as a finite real number, got {value!r:.60}",
            "multiply operators and numbers as 2.0 * A, operators and vectors as A @ v, and shift by A.shift(mu)",
        )
    return float(scalar)


def _columns(operator: SymmetricOperator, vectors: Any) -> Tensor:
    """Vectors as (P, k), finite, of a floating-point dtype."""
    given = real_tensor(vectors, "vectors")
    given = given[:, None] if given.ndim == 1 else given
    if given.ndim != 2 or len(given) != operator.size or not given.is_floating_point():
        raise InputError(
            f"expected real vectors as columns ({operator.size}, k) or one of shape ({operator.size},), "
            f"got shape {tuple(given.shape)} of {given.dtype}",
            "stack them with torch.stack(vectors, dim=1)",
        )
    if not bool(torch.isfinite(given).all()):
        raise InputError("expected finite vectors, got NaN or infinity in them", "check where they come from")
    return given


def _check_operator(operator: Any) -> None:
    if not isinstance(operator, SymmetricOperator):
        raise InputError(
            f"expected a symmetric operator, got {type(operator).__name__}",
            "wrap a matrix in DenseOperator(matrix); to add μ times the identity use A.shift(mu)",
        )


def _place(device: torch.device) -> torch.device:
    """A device with its index: "cuda" may be "cuda:0"."""
    return torch.empty(0, device=device).device


def _check_fit(first: SymmetricOperator, other: SymmetricOperator) -> None:
    """Refuse operators of another size, dtype or device."""
    for what, expected, got in [
        ("size", first.size, other.size),
        ("dtype", first.dtype, other.dtype),
        ("device", _place(first.device), _place(other.device)),
    ]:
        if expected != got:
            raise InputError(
                f"expected operators of one {what}, got {expected} and {got}",
                "build both from one objective, or from objectives of the same parameters, dtype= and device=",
            )
