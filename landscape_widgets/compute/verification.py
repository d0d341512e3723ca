"""Are these the extreme eigenpairs, counted with multiplicity? A search of the complement answers."""

from __future__ import annotations

import math
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.compute.krylov import KrylovSpace, KrylovState, Ritz, Search, select_ends
from landscape_widgets.errors import Outcome
from landscape_widgets.results import Eigenpairs

if TYPE_CHECKING:
    from landscape_widgets.compute.lanczos import Lanczos

T = TypeVar("T")

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


SEED_STRIDE = 7919
"""What is added to the seed for the fresh start vector of each search."""


def verification(lanczos: Lanczos, outer: KrylovSpace, search: Search) -> Generator[Eigenpairs, None, None]:
    """Deflate what was found, search its complement from a fresh vector, take in what was missed, repeat.

    With U the found vectors and R their residuals, H differs from diag(Θ, H restricted to the complement)
    by |R| at most: if the complement reaches no further than the found ends, nothing was missed.
    """
    while True:
        missed: tuple[Tensor, Tensor] | None = None
        if search.basis.shape[1] < outer.size:
            locked = torch.linalg.qr(search.basis.double()).Q.T.to(search.basis.dtype).contiguous()
            space = KrylovSpace(lanczos.operator, search.complement, lanczos.max_basis, locked=locked)
            failure = yield from _search(lanczos, outer, space, search)
            picked = _missed(lanczos, outer, space, search)
            if failure is None and picked is not None:
                left = lanczos.max_products - outer.state.products - search.products
                failure = Outcome.BUDGET_SPENT if len(picked.values) > left + len(space.state.images or []) else None
            if failure is not None:
                yield _result(lanczos, outer, search, failure)
                return
            if picked is not None:
                vectors = space.vectors(picked)
                report = partial(_report, lanczos, outer, search)
                missed = vectors, (yield from space.multiply(vectors, report))
        if missed is None:
            yield _result(lanczos, outer, search, Outcome.CONVERGED)
            return
        basis = torch.cat([search.basis, missed[0]], dim=1)
        images = torch.cat([search.images, missed[1]], dim=1)
        search.spent = search.products
        search.found, search.vectors, search.basis, search.images = _rayleigh_ritz(lanczos, basis, images)
        search.attempt += 1
        search.taken, search.settled = 0, False
        search.complement = KrylovState(lanczos.seed + SEED_STRIDE * search.attempt, scale=outer.scale)
        bounds, _ = lanczos.bounds(search.found.values, outer.scale)
        if np.any(search.found.estimates > bounds):
            yield _result(lanczos, outer, search, Outcome.BUDGET_SPENT)
            return


def _result(lanczos: Lanczos, outer: KrylovSpace, search: Search, outcome: Outcome) -> Eigenpairs:
    checked = outcome is Outcome.CONVERGED
    return lanczos.result(outer, search.found, outcome, search.vectors, spent=search.products, checked=checked)


def _search(
    lanczos: Lanczos, outer: KrylovSpace, space: KrylovSpace, search: Search
) -> Generator[Eigenpairs, None, Outcome | None]:
    """Grow the complement's Krylov space until its ends are certain; an outcome when that fails."""
    steps = minimum_steps(space.dimension)
    ends = (min(1, lanczos.largest), min(1, lanczos.smallest))
    while not (search.settled or space.exhausted):
        if outer.state.products + search.products >= lanczos.max_products:
            return Outcome.BUDGET_SPENT
        broken = yield from _report(lanczos, outer, search, space.expand(*ends))
        if broken is not None:
            return broken
        search.taken += 1
        edge = space.ritz(*ends)
        bounds, _ = lanczos.bounds(edge.values, outer.scale)
        certain = len(edge.values) == sum(ends) and bool(np.all(edge.estimates <= 0.1 * bounds))
        search.settled = search.taken >= steps and certain
    return None


def _report(
    lanczos: Lanczos, outer: KrylovSpace, search: Search, steps: Generator[None, None, T]
) -> Generator[Eigenpairs, None, T]:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        yield lanczos.result(outer, search.found, Outcome.RUNNING, spent=search.products)


def _missed(lanczos: Lanczos, outer: KrylovSpace, space: KrylovSpace, search: Search) -> Ritz | None:
    """The settled Ritz pairs of the complement that belong among the found ones."""
    found = search.found
    everything = space.ritz(space.state.count, 0)
    bounds, _ = lanczos.bounds(everything.values, outer.scale)
    upper = found.values[lanczos.largest - 1] if lanczos.largest else math.inf
    lower = found.values[lanczos.largest] if lanczos.smallest else -math.inf
    beyond = (everything.values > upper + bounds) | (everything.values < lower - bounds)
    chosen = np.flatnonzero(beyond & (everything.estimates <= bounds))
    if len(chosen) == 0:
        return None
    return Ritz(everything.values[chosen], everything.coefficients[:, chosen], everything.estimates[chosen])


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
