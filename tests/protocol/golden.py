"""One example of each message as JSON with its buffers, read by pytest and by vitest.

`python tests/protocol/golden.py --write` writes tests/golden/*.json from the declarations of today.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from landscape_widgets.protocol import labs
from landscape_widgets.protocol import messages as m
from landscape_widgets.protocol.codec import encode, pack

FOLDER = Path(__file__).parents[1] / "golden"
WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""Numbers that JSON cannot hold, as both float() and Number() read them."""


def _axis(label: str, seed: int | None) -> m.AxisInfo:
    return m.AxisInfo(
        label=label,
        normalization="unit",
        unit="raw parameter distance",
        seed=seed,
        length=1.0,
        lo=-1.0,
        hi=1.0,
        points=7,
    )


FRAME = m.Frame(
    alpha=_axis("Hessian λ_max", None),
    beta=_axis("random, seed 3", 3),
    levels=(3, 7),
    angle=90.0,
    loss=0.25,
    gradient_norm=None,
    preview=m.Preview(loss=0.25, gradient_alpha=0.0, gradient_beta=-0.5, a=8.0, b=0.0, c=-2.0),
    verdict=m.Verdict(title="Saddle", text="Up along λ_max, down along the other.", tone="saddle"),
    caption="digits MLP, mean cross-entropy",
    metrics=("accuracy",),
    tracks=(
        m.Track(
            kind="path",
            labels=("step 0", "step 10"),
            alpha=(-1.0, 0.5),
            beta=(0.25, 0.0),
            off_plane=(2.0, 0.0),
            loss=(2.5, None),
            shown="81 % of the path's length lies in this plane",
        ),
    ),
)

ESTIMATED = dataclasses.replace(
    FRAME, estimate=m.EstimateInfo("interpolated, held-out error 0.4 %", "cubic spline of L through 7 × 7 points", 12)
)

ALPHA = m.AxisChoice(source="hessian", index=-1, scale="unit")
BETA = m.AxisChoice(source="random", seed=3)
PICTURE = m.PictureSettings(ALPHA, BETA, m.Range(-0.5, 0.5), m.Range(-0.25, 1.0), resolution=49)
CURVES = m.CurveSettings((ALPHA,), seeds=8, seed=0, scale="filter", range=m.Range(-1.0, 1.0), points=25)


def _curves() -> dict[str, Any]:
    arrays = {"position": np.array([-1.0, 0.0, 1.0]), "loss": np.array([[1.5, 0.5, float("nan")]])}
    headers, buffers = pack(arrays)
    info = m.CurveInfo("Hessian λ_min", "parameter distance", 1.0, False)
    message = m.Curves("q6", CURVES, (info,), 1, 9, "mean loss", headers)
    return _case("curves", message, buffers, loss=[1.5, 0.5, WORDS["nan"]])


def _tile(name: str, index: list[int], loss: list[float], **fields: Any) -> dict[str, Any]:
    arrays = {"index": np.array(index, dtype=np.int64), "loss": np.array(loss, dtype=np.float64)}
    if fields.get("frame") is not None:
        arrays["metrics"] = np.arange(len(index), dtype=np.float64).reshape(1, -1)
        if fields["frame"].estimate is not None:
            arrays["estimate"] = np.linspace(0.0, 1.0, 49)
    headers, buffers = pack(arrays)
    defaults = {"id": "q1", "run": 2, "seq": 0, "level": 0, "done": len(index), "total": 49, "seconds_left": 1.5}
    tile = m.Tile(**{**defaults, "frame": None, **fields}, arrays=headers)
    with np.errstate(over="ignore"):
        narrowed = [float(np.float32(value)) for value in loss]
    expect = {
        "index": index,
        "loss": [value if np.isfinite(value) else WORDS[str(value)] for value in narrowed],
        "frame": tile.frame is not None,
    }
    return _case(name, tile, buffers, **expect)


SADDLE = labs.SaddleSettings(n=500, positive=600, draws=1000, shown=0, seed=0, scale="raw", extent=0.5, points=25)
TRACE = labs.TraceSettings(("gaussian", "hutch++"), budget=200, seed=0)
SPECTRUM = labs.SpectrumSettings("hessian", "", steps=50, probes=10, seed=0, width=1.0)


def _labs() -> list[dict[str, Any]]:
    headers, buffers = pack({"A-counts": np.array([1.0, 2.0])})
    saddle = labs.SaddleState(
        "q8", 1, 0, SADDLE, True, 1001, "146 of 1,000 show a minimum.", "", "toy saddle", "done", 1000, 1000, None,
        200.0, None, True, (labs.SliceCount("minimum", 146, 0.12, 0.17, 0.15, None),), "asymptotic",
        (labs.SlicePicture("slice", "Random slice 1", "", "saddle", "α", "β", 0.5, 31.6, (3.0, -1.0)),),
        (labs.Histogram("A", "A = ηᵀHη", "exact density", True, 200.0),), ("raw", "unit"), (31.6, 1.0), headers,
    )  # fmt: skip
    curve = labs.TraceCurve(
        "gaussian", "Hutchinson", 1.5, float("nan"), None, None, "Student t, 95 %", 4.0, 2, 2, 0, "complete", "",
        "", "2 probes",
    )  # fmt: skip
    trace = labs.TraceState(
        "q9", 1, 0, TRACE, (labs.TraceOffer("gaussian", "Hutchinson, Gaussian", "unbiased", True),), 1.25, 5, "close",
        "net", 2, 2, None, (curve,), (),
    )  # fmt: skip
    spectrum = labs.SpectrumState(
        "q10", 1, 0, SPECTRUM, "Hessian", 500, 1.0, 0.1, 500, 500, "Most are small.", "", "net", "eigenpairs",
        "Eigenpairs: 20 products", 0.5, (m.Pair(0, 3.0, 1e-3, True),), 20, "running", 0, 0, "", "checkpoint",
        (labs.LayerOption("0", 15),), ("Hessian λ_max", "random, seed 1"), (),
    )  # fmt: skip
    return [
        _case("saddle-request", labs.SaddleRequest("q8", SADDLE)),
        _case("trace-request", labs.TraceRequest("q9", TRACE)),
        _case("spectrum-request", labs.SpectrumRequest("q10", SPECTRUM)),
        _case("send-pair", labs.SendPair("q11", -1, "beta")),
        _case("saddle", saddle, buffers),
        _case("trace", trace),
        _case("spectrum", spectrum),
    ]


def _case(name: str, message: Any, buffers: list[memoryview] | None = None, **expect: Any) -> dict[str, Any]:
    encoded = [base64.b64encode(buffer).decode() for buffer in buffers or []]
    direction = "to page" if type(message) in m.TO_PAGE else "from page"
    expect = {"type": type(message).__name__, "direction": direction, **expect}
    return {"name": name, "message": encode(message), "buffers": encoded, "expect": expect}


def cases() -> list[dict[str, Any]]:
    """Every example, in a fixed order."""
    nan, infinite = float("nan"), float("inf")
    pairs = (m.Pair(0, 12.5, 1e-4, True), m.Pair(-1, nan, None, False))
    verdict = m.Verdict(title="Minimum", text="Up in both directions.", tone="minimum")
    return [
        _tile("tile-with-frame", [0, 3, 24, 48], [1.5, nan, 0.1, infinite], frame=FRAME, level=0),
        _tile("tile", [1, 2], [2.25, -0.5], seq=1, level=3, done=6, seconds_left=None),
        _tile("tile-with-estimate", [1], [2.0], frame=ESTIMATED, run=4),
        _tile("tile-of-no-points", [], [], frame=FRAME, run=3, done=0),
        _tile("tile-beyond-float32", [5], [1e300], seq=2, done=7),
        _case("progress", m.Progress("q2", "eigenpairs", "Lanczos step 12", 12, None, infinite, pairs)),
        _case(
            "result",
            m.Result("q1", "picture", "converged", "", pairs, 140, 2401, 3.5, verdict),
        ),
        _case("result-of-settings", m.Result("q3", "settings", "complete", "")),
        _case("error", m.Error("q4", "picture", "expected a scalar loss, got shape (7,)", "return loss.mean()")),
        _case("error-without-id", m.Error(None, None, "expected protocol version 1, got 0", "reload the page")),
        _curves(),
        _case("queue", m.Queue((m.QueuedJob("picture", False, 1, 3), m.QueuedJob("eigenpairs", True, 3, 3)))),
        *_labs(),
        _case("hello", m.Hello("q0", "view-1")),
        _case("goodbye", m.Goodbye("view-1")),
        _case("curves-request", m.CurvesRequest("q6", CURVES)),
        _case("pause", m.Pause("q7", True)),
        _case("picture-request", m.PictureRequest("q1", PICTURE)),
        _case("settings-request", m.SettingsRequest("q3", m.ViewSettings("surface", "log", "cividis"))),
        _case("cancel", m.Cancel("q5", "eigenpairs")),
        _case("ack", m.Ack(run=2, seq=1)),
    ]


def text(case: dict[str, Any]) -> str:
    """What the file of a case holds."""
    return json.dumps(case, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write() -> None:
    """Write every case, and remove files of cases that are no more."""
    FOLDER.mkdir(exist_ok=True)
    names = {f"{case['name']}.json" for case in cases()}
    for path in FOLDER.glob("*.json"):
        if path.name not in names:
            path.unlink()
    for case in cases():
        (FOLDER / f"{case['name']}.json").write_text(text(case), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit("usage: python tests/protocol/golden.py --write")
    write()
