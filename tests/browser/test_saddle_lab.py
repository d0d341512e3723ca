"""The saddle lab in a real JupyterLab: 1,000 slices, linked cameras, sliders by keyboard, an error, both themes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

CELLS = [
    "import landscape_widgets as lw\nlab = lw.SaddleLab(n=500, positive=500)\nlab",
    "lab.wait(60); print(lab.n, lab.positive, lab.draws, lab.shown, lab.result.done, sum(lab.result.counts.values()))",
]

CAMERAS = """
() => [...document.querySelectorAll('.lw-slice-plot .lw-plot')].map(plot => {
  const { x, y, z } = plot._fullLayout.scene._scene.getCamera().eye;
  return [x, y, z].map(one => one.toFixed(3)).join(' ');
})
"""


@pytest.fixture(scope="module")
def notebook(open_notebook):
    page = open_notebook("saddle", CELLS)
    page.run_cell(0)
    expect(page.widgets().first).to_be_visible(timeout=90_000)
    return page


def counters(notebook):
    cells = notebook.widgets().first.locator(".lw-counts tbody td:nth-child(2)").all_inner_texts()
    return [int(text.replace(",", "")) for text in cells]


def drawn(notebook, count):
    expect(notebook.widgets().first.locator(".lw-job-text")).to_have_text(
        f"{count:,} random slices drawn", timeout=60_000
    )


def test_a_thousand_slices_are_counted(notebook):
    drawn(notebook, 1000)
    lab = notebook.widgets().first
    assert sum(counters(notebook)) == 1000
    expect(lab.locator(".lw-verdict strong")).to_have_text(
        "158 of 1,000 random slices show a minimum; the point is a saddle with 500 negative directions."
    )
    expect(lab.locator(".lw-slice-plot canvas")).to_have_count(3, timeout=60_000)
    assert lab.locator(".lw-shape .scatterlayer .trace").count() == 8
    expect(lab.locator(".lw-shows")).to_have_text(["saddle", "saddle", "flat"])
    notebook.screenshot("saddle-lab")


def test_the_buttons_draw(notebook):
    lab = notebook.widgets().first
    lab.get_by_role("button", name="Draw 1,000").click()
    drawn(notebook, 2000)
    lab.get_by_role("button", name="Draw again").click()
    expect(lab.locator(".lw-slice h4").first).to_have_text("Random slice 2", timeout=20_000)
    assert sum(counters(notebook)) == 2000


def test_one_camera_turns_all(notebook):
    before = notebook.page.evaluate(CAMERAS)
    assert len(set(before)) == 1
    plot = notebook.widgets().first.locator(".lw-slice-plot .lw-plot").nth(1)
    plot.focus()
    plot.press("ArrowLeft")
    notebook.page.wait_for_function(f"before => ({CAMERAS})().every(eye => eye !== before)", arg=before[0])
    notebook.page.wait_for_function(f"() => new Set(({CAMERAS})()).size === 1")
    box = plot.bounding_box()
    notebook.page.mouse.move(box["x"] + 140, box["y"] + 120)
    notebook.page.mouse.down()
    notebook.page.mouse.move(box["x"] + 80, box["y"] + 100, steps=4)
    notebook.page.mouse.up()
    notebook.page.wait_for_function(f"() => new Set(({CAMERAS})()).size === 1")
    notebook.widgets().first.get_by_role("button", name="Reset the view").click()
    notebook.page.wait_for_function(f"before => ({CAMERAS})().every(eye => eye === before)", arg=before[0])


def test_sliders_by_keyboard_begin_again(notebook):
    lab = notebook.widgets().first
    positive = lab.get_by_label("ñ")
    positive.focus()
    for _ in range(10):
        positive.press("ArrowRight")
    expect(lab.locator(".lw-trace-mark")).to_have_text("tr H = 200", timeout=20_000)
    drawn(notebook, 2000)
    expect(lab.locator(".lw-verdict strong")).to_contain_text("400 negative directions")
    expect(lab.locator(".lw-shows").nth(2)).to_have_text("minimum")
    n = lab.get_by_label("n", exact=True)
    n.focus()
    n.press("ArrowLeft")
    expect(lab.locator(".lw-verdict strong")).to_contain_text("160 negative directions", timeout=20_000)
    notebook.run_cell(1)
    expect(notebook.output(1)).to_contain_text("200 240 2000 1 2000 2000", timeout=20_000)


def test_nothing_is_wrong_in_either_theme(notebook):
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        notebook.theme(theme)
        assert notebook.violations() == []
    assert notebook.errors == []
