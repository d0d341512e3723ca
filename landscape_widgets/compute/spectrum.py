"""The density of an operator's eigenvalues by stochastic Lanczos quadrature."""

from __future__ import annotations

import copy
import dataclasses
import numbers
from collections.abc import Generator
from typing import Any

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float
from torch import Tensor

from landscape_widgets.compute.krylov import CHUNK, KrylovSpace, KrylovState
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.operators.blocks import layer_blocks
from landscape_widgets.compute.parameters import real_tensor
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import SpectrumEstimate

EVERY = 100
"""Steps up to which the nodes of the running probe are found anew after every product; later ones less often."""

MANY = 10_000
"""Nodes of ended probes from which on the running one is reported at its end only."""


@dataclasses.dataclass(frozen=True, eq=False)
class GaussRule:
    """A Gauss quadrature of ∫ f(λ) dφ_v(λ) = vᵀf(A)v: nodes ascending, weights, and residuals of the Ritz pairs."""

    nodes: Float[np.ndarray, " m"]
    weights: Float[np.ndarray, " m"]
    residuals: Float[np.ndarray, " m"]


def gauss_rule(projected: Float[np.ndarray, "m m"], following: float = 0.0) -> GaussRule:
    """The Gauss quadrature of a tridiagonal Lanczos matrix T: θ_j its eigenvalues, w_j = (e₁ᵀs_j)².

    Cost: none in products; O(m³) for the eigenvectors s_j.

    Parameters
    ----------
    projected : (m, m), T, float64.
    following : β of the next step; the residual of the j-th Ritz pair is β |e_mᵀs_j|.

    Source: G. Golub and J. Welsch, "Calculation of Gauss quadrature rules" (1969), section 2.

    >>> rule = gauss_rule(np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> rule.nodes.round(12), rule.weights.round(12)
    (array([-1.,  1.]), array([0.5, 0.5]))
    """
    nodes, vectors = scipy.linalg.eigh_tridiagonal(
        np.diag(projected).copy(), np.diag(projected, 1).copy(), lapack_driver="stev"
    )
    return GaussRule(nodes, vectors[0] ** 2, np.abs(following * vectors[-1]))


@dataclasses.dataclass(frozen=True, eq=False)
class Probe:
    """A probe that has ended: its quadrature, the one with a fifth of the steps left out, and whether it is exact."""

    fine: GaussRule
    coarse: GaussRule | None
    exact: bool


@dataclasses.dataclass
class SpectrumState:
    """How far a density is: the probes that have ended, and the Krylov space of the running one."""

    asked: tuple[int, int, int]
    """Size of the operator, steps and seed: what must be the same to go on."""
    krylov: KrylovState
    ended: list[Probe] = dataclasses.field(default_factory=list)
    products: int = 0
    running: GaussRule | None = None

    def copy(self) -> SpectrumState:
        """A copy that later steps do not change."""
        copied = copy.copy(self)
        copied.krylov, copied.ended = self.krylov.copy(), list(self.ended)
        return copied


class SpectralDensity(Computation[SpectrumEstimate, SpectrumState]):
    """The density of the eigenvalues of H, by stochastic Lanczos quadrature.

    φ(x) = 1/P Σ_i δ(x - λ_i). For v uniform on the unit sphere E vᵀf(H)v = ∫ f dφ, and m Lanczos steps from v give the
    m-point Gauss quadrature of vᵀf(H)v: exact for polynomials of degree 2m - 1. The basis is kept orthogonal by two
    Gram-Schmidt passes, so no ghost eigenvalues appear. Where the Krylov space is exhausted before (at most P
    steps; as many as there are distinct eigenvalues) the probe ends there, exact.

    Sampling errs by √(2/probes) of what a single eigenvalue contributes, less where many are alike, and shows as
    the spread between probes; too few steps blur what lies closer than (λ_max - λ_min)/steps, and show as the
    change from fewer steps. `caution()` of the result puts both into words.

    Cost: steps × probes products (50 × 10: 500). Memory: steps + 1 vectors of length P in the operator's dtype.

    Parameters
    ----------
    operator : a symmetric operator; a sum, difference or block of operators too.
    steps : m of each probe; more than P are P, which is exact.
    probes : how many random vectors, Gaussian draws scaled to length 1; or (P, k) start vectors of your own.
    seed : of the probes, each one flat float32 CPU draw.

    Raises
    ------
    InputError : no symmetric operator, steps or probes below 1, or start vectors that are zero, infinite or misshapen.

    Source: S. Ubaru, J. Chen and Y. Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature" (2017),
    section 3; B. Ghorbani, S. Krishnan and Y. Xiao, "An investigation into neural net optimization via Hessian
    eigenvalue density" (2019), section 2.

    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> H = DenseOperator(np.diag([-1.0, 0.0, 1.0]))
    >>> spectrum = SpectralDensity(H, probes=2).run()
    >>> abs(round(float(spectrum.nodes[0]), 8)), round(spectrum.mass, 12), bool(spectrum.exact.all())
    (1.0, 1.0, True)
    >>> spectrum.summary
    '2 probes × 3 steps, which exhaust the Krylov space: the quadrature of every probe is exact.'
    """

    def __init__(self, operator: SymmetricOperator, steps: int = 50, probes: Any = 10, seed: int = 0) -> None:
        _check_arguments(operator, steps, probes)
        self.operator, self.steps, self.seed = operator, int(steps), seed
        self._starts = None if isinstance(probes, numbers.Integral) else _unit_columns(operator, probes)
        self.probes = int(probes) if self._starts is None else self._starts.shape[1]
        self._most = min(self.steps, operator.size)

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {
            "computation": "SpectralDensity",
            "steps": self.steps,
            "probes": self.probes,
            "start vectors": "random" if self._starts is None else "given",
            **self.operator.question,
        }

    def stream(self, resume: SpectrumState | None = None) -> Stream[SpectrumEstimate, SpectrumState]:
        """Yield the quadratures so far after every batch of every product.

        `checkpoint()` holds the probes that have ended and the basis of the running one; `stream(resume=...)` goes
        on from it, also to more probes than before.
        """
        asked = (self.operator.size, self.steps, self.seed)
        if resume is not None and (resume.asked != asked or len(resume.ended) > self.probes):
            raise InputError(
                f"expected a checkpoint of (size, steps, seed) = {asked} with at most {self.probes} probes, "
                f"got {resume.asked} with {len(resume.ended)}",
                "resume with the operator, steps and seed that made it, and as many probes or more",
            )
        state = SpectrumState(asked, self._start(0)) if resume is None else resume.copy()
        if not state.krylov.chunks:  # nothing begun: here the probes may go beyond those asked for before
            state.krylov = self._start(len(state.ended))
        return Stream(self._partials(state), state.copy)

    def _partials(self, state: SpectrumState) -> Generator[SpectrumEstimate, None, None]:
        latest = self._result(state, Outcome.RUNNING)
        while len(state.ended) < self.probes:
            space = KrylovSpace(self.operator, state.krylov, self._most)
            while not self._over(state.krylov):
                expansion = space.expand(0, 0)
                while True:
                    try:
                        next(expansion)
                    except StopIteration as end:
                        broken: Outcome | None = end.value
                        break
                    yield latest
                if broken is not None:
                    yield self._result(state, broken)
                    return
                if self._due(state):
                    state.running = _rule(state.krylov)
                    latest = self._result(state, Outcome.RUNNING)
            self._finish(state)
            latest = self._result(state, Outcome.RUNNING)
        yield self._result(state, Outcome.COMPLETE)

    def _over(self, krylov: KrylovState) -> bool:
        """Whether a probe has ended: all steps taken, or nothing left that its space does not hold."""
        return krylov.count >= self._most or self._exhausted(krylov)

    def _exhausted(self, krylov: KrylovState) -> bool:
        """Whether the quadrature is exact, for a matrix that differs from H by rounding, ε^¾ max|λ|, at most."""
        rounding = torch.finfo(self.operator.dtype).eps ** 0.75 * krylov.scale
        return krylov.count > 0 and (krylov.fresh or float(krylov.coupling[-1]) <= rounding)

    def _due(self, state: SpectrumState) -> bool:
        """Whether to find the nodes of the running probe anew: not so often that it costs more than the products."""
        count = state.krylov.count
        if self._over(state.krylov):
            return True
        few = count <= EVERY or count % (count // (EVERY // 2)) == 0
        return few and len(state.ended) * self._most < MANY

    def _finish(self, state: SpectrumState) -> None:
        """Keep the quadratures of the running probe, and begin the next one in the same memory."""
        krylov, exact = state.krylov, self._exhausted(state.krylov)
        fine = _rule(krylov)
        fewer = krylov.count - max(1, krylov.count // 5)
        coarse = fine if exact else gauss_rule(krylov.projected[:fewer, :fewer]) if fewer else None
        state.ended.append(Probe(fine, coarse, exact))
        state.products += krylov.products
        state.running = None
        last = len(state.ended) == self.probes
        state.krylov = KrylovState(self.seed) if last else self._start(len(state.ended), krylov.chunks)

    def _start(self, number: int, chunks: list[Tensor] | None = None) -> KrylovState:
        """The empty Krylov space of probe `number`."""
        chunks = [] if chunks is None else chunks
        if self._starts is None or number == self.probes:
            return KrylovState(self.seed, draws=number, chunks=chunks)
        vector = self._starts[:, number]
        if not chunks:
            chunks.append(vector.new_zeros(min(CHUNK, self._most + 1), self.operator.size))
        chunks[0][0].copy_(vector)
        return KrylovState(self.seed, chunks=chunks, fresh=False)

    def _result(self, state: SpectrumState, outcome: Outcome) -> SpectrumEstimate:
        rules = [probe.fine for probe in state.ended] + ([] if state.running is None else [state.running])
        coarse = [probe.coarse for probe in state.ended if probe.coarse is not None]
        return SpectrumEstimate(
            nodes=_joined([rule.nodes for rule in rules]),
            weights=_joined([rule.weights for rule in rules]),
            residuals=_joined([rule.residuals for rule in rules]),
            probe=_numbers(rules),
            coarse_nodes=_joined([rule.nodes for rule in coarse]),
            coarse_weights=_joined([rule.weights for rule in coarse]),
            coarse_probe=_numbers(coarse),
            taken=np.array([len(rule.nodes) for rule in rules], dtype=np.int64),
            exact=np.array(
                [number < len(state.ended) and state.ended[number].exact for number in range(len(rules))], bool
            ),
            finished=len(state.ended),
            steps=self.steps,
            probes=self.probes,
            size=self.operator.size,
            products=state.products + state.krylov.products,
            total=self._most * self.probes,
            outcome=outcome,
            seed=self.seed,
            question=self.question,
        )


def _rule(krylov: KrylovState) -> GaussRule:
    return gauss_rule(krylov.projected, float(krylov.coupling[-1]))


def _joined(parts: list[np.ndarray]) -> Float[np.ndarray, " n"]:
    return np.concatenate(parts) if parts else np.empty(0)


def _numbers(rules: list[GaussRule]) -> np.ndarray:
    """The probe of every node."""
    return np.repeat(np.arange(len(rules), dtype=np.int64), [len(rule.nodes) for rule in rules])


def _check_arguments(operator: Any, steps: Any, probes: Any) -> None:
    if not isinstance(operator, SymmetricOperator):
        raise InputError(
            f"expected a symmetric operator, got {type(operator).__name__}",
            "wrap the objective: lw.HessianOperator(objective)",
        )
    counted = [steps, probes] if isinstance(probes, numbers.Number) else [steps]
    if any(isinstance(number, bool) or not isinstance(number, numbers.Integral) or number < 1 for number in counted):
        raise InputError(
            f"expected steps and probes as whole numbers of at least 1, got {steps!r} and {probes!r}",
            "50 steps and 10 probes are usual",
        )


def _unit_columns(operator: SymmetricOperator, given: Any) -> Tensor:
    """Start vectors of one's own, (P, k), scaled to length 1, in the operator's dtype and on its device."""
    vectors = real_tensor(given, "start vectors")
    if vectors.ndim != 2 or vectors.shape[0] != operator.size or not vectors.shape[1] or vectors.is_complex():
        raise InputError(
            f"expected start vectors of shape ({operator.size}, k), got {tuple(vectors.shape)} of {vectors.dtype}",
            "pass one column a probe, or a number of random ones",
        )
    vectors = vectors.to(dtype=operator.dtype, device=operator.device)
    lengths = vectors.norm(dim=0)
    if not torch.isfinite(lengths).all() or not (lengths > 0).all():
        raise InputError("expected start vectors of finite length above 0", "leave out those that are zero or infinite")
    columns: Tensor = vectors / lengths
    return columns


def layer_sizes(operator: SymmetricOperator) -> dict[str, int]:
    """The layers whose blocks an operator has, and how many parameters each, in the model's order.

    Cost: none. `layer_blocks(operator)[name]` is the operator of a layer, to take the density of.

    Parameters
    ----------
    operator : a Hessian or Gauss-Newton operator, or a sum or deflation of such.

    Raises
    ------
    InputError : an operator whose parameters have no names.

    >>> from landscape_widgets.compute.objective import Objective
    >>> from landscape_widgets.compute.operators.hessian import HessianOperator
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> layer_sizes(HessianOperator(Objective(model, torch.nn.MSELoss(), (torch.ones(4, 2), torch.zeros(4, 1)))))
    {'0': 9, '2': 4}
    """
    return {name: block.size for name, block in layer_blocks(operator).items()}
