"""How a static picture is drawn: every option of every back end, declared once."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, Literal, get_args

from landscape_widgets.errors import InputError
from landscape_widgets.figures.heights import HeightScale
from landscape_widgets.figures.tracks import Track, track_of

View = Literal["surface", "contour", "both", "curves"]
Colours = Literal["viridis", "cividis", "magma"]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Options:
    """Options of `figure`, `html` and `png`.

    Parameters
    ----------
    height : "log" draws log10 of the loss with ticks in loss, "linear" the loss.
    view : "surface", "contour", "both" side by side, or "curves" (cuts through the centre, or nearest to it); one
        direction is always drawn as a curve.
    colours : scale of the loss, "viridis", "cividis" or "magma": each rises evenly in lightness.
    dark : the dark theme.
    title, caption : plain text.
    preview : whether the values are the quadratic model at the centre, drawn pale and named so.
    centre_loss : loss of the model itself; None takes the surface's value at its centre.
    tracks : training paths and other models as seen from the plane, `Track` or anything with its attributes.
    angle : degrees between the two directions, for how far off the plane a track is; None takes 90.

    Raises
    ------
    InputError : for an unknown height, view or scale, or a track that does not fit together.
    """

    height: HeightScale = "log"
    view: View = "surface"
    colours: Colours = "viridis"
    dark: bool = False
    title: str = ""
    caption: str = ""
    preview: bool = False
    centre_loss: float | None = None
    tracks: tuple[Track, ...] = ()
    angle: float | None = None

    def __post_init__(self) -> None:
        _check("height", self.height, get_args(HeightScale))
        _check("view", self.view, get_args(View))
        _check("colours", self.colours, get_args(Colours))
        object.__setattr__(self, "tracks", tuple(track_of(track) for track in self.tracks))


def _check(name: str, value: object, known: tuple[str, ...]) -> None:
    if isinstance(value, str) and value in known:
        return
    listed = ", ".join(f'"{one}"' for one in known[:-1]) + f' or "{known[-1]}"'
    near = (difflib.get_close_matches(value, known, n=1) if isinstance(value, str) else []) or [known[0]]
    raise InputError(f"expected {name} {listed}, got {value!r}", f'pass {name}="{near[0]}"')


def options_of(owner: str, given: Mapping[str, Any]) -> Options:
    """Options from the keywords of a function; an unknown one raises, with the nearest name.

    >>> options_of("png", {"veiw": "contour"})
    Traceback (most recent call last):
    TypeError: png() got an unexpected keyword argument 'veiw'. Did you mean 'view'?
    """
    names = [field.name for field in dataclasses.fields(Options)]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(sorted(names))}."
            raise TypeError(f"{owner}() got an unexpected keyword argument '{name}'.{hint}")
    return Options(**given)
