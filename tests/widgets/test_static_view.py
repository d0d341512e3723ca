"""What a display sends, and what stands in a saved notebook."""

from __future__ import annotations

import base64
import io

import pytest
from IPython import display

from landscape_widgets.widgets import static_view
from landscape_widgets.widgets.static_view import StaticView

VIEW = "application/vnd.jupyter.widget-view+json"


def picture(colour):
    from PIL import Image

    target = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(target, "PNG")
    return target.getvalue()


def colour_of(bundle):
    from PIL import Image

    return Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("RGB").getpixel((0, 0))


class Notebook:
    """Stands for a notebook: keeps what is displayed, and follows updates."""

    def __init__(self):
        self.outputs, self.events = [], []

    def display(self, bundle, raw, display_id=False):
        assert raw
        self.outputs.append(bundle)
        self.events.append("display")
        return Handle(self, len(self.outputs) - 1) if display_id else None


class Handle:
    def __init__(self, notebook, number):
        self.notebook, self.number = notebook, number

    def update(self, bundle, raw):
        assert raw
        self.notebook.outputs[self.number] = bundle
        self.notebook.events.append(f"update {self.number}")


@pytest.fixture
def notebook(monkeypatch):
    shown = Notebook()
    monkeypatch.setattr(display, "display", shown.display)
    return shown


def view_of(events, png):
    """A view of widget "live" behind whose pictures stands widget "empty"."""

    def drawn():
        events.append("drawn")
        return png()

    return StaticView(
        lambda: {VIEW: {"model_id": "live"}}, lambda: {VIEW: {"model_id": "empty"}}, drawn, lambda: "words"
    )


def test_the_live_view_is_sent_before_a_picture_is_drawn(notebook):
    view = view_of(notebook.events, lambda: picture("red"))
    view.show()
    view.show_picture()
    assert notebook.events == ["display", "drawn", "display"]
    live, still = notebook.outputs
    assert live == {VIEW: {"model_id": "live"}}
    assert still[VIEW] == {"model_id": "empty"}
    assert still["text/plain"] == "words"
    assert colour_of(still) == (255, 0, 0)


def test_a_newer_picture_replaces_every_picture_and_touches_no_live_view(notebook):
    colours = iter(["red", "green", "blue"])
    view = view_of([], lambda: picture(next(colours)))
    for _ in range(2):
        view.show()
        view.show_picture()
    view.refresh()
    assert notebook.events == ["display"] * 4 + ["update 1", "update 3"]
    assert [bundle.get(VIEW) for bundle in notebook.outputs] == [{"model_id": "live"}, {"model_id": "empty"}] * 2
    assert [colour_of(notebook.outputs[number]) for number in (1, 3)] == [(0, 0, 255)] * 2


def test_nothing_is_drawn_for_what_was_never_shown(notebook):
    view_of(notebook.events, lambda: picture("red")).refresh()
    assert notebook.events == []


def test_a_picture_not_known_yet_leaves_words(notebook):
    view = view_of([], lambda: None)
    view.show()
    view.show_picture()
    assert notebook.outputs[1] == {VIEW: {"model_id": "empty"}, "text/plain": "words"}


def test_a_picture_is_kept_with_a_palette():
    from PIL import Image

    assert len(Image.open(io.BytesIO(static_view.compact(picture("red")))).convert("P").getcolors()) == 1
