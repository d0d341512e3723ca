"""The settings of an explorer as Python code that rebuilds its view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULTS: Mapping[str, Any] = {
    "extent": 1.0,
    "resolution": 49,
    "until": 0.0,
    "scale": "filter",
    "seed": 0,
    "view": "surface",
    "height": "log",
    "colours": "viridis",
    "largest": 1,
    "smallest": 1,
}
"""What `explore` takes where nothing is said."""


def python_code(directions: tuple[str, ...], settings: Mapping[str, Any], further: tuple[str, ...] = ()) -> str:
    """A call of `explore` with what differs from its defaults.

    Parameters
    ----------
    directions : what the two axes show, in the words of `explore`.
    settings : values by keyword.
    further : keywords that the reader has to fill in by the same name, such as "models" and "checkpoints".

    >>> print(python_code(("λ_max", "random 7"), {"extent": 2.0, "resolution": 49}))
    import landscape_widgets as lw
    <BLANKLINE>
    explorer = lw.explore(
        model,
        loss,
        data,
        directions=("λ_max", "random 7"),
        extent=2.0,
    )
    explorer
    """
    own = [word for word in directions if word.startswith("custom")]
    words = ", ".join(_variable(word) if word in own else f'"{word}"' for word in directions)
    lines = ["model", "loss", "data", f"directions=({words})"]
    lines += [f"{name}={value!r}" for name, value in settings.items() if value != DEFAULTS.get(name)]
    lines += [f"{name}={name}" for name in further]
    notes = [f"# {_variable(word)}: the direction that was passed\n" for word in own]
    body = "".join(f"    {line},\n" for line in lines)
    return f"import landscape_widgets as lw\n\n{''.join(notes)}explorer = lw.explore(\n{body})\nexplorer"


def _variable(word: str) -> str:
    return word.replace(" ", "_")
