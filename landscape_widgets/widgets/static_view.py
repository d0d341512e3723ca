"""What a notebook shows: a widget's view, and after it, hidden where pages are live, a picture for everyone else."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

COLOURS = 256
"""Colours of the palette of a static picture: four times fewer bytes in every notebook that holds one."""


class StaticView:
    """The display of one widget, as two outputs: its view at once, and a picture for whoever cannot show widgets.

    The picture stands behind the view of a widget that shows nothing. So the live view does not wait for it, and is
    not built anew when it is replaced, as it would be in one output.

    Parameters
    ----------
    view : makes the mimebundle of the widget.
    cover : makes the mimebundle of a widget that shows nothing.
    png : makes the picture, or None where nothing is known yet.
    text : the plain-text form.
    """

    def __init__(
        self,
        view: Callable[[], dict[str, Any]],
        cover: Callable[[], dict[str, Any]],
        png: Callable[[], bytes | None],
        text: Callable[[], str],
    ) -> None:
        self._view, self._cover, self._png, self._text = view, cover, png, text
        self._handles: list[Any] = []

    def show(self) -> None:
        """Display the live view, without any picture."""
        _display(self._view())

    def show_picture(self) -> None:
        """Display the picture as far as it is known."""
        handle = _display(self._picture(), display_id=True)
        if handle is not None:
            self._handles.append(handle)

    def refresh(self) -> None:
        """Put the newest picture into every output shown."""
        if self._handles:
            bundle = self._picture()
            for handle in self._handles:
                handle.update(bundle, raw=True)

    def _picture(self) -> dict[str, Any]:
        data = {**self._cover(), "text/plain": self._text()}
        png = self._png()
        if png is not None:
            data["image/png"] = base64.b64encode(compact(png)).decode("ascii")
        return data


def _display(bundle: dict[str, Any], **options: Any) -> Any:
    from IPython import display

    show: Any = display.display
    return show(bundle, raw=True, **options)


def compact(png: bytes) -> bytes:
    """The same picture with a palette of `COLOURS`."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    target = io.BytesIO()
    picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        target, "PNG", optimize=True
    )
    return target.getvalue()
