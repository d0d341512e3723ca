"""The spectrum explorer's lab: density first, then eigenpairs, all eigenvalues of small matrices, checkpoints."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol, get_args

import numpy as np

from landscape_widgets.compute.directions import eigenvalue_name
from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError
from landscape_widgets.protocol.codec import pack
from landscape_widgets.protocol.labs import LayerOption, Matrix, SpectrumSettings, SpectrumStage, SpectrumState
from landscape_widgets.protocol.limits import BOUNDS
from landscape_widgets.protocol.messages import Error
from landscape_widgets.results import UNITS, Direction, Eigenpairs, SpectrumEstimate, SpectrumHistory
from landscape_widgets.session import spectrum_words as words
from landscape_widgets.session.eigen import pair_messages
from landscape_widgets.session.spectrum_history_work import History
from landscape_widgets.session.spectrum_work import Densities, ExactSpectra, Matrices, Pairs, Place

POINTS, MOST_POINTS, POINTS_A_WIDTH = 401, 4001, 5
"""Points of a drawn density: at least, at most, and in one width."""


@dataclasses.dataclass(frozen=True, eq=False)
class SpectrumView:
    """All that is known for some settings."""

    settings: SpectrumSettings
    size: int
    stage: SpectrumStage = "density"
    estimate: SpectrumEstimate | None = None
    pairs: Eigenpairs | None = None
    exact: np.ndarray | None = None
    exact_done: int = 0
    history: SpectrumHistory | None = None
    losses: np.ndarray | None = None

    @property
    def width(self) -> float | None:
        """σ of the smoothing."""
        width = math.nan if self.estimate is None else self.settings.width * self.estimate.width
        return width if math.isfinite(width) else None

    @functools.cached_property
    def sentence(self) -> str:
        """What the spectrum says."""
        return words.sentence(self.estimate, self.pairs, self.exact)

    @property
    def status(self) -> str:
        """What is being done, and how far it is."""
        if self.stage == "density" and self.estimate is not None:
            return words.density_status(self.estimate)
        if self.stage == "eigenpairs" and self.pairs is not None:
            return words.pairs_status(self.pairs)
        if self.stage == "exact":
            return f"All eigenvalues: {self.exact_done:,} of {self.size:,} products"
        if self.stage == "checkpoints" and self.history is not None:
            return words.history_status(self.history)
        return words.done_status(self.estimate, self.pairs) if self.stage == "done" else "Beginning"

    @property
    def part(self) -> float | None:
        """Share of what is being done that is done; None where it is not known."""
        if self.stage == "density" and self.estimate is not None:
            return min(1.0, self.estimate.products / self.estimate.total)
        if self.stage == "exact":
            return self.exact_done / self.size
        if self.stage == "checkpoints" and self.history is not None:
            return self.history.done / max(1, self.history.total)
        return 1.0 if self.stage == "done" else None


class Listener(Protocol):
    """Who is told, on the scheduler's thread."""

    def begun(self, settings: Any) -> None:
        """A run begins."""

    def shown(self, view: SpectrumView, finished: bool) -> None:
        """Something has moved."""

    def failed(self, error: Error) -> None:
        """A request has failed."""


class SpectrumLab:
    """Computes what a spectrum explorer shows; keeps everything, so that going back costs nothing.

    Parameters
    ----------
    objective : whose matrices.
    listener : who is told.
    checkpoints : of the training run, in order, or by training step, or None.
    largest, smallest, tol, verify : of the eigenpairs, as for `Lanczos`.
    axes : gives what the linked explorer shows on its axes, () where none is linked.
    """

    purpose: Literal["spectrum"] = "spectrum"

    def __init__(
        self,
        objective: Objective,
        listener: Listener,
        *,
        checkpoints: Iterable[Any] | Mapping[int, Any] | None = None,
        largest: int = 3,
        smallest: int = 3,
        tol: float = 1e-3,
        verify: bool = False,
        axes: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.objective, self._listener, self._axes = objective, listener, axes
        self.matrices = Matrices(objective)
        largest = min(largest, objective.size)
        smallest = min(smallest, objective.size - largest)
        Lanczos(self.matrices.operator(("hessian", "")), largest, smallest, tol)  # refuses wrong arguments now
        self._densities, self._exact = Densities(self.matrices), ExactSpectra(self.matrices)
        self._pairs = Pairs(self.matrices, largest, smallest, tol=tol, verify=verify)
        self._history = None if checkpoints is None else History(objective, checkpoints, tol)

    # ------------------------------------------------------------ what `session.lab.Lab` asks for

    def check(self, settings: SpectrumSettings) -> None:
        """Raise `InputError` for settings that cannot be."""
        if settings.matrix not in get_args(Matrix):
            raise InputError(
                f"expected matrix as one of {', '.join(map(repr, get_args(Matrix)))}, got {settings.matrix!r}",
                "choose one of them",
            )
        for name in ("steps", "probes", "seed", "width"):
            low, high = BOUNDS["SpectrumSettings", name]
            if not low <= getattr(settings, name) <= high:
                raise InputError(
                    f"expected {name} from {low:g} to {high:g}, got {getattr(settings, name):g}",
                    "50 steps, 10 probes and width 1 are usual",
                )
        if settings.layer:
            self.matrices.operator((settings.matrix, settings.layer))

    def steps(self, settings: SpectrumSettings) -> Iterator[SpectrumView]:
        """Compute what lacks, in order, beginning with all that is known."""
        place: Place = (settings.matrix, settings.layer)
        key = (place, settings.steps, settings.seed)
        view = SpectrumView(
            settings,
            self.matrices.size(place),
            estimate=self._densities.known(key, settings.probes),
            pairs=self._pairs.known(place),
            exact=self._exact.known(place),
            history=None if self._history is None else self._history.latest,
            losses=None if self._history is None else self._history.losses,
        )
        for estimate in self._densities.stream(key, settings.probes):
            view = dataclasses.replace(view, estimate=estimate, stage="density")
            yield view
        for pairs in self._pairs.stream(place):
            view = dataclasses.replace(view, pairs=pairs, stage="eigenpairs")
            yield view
        for done, exact in self._exact.stream(place):
            view = dataclasses.replace(view, exact=exact, exact_done=done, stage="exact")
            yield view
        if self._history is not None:
            for history, losses in self._history.stream():
                view = dataclasses.replace(view, history=history, losses=losses, stage="checkpoints")
                yield view
        yield dataclasses.replace(view, stage="done")

    def message(self, state: SpectrumView, id: str, run: int, seq: int) -> tuple[SpectrumState, list[memoryview]]:
        """A state as a message with its buffers."""
        headers, buffers = pack(self._arrays(state))
        estimate, pairs, history, width = state.estimate, state.pairs, state.history, state.width
        message = SpectrumState(
            id=id,
            run=run,
            seq=seq,
            settings=state.settings,
            name=words.matrix_name(state.settings.matrix, state.settings.layer),
            size=state.size,
            mass=None if estimate is None or not math.isfinite(estimate.mass) else estimate.mass,
            width=width,
            products=0 if estimate is None else estimate.products,
            total=0 if estimate is None else estimate.total,
            sentence=state.sentence,
            caution=words.caution(estimate, pairs, width),
            caption=words.caption(self.objective, state.settings, state.size, estimate, pairs, width),
            stage=state.stage,
            status=state.status,
            part=state.part,
            pairs=() if pairs is None else pair_messages(pairs),
            pair_products=0 if pairs is None else pairs.products,
            pair_outcome="" if pairs is None else str(pairs.outcome),
            checkpoints=0 if self._history is None else self._history.total,
            checkpoints_done=0 if history is None else history.done,
            history="" if self._history is None else words.history_caption(history),
            history_axis=words.history_axis(history),
            layers=tuple(LayerOption(name, size) for name, size in self.matrices.layers.items()),
            axes=self._axes(),
            arrays=headers,
        )
        return message, buffers

    def on_begin(self, settings: SpectrumSettings) -> None:
        """A run with these settings begins."""
        self._listener.begun(settings)

    def on_state(self, state: SpectrumView, finished: bool) -> None:
        """Something has moved."""
        self._listener.shown(state, finished)

    def on_error(self, error: Error) -> None:
        """A request has failed."""
        self._listener.failed(error)

    # ------------------------------------------------------------ for the linked explorer

    def pairs_of(self, settings: SpectrumSettings) -> Eigenpairs | None:
        """The eigenpairs of a matrix and layer, as far as they are known."""
        return self._pairs.known((settings.matrix, settings.layer))

    def direction(self, settings: SpectrumSettings, index: int) -> Direction:
        """The eigenvector of an index as a direction of the whole model; raises `InputError` beyond those computed."""
        pairs = self.pairs_of(settings)
        count = 0 if pairs is None or not pairs.vectors.shape[1] else len(pairs.values)
        if pairs is None or count == 0:
            raise InputError("expected finished eigenpairs, got none yet", "wait until they are found")
        if not -count <= index < count:
            raise InputError(
                f"expected an eigenpair index within the {count} computed, got {index}",
                f"pass largest={max(index + 1, pairs.largest)} to SpectrumExplorer"
                if index >= 0
                else f"pass smallest={max(-index, count - pairs.largest)} to SpectrumExplorer",
            )
        place = index % count
        name = eigenvalue_name(place if place < pairs.largest else place - count)
        label = f"{words.matrix_name(settings.matrix, settings.layer)} {name}"
        vector = self.matrices.embed(settings.layer, pairs.vectors[:, place].copy())
        return Direction(vector, label, "unit", UNITS["unit"])

    # ------------------------------------------------------------ inside

    def _arrays(self, view: SpectrumView) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        estimate, width = view.estimate, view.width
        if estimate is not None and width is not None and np.isfinite(estimate.nodes).all():
            x = estimate.grid(_points(estimate, width), width)
            arrays |= {
                "x": x,
                "density": estimate.density(x, width),
                "spread": estimate.spread(x, width),
                "above": estimate.size * (1 - estimate.cumulative(x)),
                "nodes": estimate.nodes,
                "residuals": np.maximum(estimate.residuals, words.rounding(estimate)),
            }
        if view.exact is not None:
            arrays["exact"] = view.exact
        if view.history is not None and view.losses is not None:
            arrays |= history_arrays(view.history, view.losses)
        return arrays


def history_arrays(history: SpectrumHistory, losses: np.ndarray) -> dict[str, np.ndarray]:
    """A history for the page; checkpoints that are still under way are left out."""
    known = history.known[:, None]
    return {
        "steps": history.steps,
        "losses": losses,
        "values": np.where(known, history.values, np.nan).T,
        "value-residuals": np.where(known, history.residuals, np.nan).T,
        "traces": np.where(history.known, history.trace, np.nan),
        "trace-errors": np.where(history.known, history.trace_error, np.nan),
    }


def _points(estimate: SpectrumEstimate, width: float) -> int:
    """Points that draw every bump of a width."""
    reach = estimate.highest[0] - estimate.lowest[0] + 8 * width
    return int(min(max(POINTS_A_WIDTH * reach / width, POINTS), MOST_POINTS))
