"""An explorer's offline file in a browser without network: what a person does with it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from lab import ARTIFACTS, AXE
from matplotlib.image import imread
from playwright.sync_api import expect

import landscape_widgets as lw

TITLE = "small <b>MLP</b> </script>"
WINDOWS = (0.5, 1.0, 2.0)


class Written:
    """The file, and the surfaces that went into it by half width."""

    def __init__(self, folder: Path) -> None:
        inputs, targets = lw.zoo.digits()
        model = lw.zoo.mlp((64, 32, 10), activation="tanh", seed=0)
        data = inputs[:400], targets[:400]
        explorer = lw.explore(model, torch.nn.CrossEntropyLoss(), data, resolution=13, title=TITLE, height="linear")
        self.surfaces = {}
        explorer.directions, explorer.scale, explorer.extent = ("λ_max", "λ_min"), "unit", 3.0
        self.hessian = explorer.wait(120)
        explorer.directions, explorer.scale = ("random 0", "random 1"), "filter"
        for half in WINDOWS:
            explorer.extent = half
            self.surfaces[half] = explorer.wait(120)
        self.path = explorer.to_html(folder / "page.html")
        explorer.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return Written(tmp_path_factory.mktemp("html"))


class Offline:
    """The file open on a page that has no network."""

    def __init__(self, browser, path, scheme="light", **options):
        self.context = browser.new_context(
            offline=True, color_scheme=scheme, viewport={"width": 1300, "height": 900}, **options
        )
        self.page = self.context.new_page()
        self.errors, self.requests = [], []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def settled(self, points="13 × 13"):
        """Wait until a picture of this size is drawn."""
        expect(self.page.locator(".lw-pill")).to_have_text(f"{points} exact", timeout=30_000)

    def heights(self):
        """What the plot draws, once it is as many points as the pill says."""
        size = int(self.page.locator(".lw-pill").text_content().split(" ")[0])
        self.page.wait_for_function(
            "size => document.querySelector('.lw-plot').data?.[0]?.z?.length === size", arg=size, timeout=30_000
        )
        return np.array(
            self.page.evaluate("Array.from(document.querySelector('.lw-plot').data[0].z, row => Array.from(row))")
        )

    def shows(self, loss):
        """Wait until the plot draws these losses, each as float32."""
        wanted = loss.astype(np.float32).astype(float)
        self.page.wait_for_function(
            """wanted => {
                const rows = document.querySelector('.lw-plot').data?.[0]?.z ?? [];
                return rows.length === wanted.length
                    && wanted.every((row, j) => row.every((value, i) => value === rows[j][i]));
            }""",
            arg=wanted.tolist(),
            timeout=30_000,
        )

    def press(self, label, keys):
        slider = self.page.get_by_label(label, exact=True)
        slider.focus()
        for key in keys:
            slider.press(key)

    def screenshot(self, name):
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


@pytest.fixture
def offline(browser, written):
    opened = []

    def open_file(scheme="light", **options):
        opened.append(Offline(browser, written.path, scheme, **options))
        return opened[-1]

    yield open_file
    for one in opened:
        one.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_surface_is_drawn_and_nothing_is_asked_for(offline, written, scheme):
    one = offline(scheme)
    one.settled()
    one.shows(written.surfaces[2.0].loss)
    expect(one.page.locator(".gl-container canvas").first).to_be_visible()
    one.page.wait_for_timeout(1000)
    pixels = imread(io.BytesIO(one.page.locator(".lw-plot").first.screenshot()))[..., :3]
    assert len(np.unique((pixels * 15).round().reshape(-1, 3), axis=0)) > 50, "the plot is blank"
    expect(one.page.locator(".lw-explorer")).to_have_attribute("data-theme", scheme)
    one.screenshot(f"offline-{scheme}")
    assert one.errors == []
    assert all(url.startswith(("file://", "blob:", "data:")) for url in one.requests)
    assert len([url for url in one.requests if url.startswith("file://")]) == 1


def test_words_are_words_and_say_what_it_is(offline):
    page = offline().page
    expect(page.locator(".lw-subtitle")).to_contain_text(TITLE)
    expect(page.locator(".lw-status")).to_contain_text("offline copy: replays what was computed")
    expect(page.locator("main > p")).to_contain_text("It replays 4 pictures computed before it was saved")
    assert TITLE in page.title()


def test_ranges_that_were_computed_are_replayed(offline, written):
    one = offline()
    one.settled()
    one.press("Range", ["ArrowLeft"])
    expect(one.page.locator(".lw-value").first).to_have_text("± 1.0")
    one.shows(written.surfaces[1.0].loss)
    one.press("Range", ["ArrowLeft", "ArrowLeft", "ArrowLeft"])
    expect(one.page.locator(".lw-value").first).to_have_text("± 0.5")
    one.shows(written.surfaces[0.5].loss)
    assert one.errors == []


def test_coarser_levels_are_replayed(offline, written):
    one = offline()
    one.settled()
    one.press("Resolution", ["ArrowLeft"])
    one.settled("7 × 7")
    one.shows(written.surfaces[2.0].loss[::2, ::2])
    expect(one.page.locator(".lw-caption")).to_contain_text("7 × 7 points")
    assert one.errors == []


def test_only_directions_that_were_computed_are_offered(offline, written):
    one = offline()
    one.settled()
    alpha = one.page.get_by_label("α", exact=True)
    assert alpha.locator("option").all_text_contents() == ["Random", "Hessian λmax", "Hessian λmin"]
    alpha.select_option("Hessian λmax")
    one.shows(written.hessian.loss)
    expect(one.page.get_by_label("β", exact=True)).to_have_value("hessian:-1")
    expect(one.page.locator(".lw-value").first).to_have_text("± 3.0")
    assert one.errors == []


def test_what_is_not_there_is_said_and_the_picture_stays(offline, written):
    one = offline()
    one.settled()
    one.page.get_by_role("button", name="Draw α again").click()
    error = one.page.get_by_role("alert")
    expect(error).to_contain_text("This file holds for α only Hessian λ_max (unit); random, seed 0 (filter)")
    expect(one.page.get_by_label("seed").first).to_have_value("0")
    one.shows(written.surfaces[2.0].loss)
    one.press("Range", ["ArrowLeft"])
    expect(error).not_to_contain_text("This file holds")
    assert one.errors == []


def test_views_and_colours_change(offline):
    one = offline()
    one.settled()
    for view, mark in [("Contour", ".contourlayer, .contour"), ("Curves", ".scatterlayer .trace"), ("Both", "canvas")]:
        one.page.get_by_role("radio", name=view).check()
        expect(one.page.locator(mark).first).to_be_attached(timeout=20_000)
    one.page.get_by_role("radio", name="log").check()
    assert one.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(offline, scheme):
    one = offline(scheme)
    one.settled()
    one.page.evaluate(AXE.read_text())
    found = one.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [f"{item['id']}: {item['nodes'][0]['html'][:200]}" for item in found["violations"]] == []


def test_a_narrow_page_has_no_sideways_scrolling(offline):
    one = offline()
    one.page.set_viewport_size({"width": 390, "height": 800})
    one.settled()
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
    one.screenshot("offline-narrow")


def test_without_scripts_there_is_a_still_picture(offline):
    page = offline(java_script_enabled=False).page
    still = page.get_by_alt_text("The loss landscape, as a still picture")
    expect(still).to_be_visible()
    assert still.bounding_box()["width"] > 300
