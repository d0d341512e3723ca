"""Every message between kernel and page, declared once; `messages.ts` is generated from this file.

Numbers that may not be finite travel in buffers or as null: in a message body NaN would become a string.
Arrays travel as buffers beside the message, C order, one `ArrayHeader` each, in the order of the buffers.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

VERSION = 1
"""Raised by one whenever an old page could misread a new message."""

MAX_UNACKNOWLEDGED = 2
"""Tiles in flight to a page; further ones are merged until an `Ack` comes."""

Scale = Literal["unit", "filter", "raw"]
Source = Literal["random", "hessian", "custom"]
View = Literal["surface", "contour", "curves"]
Height = Literal["log", "linear"]
Purpose = Literal["hello", "picture", "eigenpairs", "settings"]
Tone = Literal["minimum", "maximum", "saddle", "flat", "unknown"]


# ---------------------------------------------------------------- page -> kernel


@dataclasses.dataclass(frozen=True)
class AxisChoice:
    """What an axis shows: a random direction by seed, the index-th eigenvector (-1: the smallest), or a given one."""

    source: Source
    seed: int = 0
    index: int = 0


@dataclasses.dataclass(frozen=True)
class PictureSettings:
    """All that decides which picture is computed."""

    alpha: AxisChoice
    beta: AxisChoice
    scale: Scale
    extent: float
    resolution: int


@dataclasses.dataclass(frozen=True)
class ViewSettings:
    """How a picture is shown; changes nothing that is computed."""

    view: View
    height: Height


@dataclasses.dataclass(frozen=True)
class Hello:
    """A view is listening: the kernel answers with a result, then replays the picture and the eigenpairs it has."""

    id: str
    v: int = VERSION
    kind: Literal["hello"] = "hello"


@dataclasses.dataclass(frozen=True)
class PictureRequest:
    """Draw this picture; the latest request of a widget wins, an earlier one ends as cancelled."""

    id: str
    settings: PictureSettings
    v: int = VERSION
    kind: Literal["request"] = "request"
    purpose: Literal["picture"] = "picture"


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
    """Stop the job of this purpose ("picture" or "eigenpairs"); what was computed stays."""

    id: str
    purpose: Literal["picture", "eigenpairs"] = "picture"
    v: int = VERSION
    kind: Literal["cancel"] = "cancel"


@dataclasses.dataclass(frozen=True)
class Ack:
    """Tile `seq` of run `run` has been drawn."""

    run: int
    seq: int
    v: int = VERSION
    kind: Literal["ack"] = "ack"


# ---------------------------------------------------------------- kernel -> page


@dataclasses.dataclass(frozen=True)
class ArrayHeader:
    """Describes one buffer: what it is, little-endian dtype, shape in C order."""

    name: str
    dtype: Literal["float32", "int32"]
    shape: tuple[int, ...]


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
class Frame:
    """The head of a picture, sent with its first tile and on replay.

    `levels` are the nested grids in points an axis, coarse first; the last is the full picture.
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


@dataclasses.dataclass(frozen=True)
class Tile:
    """Points of the picture: buffers "index" (flat, row-major: j * alpha.points + i) and "loss".

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
class Pair:
    """An eigenvalue, its residual |Hv - λv|, and whether the residual meets its bound."""

    index: int
    value: float | None
    residual: float | None
    accepted: bool


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


FROM_PAGE = (Hello, PictureRequest, SettingsRequest, Cancel, Ack)
TO_PAGE = (Tile, Progress, Result, Error)
