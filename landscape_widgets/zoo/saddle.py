"""A saddle of any size whose Hessian, slices and curvatures are known in closed form."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from landscape_widgets.compute.operators.diagonal import DiagonalOperator
from landscape_widgets.errors import InputError
from landscape_widgets.zoo.value import Data, ValueLoss, mean_output, one_sample


class ToySaddle(nn.Module):
    """L(θ) = ½ θ_N (Σ_{i≤ñ} θ_i² − Σ_{ñ<i≤2n} θ_i²), N = 2n + 1, standing at θ* = (0, …, 0, 1).

    Parameters
    ----------
    n : half the number of curved directions.
    positive : ñ, how many of the 2n curve upwards.
    dtype : dtype of θ.
    """

    signs: Tensor

    def __init__(self, n: int, positive: int, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        signs = torch.ones(2 * n, dtype=dtype)
        signs[positive:] = -1
        self.register_buffer("signs", signs)
        self.theta = nn.Parameter(torch.zeros(2 * n + 1, dtype=dtype))
        with torch.no_grad():
            self.theta[-1] = 1

    def forward(self, inputs: Tensor) -> Tensor:
        """Give L(θ) for every sample: (batch, …) to (batch, 1)."""
        value = 0.5 * self.theta[-1] * (self.signs * self.theta[:-1] ** 2).sum()
        return value.expand(len(inputs), 1)

    def hessian_diagonal(self) -> Float[Tensor, " N"]:
        """The diagonal of the Hessian at θ*, (N,): ñ ones, 2n − ñ minus ones, one zero; the rest of it is 0."""
        return torch.cat([self.signs, self.signs.new_zeros(1)])

    def hessian_operator(self) -> DiagonalOperator:
        """The Hessian at θ* as an operator, whose products and random slices cost next to nothing."""
        return DiagonalOperator(self.hessian_diagonal())

    def slice_loss(
        self,
        alpha: Float[Tensor, " n"],
        beta: Float[Tensor, " m"],
        eta: Float[Tensor, " N"],
        delta: Float[Tensor, " N"],
    ) -> Float[Tensor, "m n"]:
        """Evaluate the exact slice ½ (1 + αη_N + βδ_N)(Aα² + 2Bαβ + Cβ²) through θ*.

        Parameters
        ----------
        alpha, beta : (n,) and (m,), coordinates along eta and delta.
        eta, delta : (N,), the two directions, as they are.

        Returns
        -------
        loss : (m, n), loss[j, i] at (alpha[i], beta[j]).
        """
        diagonal = self.hessian_diagonal()
        A, B, C = (diagonal * eta * eta).sum(), (diagonal * eta * delta).sum(), (diagonal * delta * delta).sum()
        a, b = alpha[None, :], beta[:, None]
        return 0.5 * (1 + a * eta[-1] + b * delta[-1]) * (A * a**2 + 2 * B * a * b + C * b**2)


def toy_saddle(
    n: int = 500, positive: int | None = None, dtype: torch.dtype = torch.float64
) -> tuple[ToySaddle, ValueLoss, Data]:
    """Return a toy saddle as (model, loss, data), ready for `Objective(*toy_saddle())`.

    L(θ) = ½ θ_N (Σ_{i≤ñ} θ_i² − Σ_{ñ<i≤2n} θ_i²), N = 2n + 1. At θ* = (0, …, 0, 1): L = 0, ∇L = 0,
    H = diag(+1 ×ñ, −1 ×(2n−ñ), 0), tr H = 2(ñ − n), ‖H‖_F² = 2n.

    Parameters
    ----------
    n : half the number of curved directions, at least 1.
    positive : ñ, how many curve upwards, 0 to 2n; None takes n, which makes the trace 0.
    dtype : float64 or float32.

    Returns
    -------
    model : ToySaddle at θ*; loss : the mean of the outputs; data : one sample that carries nothing.

    Raises
    ------
    InputError : n below 1, or positive outside 0 to 2n.

    Source: L. Böttcher and G. Wheeler, arXiv:2208.13219, the toy saddle; the form is recalled, and checked by tests.

    >>> model, loss, data = toy_saddle(n=2, positive=3)
    >>> loss(model(data[0]), data[1]).item(), model.hessian_diagonal().tolist()
    (0.0, [1.0, 1.0, 1.0, -1.0, 0.0])
    """
    upwards = n if positive is None else positive
    if n < 1 or not 0 <= upwards <= 2 * n:
        raise InputError(
            f"expected n >= 1 and positive from 0 to 2n, got n={n}, positive={positive}",
            "pass for example n=500, positive=500",
        )
    return ToySaddle(n, upwards, dtype), mean_output, one_sample(dtype)
