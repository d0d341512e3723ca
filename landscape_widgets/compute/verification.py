"""Are these the extreme eigenpairs, counted with multiplicity? A search of the complement answers."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.compute.krylov import KrylovSpace, KrylovState, Ritz, select_ends
from landscape_widgets.errors import Outcome
from landscape_widgets.results import Eigenpairs

if TYPE_CHECKING:
    from landscape_widgets.compute.lanczos import Lanczos

GAP = 1e-2
"""A missed eigenvalue beyond the found ones by this share of the spectrum's width is found ..."""

FAILURE = 1e-3
"""... except with at most this probability over the fresh start vector."""


def minimum_steps(dimension: int, gap: float = GAP, failure: float = FAILURE) -> int:
    """Steps after which a random start vector has found an end of the spectrum, whatever its gaps.

    P(relative error > ε after j steps) ≤ 1.648 √n exp(-√ε (2j - 1)).

    Source: J. Kuczyński and H. Woźniakowski, "Estimating the largest eigenvalue by the power and Lanczos
    algorithms with a random start" (1992), theorem 4.2.

    >>> minimum_steps(100_000), minimum_steps(20)
    (67, 20)
    """
    steps = (math.log(1.648 * math.sqrt(dimension) / failure) / math.sqrt(gap) + 1) / 2
    return min(dimension, math.ceil(steps))


def verification(
    lanczos: Lanczos, outer: KrylovSpace, ritz: Ritz, vectors: Tensor, images: Tensor
) -> Generator[Eigenpairs, None, None]:
    """Deflate what was found, search its complement from a fresh vector, take in what was missed, repeat.

    With U the found vectors and R their residuals, H differs from diag(Θ, H restricted to the complement)
    by |R| at most: if the complement reaches no further than the found ends, nothing was missed.
    """
    found, spent, budget = ritz, 0, lanczos.max_products - outer.state.products
    basis, attempt = vectors, 0
    while True:
        attempt += 1
        missed: tuple[Tensor, Tensor] | None = None
        if basis.shape[1] < outer.size:
            locked = torch.linalg.qr(basis.double()).Q.T.to(basis.dtype).contiguous()
            space = KrylovSpace(
                lanczos.operator, KrylovState(lanczos.seed + 7919 * attempt), lanczos.max_basis, locked=locked
            )
            space.state.scale = outer.scale
            settled = yield from _search(lanczos, outer, space, found, spent, budget - spent)
            if settled:
                missed = yield from _missed(lanczos, outer, space, found, spent)
            spent += space.state.products
            if not settled:
                yield lanczos.result(outer, found, Outcome.BUDGET_SPENT, vectors, spent=spent)
                return
        if missed is None:
            yield lanczos.result(outer, found, Outcome.CONVERGED, vectors, spent=spent, checked=True)
            return
        basis = torch.cat([basis, missed[0]], dim=1)
        images = torch.cat([images, missed[1]], dim=1)
        found, vectors, basis, images = _rayleigh_ritz(lanczos, basis, images)
        bounds, _ = lanczos.bounds(found.values, outer.scale)
        if np.any(found.estimates > bounds):
            yield lanczos.result(outer, found, Outcome.BUDGET_SPENT, vectors, spent=spent)
            return


def _search(
    lanczos: Lanczos, outer: KrylovSpace, space: KrylovSpace, found: Ritz, spent: int, budget: int
) -> Generator[Eigenpairs, None, bool]:
    """Grow the complement's Krylov space until its ends are certain; False when the budget ends first."""
    steps = minimum_steps(space.dimension)
    ends = (min(1, lanczos.largest), min(1, lanczos.smallest))
    taken = 0
    while not space.exhausted:
        if space.state.products >= budget - 2:
            return False
        broken = yield from lanczos.report(space.expand(*ends), outer, found, spent + space.state.products)
        if broken is not None:
            return False
        taken += 1
        edge = space.ritz(*ends)
        bounds, _ = lanczos.bounds(edge.values, outer.scale)
        if taken >= steps and len(edge.values) == sum(ends) and np.all(edge.estimates <= 0.1 * bounds):
            return True
    return True


def _missed(
    lanczos: Lanczos, outer: KrylovSpace, space: KrylovSpace, found: Ritz, spent: int
) -> Generator[Eigenpairs, None, tuple[Tensor, Tensor] | None]:
    """The settled Ritz vectors of the complement that belong among the found ones, and their images."""
    everything = space.ritz(space.state.count, 0)
    bounds, _ = lanczos.bounds(everything.values, outer.scale)
    upper = found.values[lanczos.largest - 1] if lanczos.largest else math.inf
    lower = found.values[lanczos.largest] if lanczos.smallest else -math.inf
    beyond = (everything.values > upper + bounds) | (everything.values < lower - bounds)
    chosen = np.flatnonzero(beyond & (everything.estimates <= bounds))
    if len(chosen) == 0:
        return None
    picked = Ritz(everything.values[chosen], everything.coefficients[:, chosen], everything.estimates[chosen])
    vectors = space.vectors(picked)
    images = torch.empty_like(vectors)
    for column in range(vectors.shape[1]):
        steps = space.product(vectors[:, column].contiguous())
        images[:, column] = yield from lanczos.report(steps, outer, found, spent + space.state.products)
    return vectors, images


def _rayleigh_ritz(lanczos: Lanczos, basis: Tensor, images: Tensor) -> tuple[Ritz, Tensor, Tensor, Tensor]:
    """The best pairs within span(basis), given its images: no further product is needed.

    Returns the wanted pairs with true residuals, their vectors, and the whole rotated basis with its images.
    """
    wide, wide_images = basis.double(), images.double()
    q, r = torch.linalg.qr(wide)
    rotated = torch.linalg.solve_triangular(r.T, wide_images.T, upper=False).T
    projected = q.T @ rotated
    values, coefficients = torch.linalg.eigh((projected + projected.T) / 2)
    values, coefficients = values.flip(0), coefficients.flip(1)
    vectors, products = q @ coefficients, rotated @ coefficients
    residuals = (products - values * vectors).norm(dim=0)
    chosen = select_ends(len(values), lanczos.largest, lanczos.smallest)
    found = Ritz(values.numpy(force=True)[chosen], np.eye(len(values))[:, chosen], residuals.numpy(force=True)[chosen])
    narrow, narrow_images = vectors.to(basis.dtype), products.to(basis.dtype)
    signs = torch.sign(narrow.gather(0, narrow.abs().argmax(dim=0, keepdim=True)))
    narrow, narrow_images = narrow * signs, narrow_images * signs
    return found, narrow[:, torch.as_tensor(chosen)], narrow, narrow_images
