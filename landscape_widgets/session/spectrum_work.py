"""What a spectrum explorer has computed, kept so that nothing is computed twice: densities, eigenpairs, history.

A computation that is left stays where it is, and goes on when it is asked for again; the oldest are given up where
they hold too much memory. All of it runs on the scheduler's thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct, SymmetricOperator
from landscape_widgets.compute.operators.blocks import BlockOperator, layer_blocks
from landscape_widgets.compute.operators.gauss_newton import GaussNewtonOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.parameters import array_of
from landscape_widgets.compute.spectrum import SpectralDensity
from landscape_widgets.compute.stream import Stream
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.protocol.labs import Matrix
from landscape_widgets.results import Eigenpairs, SpectrumEstimate

K = TypeVar("K")
R = TypeVar("R")

KEPT_BYTES = 2**29
"""Memory of Krylov bases of computations that were left half way; beyond it the oldest of them begin anew."""

EXACT_SIZE = 800
"""Parameters up to which all eigenvalues are computed too."""

Place = tuple[Matrix, str]
"""A matrix and a layer ("" is the whole model)."""

DensityKey = tuple[Place, int, int]
"""Whose density, in how many steps, from which seed."""


class Matrices:
    """The operators of one objective: three matrices, each whole or of one layer."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._hessian = HessianOperator(objective)
        self._gauss_newton = GaussNewtonOperator(objective)
        blocks = layer_blocks(self._hessian)
        self.layers = {name: block.size for name, block in blocks.items() if name and len(blocks) > 1}

    def operator(self, place: Place) -> SymmetricOperator:
        """The operator of a matrix and a layer; H - G of a layer is the difference of their blocks."""
        matrix, layer = place
        if matrix == "difference":
            return self.operator(("hessian", layer)) - self.operator(("gauss_newton", layer))
        whole = self._hessian if matrix == "hessian" else self._gauss_newton
        return self.block(layer, whole) if layer else whole

    def block(self, layer: str, whole: SymmetricOperator) -> SymmetricOperator:
        """The block of a layer; raises `InputError` for a layer that is not there."""
        if layer not in self.layers:
            known = ", ".join(repr(name) for name in list(self.layers)[:8])
            advice = f'choose among {known}, or "" for the whole model' if known else 'the model has one: pass ""'
            raise InputError(f"expected the name of a layer, got {layer!r}", advice)
        return layer_blocks(whole)[layer]

    def size(self, place: Place) -> int:
        """Number of eigenvalues."""
        return self.layers.get(place[1], self.objective.size)

    def vector_bytes(self, place: Place) -> int:
        """Memory of one vector of a Krylov basis."""
        return self.size(place) * torch.finfo(self.objective.dtype).bits // 8

    def embed(self, layer: str, vector: np.ndarray) -> np.ndarray:
        """A vector of a layer as one of the whole model, zero elsewhere."""
        block = self.block(layer, self._hessian) if layer else None
        return array_of(block.embed(vector)) if isinstance(block, BlockOperator) else vector


@dataclasses.dataclass
class Kept(Generic[R]):
    """A computation that can go on: its stream, and its newest result."""

    stream: Stream[R, Any]
    latest: R | None = None


class Keeper(Generic[K, R]):
    """Computations by key; one that fails is forgotten."""

    def __init__(self, bytes_of: Callable[[K, R], int]) -> None:
        self._kept: dict[K, Kept[R]] = {}
        self._bytes_of = bytes_of

    def get(self, key: K) -> Kept[R] | None:
        """What is kept of a computation."""
        return self._kept.get(key)

    def forget(self, key: K) -> None:
        """Let go of a computation."""
        self._kept.pop(key, None)

    def steps(self, key: K, kept: Kept[R]) -> Iterator[R]:
        """Go on with a computation; leaving this iterator leaves the computation where it is."""
        self._kept.pop(key, None)
        self._give_up()
        try:
            while (found := next(kept.stream, None)) is not None:
                kept.latest = found
                self._kept[key] = kept
                yield found
        except Exception:
            self._kept.pop(key, None)
            raise

    def _give_up(self) -> None:
        """Forget the oldest unfinished computations where all of them hold more than `KEPT_BYTES`."""
        held: dict[K, int] = {}
        for key, kept in self._kept.items():
            if kept.latest is not None and getattr(kept.latest, "outcome", None) is Outcome.RUNNING:
                held[key] = self._bytes_of(key, kept.latest)
        for key in list(held):
            if sum(held.values()) <= KEPT_BYTES:
                return
            del self._kept[key]
            held[key] = 0


class Densities:
    """Spectral densities by place, steps and seed; more probes go on from fewer, fewer are the first of more."""

    def __init__(self, matrices: Matrices) -> None:
        self._matrices = matrices
        self._keeper: Keeper[DensityKey, SpectrumEstimate] = Keeper(
            lambda key, _: (key[1] + 1) * matrices.vector_bytes(key[0])
        )

    def known(self, key: DensityKey, probes: int) -> SpectrumEstimate | None:
        """What is known already."""
        kept = self._keeper.get(key)
        return None if kept is None or kept.latest is None else first_probes(kept.latest, probes)

    def stream(self, key: DensityKey, probes: int) -> Iterator[SpectrumEstimate]:
        """Compute what lacks, yielding after every batch of every product."""
        if _enough(self.known(key, probes), probes):
            return
        place, steps, seed = key
        kept = self._keeper.get(key)
        if kept is None or kept.latest is None:
            kept = Kept(SpectralDensity(self._matrices.operator(place), steps, probes, seed).stream())
        elif kept.latest.probes < probes:
            run = SpectralDensity(self._matrices.operator(place), steps, probes, seed)
            kept = Kept(run.stream(resume=kept.stream.checkpoint()), kept.latest)
        for estimate in self._keeper.steps(key, kept):
            shown = first_probes(estimate, probes)
            yield shown
            if _enough(shown, probes):
                return


class Pairs:
    """Extreme eigenpairs by place."""

    def __init__(self, matrices: Matrices, largest: int, smallest: int, **options: Any) -> None:
        self._matrices, self._largest, self._smallest, self._options = matrices, largest, smallest, options
        self._keeper: Keeper[Place, Eigenpairs] = Keeper(
            lambda place, pairs: pairs.products * matrices.vector_bytes(place)
        )
        self._found: dict[Place, Eigenpairs] = {}

    def known(self, place: Place) -> Eigenpairs | None:
        """What is known already."""
        kept = self._keeper.get(place)
        return self._found.get(place) or (None if kept is None else kept.latest)

    def stream(self, place: Place) -> Iterator[Eigenpairs]:
        """Compute what lacks, yielding after every batch of every product."""
        if place in self._found:
            return
        kept = self._keeper.get(place)
        if kept is None:
            operator = self._matrices.operator(place)
            largest = min(self._largest, operator.size)
            smallest = min(self._smallest, operator.size - largest)
            kept = Kept(Lanczos(operator, largest, smallest, **self._options).stream())
        for pairs in self._keeper.steps(place, kept):
            if pairs.outcome is not Outcome.RUNNING:
                self._found[place] = pairs
                self._keeper.forget(place)  # its Krylov basis is of no more use
            yield pairs


class ExactSpectra:
    """All eigenvalues of small matrices, by place."""

    def __init__(self, matrices: Matrices) -> None:
        self._matrices = matrices
        self._found: dict[Place, np.ndarray] = {}
        self._columns: dict[Place, list[np.ndarray]] = {}
        self._partial: dict[Place, PartialProduct] = {}

    def known(self, place: Place) -> np.ndarray | None:
        """The eigenvalues, ascending, if they are known already."""
        return self._found.get(place)

    def stream(self, place: Place) -> Iterator[tuple[int, np.ndarray | None]]:
        """Multiply every unit vector; yield how many are done after every batch, and at last the eigenvalues."""
        size = self._matrices.size(place)
        if size > EXACT_SIZE or place in self._found:
            return
        operator = self._matrices.operator(place)
        columns = self._columns.setdefault(place, [])
        while len(columns) < size:
            unit = torch.zeros(size, dtype=operator.dtype, device=operator.device)
            unit[len(columns)] = 1.0
            partial = self._partial.setdefault(place, PartialProduct())
            column = yield from _counted(operator.product_steps(unit, partial), len(columns))
            del self._partial[place]
            columns.append(array_of(column).astype(np.float64))
        dense = np.stack(columns)
        del self._columns[place]
        self._found[place] = (
            np.linalg.eigvalsh((dense + dense.T) / 2) if np.isfinite(dense).all() else np.full(size, np.nan)
        )
        yield size, self._found[place]


def _counted(steps: Generator[None, None, Any], done: int) -> Generator[tuple[int, None], None, Any]:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield done, None


def first_probes(estimate: SpectrumEstimate, probes: int) -> SpectrumEstimate:
    """The estimate that so many probes alone would have given; of one that has fewer, what it has."""
    if estimate.probes <= probes:
        return estimate
    most = estimate.total // estimate.probes
    fewer: dict[str, Any] = {
        "probes": probes,
        "total": most * probes,
        "question": {**estimate.question, "probes": probes},
    }
    if estimate.finished < probes:
        return dataclasses.replace(estimate, **fewer)
    fine, coarse = estimate.probe < probes, estimate.coarse_probe < probes
    return dataclasses.replace(
        estimate,
        **{name: getattr(estimate, name)[fine] for name in ("nodes", "weights", "residuals", "probe")},
        **{name: getattr(estimate, name)[coarse] for name in ("coarse_nodes", "coarse_weights", "coarse_probe")},
        **fewer,
        taken=estimate.taken[:probes],
        exact=estimate.exact[:probes],
        finished=probes,
        products=int(estimate.taken[:probes].sum()),
        outcome=Outcome.COMPLETE,
    )


def _enough(estimate: SpectrumEstimate | None, probes: int) -> bool:
    """Whether the probes asked for have ended, or the computation has broken down."""
    if estimate is None:
        return False
    return estimate.finished >= probes or estimate.outcome not in (Outcome.RUNNING, Outcome.COMPLETE)
