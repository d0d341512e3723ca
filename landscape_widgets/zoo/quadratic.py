"""A quadratic form of a given matrix: the landscape with a known Hessian everywhere."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from landscape_widgets.errors import InputError
from landscape_widgets.zoo.value import Data, ValueLoss, mean_output, one_sample


class Quadratic(nn.Module):
    """L(θ) = ½ θᵀAθ + bᵀθ with A and b as buffers and θ as the one parameter."""

    A: Tensor
    b: Tensor

    def __init__(self, A: Tensor, b: Tensor, theta: Tensor) -> None:
        super().__init__()
        self.register_buffer("A", A.detach().clone())
        self.register_buffer("b", b.detach().clone())
        self.theta = nn.Parameter(theta.detach().clone())

    def forward(self, inputs: Tensor) -> Tensor:
        """Give L(θ) for every sample: (batch, …) to (batch, 1)."""
        value = 0.5 * self.theta @ (self.A @ self.theta) + self.b @ self.theta
        return value.expand(len(inputs), 1)


def quadratic(
    A: Float[Tensor, "P P"], b: Float[Tensor, " P"] | None = None, theta: Float[Tensor, " P"] | None = None
) -> tuple[Quadratic, ValueLoss, Data]:
    """Return L(θ) = ½ θᵀAθ + bᵀθ as (model, loss, data), ready for `Objective(*quadratic(A))`.

    The Hessian is A everywhere, the gradient Aθ + b.

    Parameters
    ----------
    A : (P, P), real, exactly symmetric.
    b : (P,), or None for zero.
    theta : (P,), where the model stands, or None for zero.

    Returns
    -------
    model : Quadratic; loss : the mean of the outputs; data : one sample that carries nothing.

    Raises
    ------
    InputError : A is not a real symmetric matrix, or b or theta does not fit it.

    >>> model, loss, data = quadratic(torch.diag(torch.tensor([4.0, -2.0])), theta=torch.ones(2))
    >>> loss(model(data[0]), data[1]).item()
    1.0
    """
    if A.ndim != 2 or not A.is_floating_point() or A.shape != A.T.shape or not torch.equal(A, A.T) or len(A) == 0:
        raise InputError(
            f"expected A as a real symmetric matrix, got shape {tuple(A.shape)} of {A.dtype}",
            "make it symmetric: (A + A.T) / 2, in float32 or float64",
        )
    for name, vector in (("b", b), ("theta", theta)):
        if vector is not None and vector.shape != A.shape[:1]:
            raise InputError(
                f"expected {name} of shape ({len(A)},), got {tuple(vector.shape)}", "give it one element a row of A"
            )
    zero = A.new_zeros(len(A))
    model = Quadratic(A, zero if b is None else b.to(A.dtype), zero if theta is None else theta.to(A.dtype))
    return model, mean_output, one_sample(A.dtype)
