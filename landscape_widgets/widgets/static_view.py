"""What a notebook shows without a page: a PNG beside the widget, replaced when it is finished and nobody looks."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

COLOURS = 256
"""Colours of the palette of a static picture: four times fewer bytes in every notebook that holds one."""


class StaticView:
    """The display of one widget: the widget view, and a picture for whoever cannot show widgets.

    Parameters
    ----------
    mimebundle : makes the widget's own mimebundle.
    png : makes the picture, or None where nothing is known yet.
    text : the plain-text form.
    """

    def __init__(
        self, mimebundle: Callable[[], dict[str, Any]], png: Callable[[], bytes | None], text: Callable[[], str]
    ) -> None:
        self._mimebundle, self._png, self._text = mimebundle, png, text
        self._handles: list[Any] = []

    def show(self) -> None:
        """Display now, with the picture as far as it is known."""
        from IPython import display

        show: Any = display.display
        handle = show(self.bundle(), raw=True, display_id=True)
        if handle is not None:
            self._handles.append(handle)

    def refresh(self) -> None:
        """Put the newest picture into every output shown; only without a live page, since it rebuilds the view."""
        for handle in self._handles:
            handle.update(self.bundle(), raw=True)

    def bundle(self) -> dict[str, Any]:
        """The mimebundle: widget view, PNG and text."""
        data = {**self._mimebundle(), "text/plain": self._text()}
        png = self._png()
        if png is not None:
            data["image/png"] = base64.b64encode(compact(png)).decode("ascii")
        return data


def compact(png: bytes) -> bytes:
    """The same picture with a palette of `COLOURS`."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    target = io.BytesIO()
    picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        target, "PNG", optimize=True
    )
    return target.getvalue()
