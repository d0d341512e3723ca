"""An explorer of a quadratic form, whose offline file is read by pytest and by vitest.

`python tests/figures/recorded.py --write` writes js/tests/offline-recorded.json from the code of today.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import torch

import landscape_widgets as lw
from landscape_widgets.protocol.messages import Range

FILE = Path(__file__).parents[2] / "js" / "tests" / "offline-recorded.json"
DIAGONAL = np.array([4.0, -2.0, 1.0])
THETA = np.array([0.5, -0.25, 1.0])


def loss_at(a, b):
    """The quadratic form at (α, β), in closed form."""
    return 0.5 * float(np.sum(DIAGONAL * (THETA + np.array([a, b, 0.0])) ** 2))


class Scripts(HTMLParser):
    """Every element of a page with its attributes, and the text of the elements that have an id or hold code."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self._open = [], {}, None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        named = dict(attributes)
        if tag in ("script", "h1", "title", "style"):
            self._open = named.get("id") or named.get("type") or tag

    def handle_endtag(self, _tag):
        self._open = None

    def handle_data(self, data):
        if self._open is not None:
            self.texts[self._open] = self.texts.get(self._open, "") + data


def data_of(page):
    """What a page replays."""
    return json.loads(Scripts(page).texts["data"])


def explorer():
    """Three planes' worth of pictures: two windows, Hessian directions, and one that was cut short."""
    model, loss, data = lw.zoo.quadratic(torch.diag(torch.from_numpy(DIAGONAL)), theta=torch.from_numpy(THETA))
    objective = lw.Objective(model, loss, data, metrics={"twice": lambda out, _: 2 * out.mean()}, name="form")
    axes = [lw.Direction(row, f"e{k}", "raw", "parameter distance") for k, row in enumerate(np.eye(3)[:2])]
    made = lw.explore(objective, directions=axes, resolution=13, extent=1.0, slices=0, title="<i>form</i> & </script>")
    made.wait(60)
    made.extent, made.resolution = 0.5, 25
    surface = made.wait(60)
    cut_short(made, surface)
    made.directions, made.scale, made.extent, made.resolution = ("λ_max", "λ_min"), "unit", 2.0, 7
    made.wait(60)
    return made


def cut_short(made, surface):
    """Keep a picture of ±0.25 of which the first level and one further point were computed."""
    settings = dataclasses.replace(
        made._settings(), alpha_range=Range(-0.25, 0.25), beta_range=Range(-0.25, 0.25), resolution=13
    )
    known = np.zeros((13, 13), bool)
    known[::2, ::2] = known[0, 1] = True
    axis = np.linspace(-0.25, 0.25, 13)
    values = [[loss_at(a, b) for a in axis] for b in axis]
    loss = np.where(known, values, np.nan)
    partial = dataclasses.replace(
        surface,
        alpha=axis,
        beta=axis,
        loss=loss,
        known=known,
        metrics={"twice": 2 * loss},
        outcome=lw.Outcome.CANCELLED,
    )
    made._session.planes.of(settings).remember(settings, partial)


def recorded():
    """The data of the file that this explorer writes."""
    with tempfile.TemporaryDirectory() as folder:
        made = explorer()
        page = made.to_html(Path(folder) / "page.html").read_text(encoding="utf-8")
        made.close()
    return data_of(page)


if __name__ == "__main__" and "--write" in sys.argv:
    FILE.write_text(json.dumps(recorded(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
