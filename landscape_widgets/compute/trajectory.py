"""A training trajectory in a plane: principal components, coordinates, off-plane distance, and the loss along it."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from landscape_widgets.compute.checkpoints import Checkpoints
from landscape_widgets.compute.objective import Objective, finished
from landscape_widgets.compute.parameters import array_of
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.torch_state import evaluation, one_blas_thread
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import UNITS, Axis, Direction, Trajectory

CENTERS = {"objective": "", "last": " about the last checkpoint", "mean": " about the mean"}
"""What displacements may be measured from, and the words for it in a label."""

ROUNDING = 1e-12
"""Share of the largest variance below which a component is rounding: squares are summed in float64."""

DEPENDENT = 1e-10
"""Least eigenvalue of the matrix of cosines between directions of a plane: 1e-5 radians between two of them."""

STEP_SECONDS = 0.02
"""Least work between two partial results."""


@dataclasses.dataclass
class ProjectionState:
    """What has been summed so far; a checkpoint is a copy."""

    stage: int
    gram: np.ndarray
    products: np.ndarray
    metric: np.ndarray
    squares: np.ndarray
    squared_residuals: np.ndarray
    coordinates: np.ndarray
    explained: np.ndarray
    values: np.ndarray
    block: int = 0
    """Blocks of parameters done in this stage."""
    moved: bool = False
    """Whether any two checkpoints differ."""
    spread: float = 0.0
    """Squared distances from the center, summed."""
    shares: np.ndarray | None = None
    scores: np.ndarray | None = None
    basis: np.ndarray | None = None
    directions: tuple[Direction, ...] = ()
    axes: tuple[Axis, ...] = ()
    evaluated: int = 0
    """Losses done: of the first checkpoint, of its projection, of the second checkpoint, …"""
    partial: float = 0.0
    batches: int = 0
    """The loss under way: its value over the batches done."""

    def copy(self) -> ProjectionState:
        """A copy that later steps do not change."""
        return copy.deepcopy(self)


class TrajectoryProjection(Computation[Trajectory, ProjectionState]):
    """Project checkpoints θ_i onto the plane θ* + span(d_1 … d_k), by default the principal components of the path.

    The components are the right singular vectors of X, with rows θ_i minus the center, from the n×n Gram matrix:
    XXᵀ = UΣ²Uᵀ, V = XᵀUΣ⁻¹, σ_j² / Σσ² of the variance each; signs such that the first checkpoint at least half as
    far along d_j as the farthest lies on the positive side. Coordinates c_i minimise ‖θ_i - θ* - Σ c_ij d_j‖, and
    that norm, computed as it stands, is the residual. Sums are in float64.

    Cost: 4 passes over the checkpoints (2 with `directions`), n²P + 4nkP multiplications, and with `losses` 2n forward
    passes over the data. Memory: one block of 2P float64 numbers (at most 16 MB), 2k vectors for the components, n²
    numbers; never all checkpoints, never P×P.

    Parameters
    ----------
    objective : the plane goes through its centre θ*.
    checkpoints : two or more flat (P,) vectors, modules, state dicts or paths of safetensors files, in order.
    components : k, how many principal components.
    center : what displacements are measured from for components and `explained`: "objective" (θ*, as in Li et al.),
        "last" (the last checkpoint) or "mean" (as in textbook PCA). Coordinates are always from θ*, where a drawn
        plane has its origin.
    directions : the plane that is drawn, in place of the principal components; need not be orthogonal.
    losses : evaluate the loss at every checkpoint and at its projection, with the buffers of the objective's model.
    steps : training step of each; None takes them from the files, or counts.

    Raises
    ------
    InputError : fewer than two checkpoints, all of them equal, fewer dimensions than components, another architecture,
        non-finite parameters, dependent directions; FileNotFoundError : no such file.

    Source: H. Li et al., "Visualizing the loss landscape of neural nets" (2018), section 7.2.

    >>> objective = Objective(torch.nn.Linear(2, 1), torch.nn.MSELoss(), (torch.ones(4, 2), torch.ones(4, 1)))
    >>> path = [objective.center + torch.tensor([4.0 - t, (t - 2.0) ** 2, 0.0]) for t in range(5)]
    >>> found = TrajectoryProjection(objective, path, losses=True).run()
    >>> found.coordinates.shape, bool(found.residual.max() < 1e-5), bool(found.known.all()), found.axes[0].label
    ((5, 2), True, True, 'trajectory PC1 (81 % of variance)')
    """

    def __init__(
        self,
        objective: Objective,
        checkpoints: Iterable[Any] | Checkpoints,
        *,
        components: int = 2,
        center: str = "objective",
        directions: Sequence[Direction] | None = None,
        losses: bool = False,
        steps: Sequence[int] | None = None,
    ) -> None:
        if center not in CENTERS:
            raise InputError(f'expected center as "objective", "last" or "mean", got {center!r}', "choose one of them")
        self.objective, self.center, self.losses = objective, center, losses
        self.checkpoints = Checkpoints.of(objective, checkpoints, least=2)
        self._given = None if directions is None else tuple(directions)
        self.components = _components(components, self._given, objective, self.checkpoints.count)
        self.steps = self.checkpoints.steps if steps is None else np.asarray(steps, dtype=np.int64)
        if self.steps.shape != (self.checkpoints.count,):
            raise InputError(
                f"expected one step a checkpoint ({self.checkpoints.count}), got shape {self.steps.shape}",
                "pass for example TrainingStream.trajectory_steps",
            )

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        others = self.checkpoints.differing
        note = f"other buffers or frozen parameters ({', '.join(others[:3])}) in the checkpoints; the model's are used"
        return {
            "computation": "TrajectoryProjection",
            "checkpoints": self.checkpoints.count,
            "components": self.components,
            "center": self.center,
            "notes": [note] if others else [],
            "objective": self.objective.question,
        }

    def stream(self, resume: ProjectionState | None = None) -> Stream[Trajectory, ProjectionState]:
        """Yield what is known about every 20 ms, or one block of parameters or batch of data where that is longer."""
        state = self._start() if resume is None else resume.copy()
        mine, theirs = (self.checkpoints.count, self.components), state.products.shape
        if mine != theirs:
            raise InputError(f"expected a state of shape {mine}, got {theirs}", "resume with the same checkpoints")
        return Stream(self._partials(state), state.copy)

    def principal_directions(self) -> tuple[Direction, ...]:
        """The principal components alone, two passes over the checkpoints."""
        return finished(self.principal_direction_steps())

    def principal_direction_steps(self) -> Generator[None, None, tuple[Direction, ...]]:
        """The same, yielding after every block of parameters."""
        state = self._start()
        yield from self._work(state, last=1)
        return state.directions

    def _start(self) -> ProjectionState:
        n, k = self.checkpoints.count, self.components
        return ProjectionState(
            stage=0 if self._given is None else 2,
            gram=np.zeros((n, n)),
            products=np.zeros((n, k)),
            metric=np.zeros((k, k)),
            squares=np.zeros(n),
            squared_residuals=np.zeros(n),
            coordinates=np.full((n, k), np.nan),
            explained=np.full(k, np.nan),
            values=np.full(2 * n, np.nan),
            directions=self._given or (),
            axes=tuple(direction.axis for direction in self._given or ()),
        )

    def _partials(self, state: ProjectionState) -> Generator[Trajectory, None, None]:
        started = time.perf_counter()
        for _ in self._work(state, last=4):
            if time.perf_counter() - started >= STEP_SECONDS:
                yield self._result(state, Outcome.RUNNING)
                started = time.perf_counter()
        finite = not self.losses or bool(np.isfinite(state.values).any())
        yield self._result(state, Outcome.COMPLETE if finite else Outcome.NOT_FINITE)

    def _work(self, state: ProjectionState, last: int) -> Generator[None, None, None]:
        """Go through the stages to the last one asked for, yielding after every piece of work."""
        passes = (self._gram, self._basis, self._products, self._residuals)
        finish = (self._decompose, self._orient, self._solve)
        while state.stage <= min(last, 3):
            yield from self._blocks(state, passes[state.stage])
            if state.stage < len(finish):
                finish[state.stage](state)
            state.stage, state.block = state.stage + 1, 0
        if last == 4 and self.losses:
            yield from self._losses(state)

    def _blocks(self, state: ProjectionState, add: Any) -> Generator[None, None, None]:
        """Pass the displacements from θ* through a function, a block of parameters at a time."""
        blocks = self.checkpoints.blocks
        buffer = np.empty(self.checkpoints.count * (blocks[0][1] - blocks[0][0]))
        for start, stop in blocks[state.block :]:
            X = self.checkpoints.read(start, stop, buffer)
            X -= np.asarray(self.objective.center[start:stop].cpu().double())
            add(state, X, start, stop)
            state.block += 1
            yield

    def _recenter(self, rows: Float[np.ndarray, "n m"]) -> None:
        """Turn displacements from θ* into those from the center of the components, in place."""
        if self.center != "objective":
            rows -= rows.mean(axis=0) if self.center == "mean" else rows[-1].copy()

    def _weights(self, scores: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """Weights of displacements from θ* that do what the scores do for those from the center."""
        if self.center == "mean":
            return np.asarray(scores - scores.mean(axis=0))
        if self.center == "last":
            scores[-1] -= scores.sum(axis=0)
        return scores

    def _gram(self, state: ProjectionState, X: Float[np.ndarray, "n m"], start: int, stop: int) -> None:
        state.moved = state.moved or any(bool((row != X[0]).any()) for row in X[1:])
        self._recenter(X)
        with one_blas_thread():  # NumPy sees that XXᵀ is symmetric, and halves the work; torch does not
            state.gram += X @ X.T

    def _decompose(self, state: ProjectionState) -> None:
        """Eigenvalues and scores from the Gram matrix, checked for enough dimensions above rounding."""
        if not state.moved:
            raise InputError(
                f"expected checkpoints that move, got {self.checkpoints.count} times the same point (zero variance)",
                "keep clones: state_dict() and parameters() refer to the live model, which has moved on",
            )
        values, vectors = np.linalg.eigh(state.gram)
        values, vectors = values[::-1], vectors[:, ::-1]
        noise = (self.checkpoints.eps * float(self.objective.center.norm())) ** 2
        rank = int((values > max(ROUNDING * values[0], noise)).sum())
        if rank < self.components:
            raise InputError(
                f"expected a trajectory of {self.components} dimensions, got one that spans {rank} above rounding",
                f"ask for components={max(rank, 1)} and add a random direction, or keep checkpoints further apart",
            )
        values, vectors = values[: self.components], vectors[:, : self.components]
        first = np.argmax(np.abs(vectors) >= 0.5 * np.abs(vectors).max(axis=0), axis=0)
        signs = np.sign(vectors[first, np.arange(self.components)])
        state.spread = float(np.trace(state.gram))
        state.shares, state.scores = values / state.spread, self._weights(vectors * signs / np.sqrt(values))
        state.basis = np.empty((self.components, self.objective.size))

    def _basis(self, state: ProjectionState, X: Float[np.ndarray, "n m"], start: int, stop: int) -> None:
        assert state.scores is not None
        assert state.basis is not None
        state.basis[:, start:stop] = _product(state.scores.T, X)

    def _orient(self, state: ProjectionState) -> None:
        """Orthonormalise to float64 rounding and label the components."""
        assert state.basis is not None
        assert state.shares is not None
        for _ in range(2):
            for j, row in enumerate(state.basis):
                for earlier in state.basis[:j]:
                    row -= (earlier @ row) * earlier
                row /= np.linalg.norm(row)
        state.directions = tuple(
            Direction(
                array_of(torch.tensor(row, dtype=self.objective.dtype)),
                f"trajectory PC{j + 1} ({percent(share)} of variance{CENTERS[self.center]})",
                "unit",
                UNITS["unit"],
            )
            for j, (row, share) in enumerate(zip(state.basis, state.shares, strict=True))
        )
        state.axes, state.basis = tuple(direction.axis for direction in state.directions), None

    def _products(self, state: ProjectionState, X: Float[np.ndarray, "n m"], start: int, stop: int) -> None:
        """Sums of the projection onto the directions as they are drawn, and of the squared distances."""
        D = _drawn(state, start, stop)
        state.products += _product(X, D.T)
        state.metric += D @ D.T
        state.squares += np.einsum("ij,ij->i", X, X)
        if self._given is not None:  # else the trace of the Gram matrix
            self._recenter(X)
            state.spread += float(np.einsum("ij,ij->", X, X))

    def _solve(self, state: ProjectionState) -> None:
        """Coordinates by least squares, and the share of each axis beyond the axes before it."""
        lengths = np.sqrt(np.diag(state.metric))
        scaled = state.metric / np.outer(lengths, lengths)
        if np.linalg.eigvalsh(scaled)[0] < DEPENDENT:
            raise InputError(
                f"expected independent directions, got {[d.label for d in state.directions]} nearly parallel",
                "pass directions.orthogonalize(one, other, objective), or others",
            )
        along = state.products / lengths
        state.coordinates = np.linalg.solve(scaled, along.T).T / lengths
        self._recenter(along)
        orthogonal = np.linalg.solve(np.linalg.cholesky(scaled), along.T).T
        with np.errstate(invalid="ignore"):
            state.explained = np.square(orthogonal).sum(axis=0) / np.float64(state.spread)

    def _residuals(self, state: ProjectionState, X: Float[np.ndarray, "n m"], start: int, stop: int) -> None:
        D = _drawn(state, start, stop)
        for first in range(0, len(X), 16):  # so that no second block is needed
            X[first : first + 16] -= _product(state.coordinates[first : first + 16], D)
        state.squared_residuals += np.einsum("ij,ij->i", X, X)

    def _losses(self, state: ProjectionState) -> Generator[None, None, None]:
        """The loss at every checkpoint and at its projection, one batch a piece."""
        batches = self.objective.batches
        while state.evaluated < len(state.values):
            theta = self._point(state, *divmod(state.evaluated, 2))
            for number, batch in enumerate(batches):
                if number < state.batches:
                    continue
                # A replica is borrowed for one batch only: none is held across a yield.
                with evaluation(), self.objective.replica(theta) as replica:
                    loss, _ = self.objective.forward(replica, batch)
                state.partial += batch.weight / batches.total_weight * loss.item()
                state.batches = number + 1
                if state.batches < batches.count:
                    yield
            state.values[state.evaluated] = state.partial
            state.evaluated, state.partial, state.batches = state.evaluated + 1, 0.0, 0
            yield

    def _point(self, state: ProjectionState, index: int, projected: int) -> Float[torch.Tensor, " P"]:
        if not projected:
            return self.objective.vector(self.checkpoints.vector(index))
        theta = self.objective.center.clone()
        for coordinate, direction in zip(state.coordinates[index], state.directions, strict=True):
            theta.add_(self.objective.vector(direction.vector), alpha=float(coordinate))
        return theta

    def _result(self, state: ProjectionState, outcome: Outcome) -> Trajectory:
        known = np.arange(len(self.steps)) < state.evaluated // 2
        first, blocks = 0 if self._given is None else 2, len(self.checkpoints.blocks)
        unknown = np.full(len(self.steps), np.nan)
        return Trajectory(
            coordinates=state.coordinates.copy(),
            explained=state.explained.copy(),
            residual=np.sqrt(state.squared_residuals) if state.stage > 3 else unknown,
            distance=np.sqrt(state.squares) if state.stage > 2 else unknown,
            steps=self.steps,
            labels=self.checkpoints.labels,
            axes=state.axes,
            center=self.center,
            loss=np.where(known, state.values[::2], np.nan),
            projected_loss=np.where(known, state.values[1::2], np.nan),
            known=known,
            outcome=outcome,
            done=(state.stage - first) * blocks + state.block + state.evaluated,
            total=(4 - first) * blocks + self.losses * len(state.values),
            evaluations=state.evaluated,
            question=self.question,
        )


def percent(share: float) -> str:
    """A share in words, never rounded to all or nothing.

    >>> percent(0.834), percent(0.9991), percent(0.0003), percent(1.0)
    ('83 %', '> 99 %', '< 1 %', '100 %')
    """
    if 0.99 < share < 1 - 1e-9:
        return "> 99 %"
    return "< 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _components(components: int, given: tuple[Direction, ...] | None, objective: Objective, count: int) -> int:
    """How many axes the plane has, checked."""
    if given is not None:
        for direction in given:
            objective.vector(direction.vector, f"direction '{direction.label}'")
        if not given:
            raise InputError("expected directions, got none", "leave them out for the principal components")
        return len(given)
    most = min(count, objective.size)
    if not isinstance(components, int) or not 1 <= components <= most:
        raise InputError(
            f"expected components from 1 to {most} (checkpoints, parameters), got {components!r}", "use 2 for a plane"
        )
    return components


def _product(A: Float[np.ndarray, "n m"], B: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "n k"]:
    """AB by torch: NumPy's own threads spin, 18 times slower beside a busy neighbour."""
    return np.asarray(torch.mm(torch.from_numpy(A), torch.from_numpy(B)))


def _drawn(state: ProjectionState, start: int, stop: int) -> Float[np.ndarray, "k m"]:
    """A block of the direction vectors, in float64."""
    return np.stack([direction.vector[start:stop].astype(np.float64) for direction in state.directions])
