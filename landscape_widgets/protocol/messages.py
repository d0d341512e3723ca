"""Every message between kernel and page, declared once; `messages.ts` is generated from this file.

Numbers that may not be finite travel in buffers or as null: in a message body NaN would become a string.
Arrays travel as buffers beside the message, C order, one `ArrayHeader` each, in the order of the buffers.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from landscape_widgets.protocol.base import VERSION as VERSION
from landscape_widgets.protocol.base import ArrayHeader as ArrayHeader
from landscape_widgets.protocol.base import Pair as Pair
from landscape_widgets.protocol.labs import LABS_FROM_PAGE, LABS_TO_PAGE

MAX_UNACKNOWLEDGED = 2
"""Tiles in flight to a page; further ones are merged until an `Ack` comes."""

Scale = Literal["unit", "filter", "raw"]
Source = Literal["random", "hessian", "gradient", "trajectory", "model", "custom"]
View = Literal["surface", "contour", "both", "curves"]
Height = Literal["log", "linear"]
Colours = Literal["viridis", "cividis", "magma"]
Purpose = Literal[
    "hello", "picture", "eigenpairs", "curves", "slices", "settings", "saddle", "trace", "spectrum", "send"
]
Work = Literal["picture", "eigenpairs", "curves", "slices", "lab"]
Tone = Literal["minimum", "maximum", "saddle", "flat", "unknown"]


# ---------------------------------------------------------------- page -> kernel


@dataclasses.dataclass(frozen=True)
class AxisChoice:
    """What an axis shows: a random direction by seed, or the index-th of a source, and its normalisation.

    Eigenvectors count from 0 at the largest eigenvalue, from -1 at the smallest; trajectory components, other models
    and given directions count from 0.
    """

    source: Source
    seed: int = 0
    index: int = 0
    scale: Scale = "filter"


@dataclasses.dataclass(frozen=True)
class Range:
    """The ends of an axis, in its unit; the model is at 0."""

    lo: float
    hi: float


@dataclasses.dataclass(frozen=True)
class PictureSettings:
    """All that decides which picture is computed.

    With `until` above 0 it ends once the surface between the points has at most this held-out error, a part of the
    drawn range; with 0 every point is computed.
    """

    alpha: AxisChoice
    beta: AxisChoice
    alpha_range: Range
    beta_range: Range
    resolution: int
    until: float = 0.0


@dataclasses.dataclass(frozen=True)
class CurveSettings:
    """Cuts through the model: one along each choice, and a band over `seeds` random directions of a scale."""

    choices: tuple[AxisChoice, ...]
    seeds: int
    seed: int
    scale: Scale
    range: Range
    points: int


@dataclasses.dataclass(frozen=True)
class ViewSettings:
    """How a picture is shown; changes nothing that is computed."""

    view: View
    height: Height
    colours: Colours = "viridis"


@dataclasses.dataclass(frozen=True)
class Hello:
    """View `view` is listening: the kernel answers with a result, then replays the picture and eigenpairs it has."""

    id: str
    view: str = ""
    v: int = VERSION
    kind: Literal["hello"] = "hello"


@dataclasses.dataclass(frozen=True)
class Goodbye:
    """View `view` is gone; when it was the last, what is computed here lets the other widgets go first."""

    view: str
    v: int = VERSION
    kind: Literal["goodbye"] = "goodbye"


@dataclasses.dataclass(frozen=True)
class PictureRequest:
    """Draw this picture; the latest request of a widget wins, an earlier one ends as cancelled.

    With `keep_region` the ranges are those of the picture before: where an axis has a new normalisation, the kernel
    changes its range to cover the same parameter distance.
    """

    id: str
    settings: PictureSettings
    keep_region: bool = False
    v: int = VERSION
    kind: Literal["request"] = "request"
    purpose: Literal["picture"] = "picture"


@dataclasses.dataclass(frozen=True)
class CurvesRequest:
    """Compute cuts through the model; the latest request of a widget wins."""

    id: str
    settings: CurveSettings
    v: int = VERSION
    kind: Literal["request"] = "request"
    purpose: Literal["curves"] = "curves"


@dataclasses.dataclass(frozen=True)
class SettingsRequest:
    """Remember how the picture is shown (the page has already changed)."""

    id: str
    settings: ViewSettings
    v: int = VERSION
    kind: Literal["request"] = "request"
    purpose: Literal["settings"] = "settings"


@dataclasses.dataclass(frozen=True)
class Cancel:
    """Stop the job of this purpose; what was computed stays."""

    id: str
    purpose: Work = "picture"
    v: int = VERSION
    kind: Literal["cancel"] = "cancel"


@dataclasses.dataclass(frozen=True)
class Pause:
    """Hold the job of this purpose between two steps, or let it go on; a `Queue` tells every view."""

    id: str
    paused: bool
    purpose: Work = "picture"
    v: int = VERSION
    kind: Literal["pause"] = "pause"


@dataclasses.dataclass(frozen=True)
class Ack:
    """Tile `seq` of run `run` has been drawn."""

    run: int
    seq: int
    v: int = VERSION
    kind: Literal["ack"] = "ack"


# ---------------------------------------------------------------- kernel -> page


@dataclasses.dataclass(frozen=True)
class AxisInfo:
    """An axis of the picture: its words, and its `points` coordinates from lo to hi, evenly spaced."""

    label: str
    normalization: str
    unit: str
    seed: int | None
    length: float
    lo: float
    hi: float
    points: int


@dataclasses.dataclass(frozen=True)
class Preview:
    """The quadratic model at the centre: loss + gradient·x + ½ xᵀ[[a, b], [b, c]]x in axis coordinates."""

    loss: float
    gradient_alpha: float
    gradient_beta: float
    a: float
    b: float
    c: float


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One plain sentence on what the slice shows, and its reasons."""

    title: str
    text: str
    tone: Tone


@dataclasses.dataclass(frozen=True)
class Track:
    """Models seen from the plane, one (α, β) each: where they project to, how far off it they are, their own loss.

    `kind` "path" is a training trajectory in order, "points" are other models. `off_plane` is in parameter distance;
    `shown` says in words how much of the whole lies in the plane.
    """

    kind: Literal["path", "points"]
    labels: tuple[str, ...]
    alpha: tuple[float, ...]
    beta: tuple[float, ...]
    off_plane: tuple[float, ...]
    loss: tuple[float | None, ...]
    shown: str


@dataclasses.dataclass(frozen=True)
class EstimateInfo:
    """What is said of the values beside the computed points: `words` with their held-out error, how they were got.

    They stand at every point of the grid of `level` points an axis; 0: of the finest.
    """

    words: str
    method: str
    held_out: int
    kind: Literal["interpolated", "bfloat16 preview"] = "interpolated"
    level: int = 0


@dataclasses.dataclass(frozen=True)
class Frame:
    """The head of a picture, sent with its first tile and on replay.

    `levels` are the nested grids in points an axis, coarse first; the last is the full picture. `metrics` names what
    is known at every point beside the loss. With an `estimate` come values for every point, exact where known.
    """

    alpha: AxisInfo
    beta: AxisInfo
    levels: tuple[int, ...]
    angle: float | None
    loss: float | None
    gradient_norm: float | None
    preview: Preview | None
    verdict: Verdict | None
    caption: str
    metrics: tuple[str, ...] = ()
    tracks: tuple[Track, ...] = ()
    estimate: EstimateInfo | None = None


@dataclasses.dataclass(frozen=True)
class Tile:
    """Points of the picture: buffers "index" (n,) (flat, row-major: j * alpha.points + i), "loss" (n,), and, where
    the frame names metrics, "metrics" (metrics, n). A frame with an estimate comes with "estimate" (total,).

    `run` rises with every new picture of a widget and `seq` within a run: lower ones are late, and dropped.
    `level` is the finest complete grid, in points an axis (0: none yet).
    """

    id: str
    run: int
    seq: int
    level: int
    done: int
    total: int
    seconds_left: float | None
    frame: Frame | None
    arrays: tuple[ArrayHeader, ...]
    v: int = VERSION
    kind: Literal["tile"] = "tile"


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a job without a tile of its own has come, in words and numbers."""

    id: str
    purpose: Purpose
    stage: str
    done: int
    total: int | None
    seconds_left: float | None
    pairs: tuple[Pair, ...]
    v: int = VERSION
    kind: Literal["progress"] = "progress"


@dataclasses.dataclass(frozen=True)
class Result:
    """The one good end of a request; `outcome` and `advice` as in `landscape_widgets.Outcome`."""

    id: str
    purpose: Purpose
    outcome: str
    advice: str
    pairs: tuple[Pair, ...] = ()
    products: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    verdict: Verdict | None = None
    v: int = VERSION
    kind: Literal["result"] = "result"


@dataclasses.dataclass(frozen=True)
class Error:
    """The one bad end of a request (or of an unreadable message: then `id` may be null)."""

    id: str | None
    purpose: Purpose | None
    message: str
    advice: str
    v: int = VERSION
    kind: Literal["error"] = "error"


@dataclasses.dataclass(frozen=True)
class CurveInfo:
    """One cut: its words, and whether it is one of the random directions that make the band."""

    label: str
    unit: str
    length: float
    band: bool


@dataclasses.dataclass(frozen=True)
class Curves:
    """The cuts finished so far, all of them again: buffers "position" (n,) and "loss" (curves, n)."""

    id: str
    settings: CurveSettings
    curves: tuple[CurveInfo, ...]
    done: int
    total: int
    caption: str
    arrays: tuple[ArrayHeader, ...]
    v: int = VERSION
    kind: Literal["curves"] = "curves"


@dataclasses.dataclass(frozen=True)
class QueuedJob:
    """A job of this widget, and its place among all jobs of the kernel: 1 is stepped first."""

    purpose: Work
    paused: bool
    position: int
    of: int


@dataclasses.dataclass(frozen=True)
class Queue:
    """All jobs of this widget that have not ended."""

    jobs: tuple[QueuedJob, ...]
    v: int = VERSION
    kind: Literal["queue"] = "queue"


FROM_PAGE = (Hello, Goodbye, PictureRequest, CurvesRequest, SettingsRequest, Cancel, Pause, Ack, *LABS_FROM_PAGE)
TO_PAGE = (Tile, Curves, Queue, Progress, Result, Error, *LABS_TO_PAGE)
