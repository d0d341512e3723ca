"""What a message from the page may hold at most: checked when it is decoded, before any work is queued."""

from __future__ import annotations

from collections.abc import Mapping

MAX_TEXT = 200
"""Characters in any text that the page sends, ids included."""

MAX_REPLY_TEXT = 20_000
"""Characters in any text that the kernel sends, when its messages are decoded in tests."""

MAX_SHOWN = 80
"""Characters of a rejected value that an error message repeats."""

MIN_RESOLUTION = 3
MAX_RESOLUTION = 513
"""Points an axis of a picture."""

MIN_EXTENT = 1e-6
MAX_EXTENT = 1e6
"""Half the width of an axis, in its unit; its ends lie within the largest."""

MAX_BAND = 128
"""Random directions in a band of curves."""

MAX_CURVES = 12
"""Directions drawn as curves of their own."""

MAX_UNTIL = 0.5
"""Held-out error at which a picture may end."""

MAX_PAIRS = 2000
"""n of the toy saddle, of 2n + 1 parameters."""

MAX_DRAWS = 1_000_000
"""Random slices of a saddle lab."""

MAX_BUDGET = 1_000_000
"""Gradient evaluations of a trace lab."""

MIN_SEED = 0
MAX_SEED = 2**63 - 1
"""Seeds that every random generator takes."""

MIN_INDEX = -1000
MAX_INDEX = 1000
"""Index of an eigenvector; negative ones count from the smallest eigenvalue."""

BOUNDS: Mapping[tuple[str, str], tuple[float, float]] = {
    ("PictureSettings", "resolution"): (MIN_RESOLUTION, MAX_RESOLUTION),
    ("PictureSettings", "until"): (0.0, MAX_UNTIL),
    ("Range", "lo"): (-MAX_EXTENT, MAX_EXTENT),
    ("Range", "hi"): (-MAX_EXTENT, MAX_EXTENT),
    ("CurveSettings", "seeds"): (0, MAX_BAND),
    ("CurveSettings", "seed"): (MIN_SEED, MAX_SEED),
    ("CurveSettings", "points"): (MIN_RESOLUTION, MAX_RESOLUTION),
    ("SaddleSettings", "n"): (1, MAX_PAIRS),
    ("SaddleSettings", "positive"): (0, 2 * MAX_PAIRS),
    ("SaddleSettings", "draws"): (1, MAX_DRAWS),
    ("SaddleSettings", "shown"): (0, MAX_DRAWS),
    ("SaddleSettings", "seed"): (MIN_SEED, MAX_SEED),
    ("SaddleSettings", "extent"): (MIN_EXTENT, MAX_EXTENT),
    ("SaddleSettings", "points"): (MIN_RESOLUTION, 97),
    ("TraceSettings", "budget"): (1, MAX_BUDGET),
    ("TraceSettings", "seed"): (MIN_SEED, MAX_SEED),
    ("SpectrumSettings", "steps"): (1, 1000),
    ("SpectrumSettings", "probes"): (1, 1000),
    ("SpectrumSettings", "seed"): (MIN_SEED, MAX_SEED),
    ("SpectrumSettings", "width"): (1e-3, 1e3),
    ("SendPair", "index"): (MIN_INDEX, MAX_INDEX),
    ("AxisChoice", "seed"): (MIN_SEED, MAX_SEED),
    ("AxisChoice", "index"): (MIN_INDEX, MAX_INDEX),
}
"""Inclusive bounds of a number, by message class and field."""
