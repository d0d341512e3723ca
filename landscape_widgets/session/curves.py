"""Cuts through the model along several directions, and a band over random ones."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.errors import InputError
from landscape_widgets.protocol.codec import pack
from landscape_widgets.protocol.limits import MAX_CURVES
from landscape_widgets.protocol.messages import AxisChoice, CurveInfo, Curves, CurveSettings
from landscape_widgets.results import Direction, Eigenpairs
from landscape_widgets.session.sources import Sources


@dataclasses.dataclass(frozen=True, eq=False)
class Cuts:
    """The cuts finished so far: losses (curves, n) at `position` (n,) along each direction."""

    position: np.ndarray
    loss: np.ndarray
    curves: tuple[CurveInfo, ...]
    total: int


def check_curves(settings: CurveSettings, sources: Sources) -> None:
    """Raise `InputError` for too many curves, none at all, an empty range, or a direction not offered."""
    if len(settings.choices) > MAX_CURVES:
        raise InputError(f"expected at most {MAX_CURVES} curves, got {len(settings.choices)}", "choose fewer")
    if not settings.choices and not settings.seeds:
        raise InputError("expected directions or random seeds, got neither", "choose at least one")
    if not settings.range.lo < settings.range.hi:
        raise InputError(
            f"expected a range from lo to a larger hi, got {settings.range.lo:g} to {settings.range.hi:g}", "widen it"
        )
    for choice in settings.choices:
        sources.check(choice)


def band_choices(settings: CurveSettings) -> list[AxisChoice]:
    """The random directions of the band, by consecutive seeds."""
    return [AxisChoice("random", seed=settings.seed + k, scale=settings.scale) for k in range(settings.seeds)]


def curve_steps(
    settings: CurveSettings, sources: Sources, pairs: Eigenpairs | None, executor: concurrent.futures.Executor | None
) -> Generator[Cuts, None, None]:
    """Yield the finished cuts after every bounded step; first the choices, then the band."""
    choices = [*settings.choices, *band_choices(settings)]
    position = np.empty(0)
    losses: list[np.ndarray] = []
    infos: list[CurveInfo] = []
    for number, choice in enumerate(choices):
        direction = sources.direction(choice, pairs)
        window = (settings.range.lo, settings.range.hi)
        evaluator = GridEvaluator(sources.objective, (direction,), (window,), settings.points, executor=executor)
        position = evaluator.coordinates[0]
        loss = np.full(len(position), np.nan)
        for surface in evaluator.stream():
            loss = surface.loss
            yield _cuts(position, losses, infos, len(choices))
        losses.append(loss)
        infos.append(_info(direction, band=number >= len(settings.choices)))
    yield _cuts(position, losses, infos, len(choices))


def _cuts(position: np.ndarray, losses: Sequence[np.ndarray], infos: Sequence[CurveInfo], total: int) -> Cuts:
    stacked = np.array(losses).reshape(len(losses), len(position))
    return Cuts(position, stacked, tuple(infos), total)


def _info(direction: Direction, *, band: bool) -> CurveInfo:
    axis = direction.axis
    return CurveInfo(axis.label, axis.unit, axis.length, band)


def curves_message(id: str, settings: CurveSettings, cuts: Cuts, words: str) -> tuple[Curves, list[memoryview]]:
    """The cuts as a message with its buffers."""
    headers, buffers = pack({"position": cuts.position, "loss": cuts.loss})
    done = len(cuts.curves)
    last = settings.seed + settings.seeds - 1
    band = f" Band: random directions, seeds {settings.seed} to {last}, {settings.scale}." if settings.seeds else ""
    caption = f"{words}{band}"
    return Curves(id, settings, cuts.curves, done, cuts.total, caption, headers), buffers


def curve_words(objective: Any, settings: CurveSettings) -> str:
    """What the cuts show, in a sentence."""
    return f"Mean {objective.loss_name} over {objective.samples:,} samples along lines through the model."
