"""The explorer where pages are hard on it: twice on a page, run again and again, saved, narrow, sent nonsense."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.long

CELLS = [
    """
import json, torch
import landscape_widgets as lw
from IPython.display import display
model = lw.zoo.mlp((64, 32, 10), activation="tanh", seed=0)
explorer = lw.explore(model, torch.nn.CrossEntropyLoss(), lw.zoo.digits(), resolution=13)
explorer
""",
    "explorer",
    "print(json.dumps([explorer.model_id, explorer.extent, explorer.resolution, explorer.view, explorer.directions]))",
]

THREE = """
explorers = [lw.explore(explorer.objective, resolution=7, seed=seed) for seed in range(3)]
display(*explorers)
"""

ALPHA = {"source": "random", "seed": 0, "index": 0}
BETA = {"source": "random", "seed": 1, "index": 0}
WINDOW = {"lo": -1.0, "hi": 1.0}
SETTINGS = {"alpha": ALPHA, "beta": BETA, "alpha_range": WINDOW, "beta_range": WINDOW, "resolution": 13}


def settled(explorer, points="13 × 13"):
    """Wait until a picture is complete."""
    expect(explorer.locator(".lw-pill")).to_have_text(f"{points} exact", timeout=60_000)


def known(notebook, number=2):
    """What the kernel knows of the explorer: id, extent, resolution, view, directions."""
    notebook.run_cell(number)
    expect(notebook.output(number)).to_contain_text("]", timeout=30_000)
    return json.loads(notebook.output(number).text_content().strip())


def surfaces(notebook):
    """Canvases of WebGL inside explorers."""
    return notebook.page.locator(".lw-explorer .gl-container canvas").count()


@pytest.fixture(scope="module")
def notebook(open_notebook):
    page = open_notebook("robust", CELLS)
    page.run_cell(0)
    expect(page.widgets().first).to_be_visible(timeout=90_000)
    settled(page.widgets().first)
    return page


def test_displayed_twice_both_follow(notebook):
    notebook.run_cell(1)
    expect(notebook.widgets()).to_have_count(2, timeout=30_000)
    first, second = notebook.widgets().nth(0), notebook.widgets().nth(1)
    for explorer in (first, second):
        settled(explorer)
        expect(explorer.locator(".gl-container canvas").first).to_be_attached(timeout=20_000)
    for moved, other in ((first, second), (second, first)):
        slider = moved.get_by_label("Range")
        before = other.get_by_label("Range").get_attribute("aria-valuetext")
        slider.focus()
        slider.press("ArrowRight")
        expect(other.get_by_label("Range")).not_to_have_attribute("aria-valuetext", before, timeout=20_000)
        expect(other.get_by_label("Range")).to_have_attribute("aria-valuetext", slider.get_attribute("aria-valuetext"))
        for explorer in (first, second):
            settled(explorer)
    second.get_by_role("radio", name="Contour").check()
    for explorer in (first, second):
        expect(explorer.get_by_role("radio", name="Contour")).to_be_checked(timeout=20_000)
        expect(explorer.locator(".contourlayer, .contour").first).to_be_attached(timeout=20_000)
    first.get_by_role("radio", name="Surface").check()
    for explorer in (first, second):
        expect(explorer.get_by_role("radio", name="Surface")).to_be_checked(timeout=20_000)
        expect(explorer.locator(".gl-container canvas").first).to_be_attached(timeout=20_000)
    assert notebook.errors == []


SEND = """
([id, content]) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  kernel._comms.get(id).send({method: 'custom', content});
}
"""


def picture(**changes):
    """A request for a picture that differs from a sound one."""
    return {"v": 1, "kind": "request", "id": "bad", "purpose": "picture", "settings": {**SETTINGS, **changes}}


BAD = {
    "unknown kind": ({"v": 1, "kind": "explode", "id": "bad"}, "explode"),
    "no message": ([1, 2, 3], "expected"),
    "wrong type": (picture(resolution="many"), "many"),
    "NaN range": (picture(alpha_range={"lo": "NaN", "hi": 1.0}), "NaN"),
    "empty range": (picture(alpha_range={"lo": 1.0, "hi": -1.0}), "larger hi"),
    "a million points an axis": (picture(resolution=10**6), "1000000"),
    "settings missing": ({"v": 1, "kind": "request", "id": "bad", "purpose": "picture"}, "settings"),
    "a direction not offered": (picture(alpha={"source": "custom", "seed": 0, "index": 99}), "99"),
    "an eigenvector not computed": (picture(alpha={"source": "hessian", "seed": 0, "index": 500}), "500"),
    "one direction twice": (picture(beta=ALPHA), "two different directions"),
    "another version": ({**picture(), "v": 999}, "999"),
}


def test_nonsense_from_the_page_is_answered_and_the_picture_stays(notebook):
    explorer = notebook.widgets().first
    settled(explorer)
    caption = explorer.locator(".lw-caption").text_content()
    model_id = known(notebook)[0]
    for name, (content, words) in BAD.items():
        notebook.page.evaluate(SEND, [model_id, content])
        expect(explorer.get_by_role("alert"), name).to_contain_text(words, timeout=20_000)
        settled(explorer)
        expect(explorer.locator(".lw-caption"), name).to_have_text(caption)
    notebook.screenshot("explorer-error")
    explorer.get_by_label("Draw β again").click()
    expect(explorer.locator(".lw-caption"), "one direction twice is mended by another seed").not_to_have_text(caption)
    settled(explorer)
    expect(explorer.locator(".lw-error")).to_be_hidden()
    assert notebook.errors == []


def test_eight_runs_of_three_explorers_lose_no_context(open_notebook):
    notebook = open_notebook("again", [CELLS[0].replace("\nexplorer\n", "\n"), THREE])
    notebook.run_cell(0)
    expected = None
    for run in range(8):
        notebook.run_cell(1)
        notebook.page.wait_for_function(
            "run => window.jupyterapp.shell.currentWidget.content.widgets[1].model.executionCount >= run + 2",
            arg=run,
            timeout=60_000,
        )
        expect(notebook.widgets()).to_have_count(3, timeout=60_000)
        for number in range(3):
            settled(notebook.widgets().nth(number), "7 × 7")
            expect(notebook.widgets().nth(number).locator(".gl-container canvas").first).to_be_attached(timeout=20_000)
        live = surfaces(notebook)
        expected = expected or live
        assert live == expected
        assert live % 3 == 0
    contexts = notebook.page.evaluate("window.lwContexts")
    print("contexts", contexts, "live canvases", expected)
    assert contexts["lost"] == 0
    assert notebook.errors == []


OVERLAPS = """
() => {
  const box = element => element.getBoundingClientRect();
  const root = document.querySelector('.lw-explorer');
  const outer = box(root), wrong = [];
  const shown = [...root.querySelectorAll('*')].filter(
    e => !e.closest('.lw-plot, svg, .lw-hidden, option') && e.checkVisibility() && box(e).width > 0);
  for (const element of shown) {
    const {left, right, width} = box(element), name = element.className || element.tagName;
    if (left < outer.left - 1 || right > outer.right + 1) wrong.push(`cut: ${name} ${left} to ${right}`);
    const clips = !element.matches('.lw-subtitle, select, input') && element.children.length === 0;
    if (clips && element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline')
      wrong.push(`too wide: ${name} ${element.scrollWidth} in ${element.clientWidth}`);
  }
  const leaves = shown.filter(e => e.matches(
    'button, select, input:not(.lw-segment input), .lw-segmented, .lw-value, .lw-title, .lw-subtitle, dt, dd, h3, ' +
    '.lw-caption, .lw-job-text, .lw-footnote, .lw-row > label, .lw-stage, .lw-verdict'));
  for (const [i, a] of leaves.entries()) for (const b of leaves.slice(i + 1)) {
    if (a.contains(b) || b.contains(a)) continue;
    const p = box(a), q = box(b);
    const x = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const y = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (x > 1 && y > 1) wrong.push(`overlap: ${a.className || a.tagName} and ${b.className || b.tagName} ${x} × ${y}`);
  }
  if (root.scrollWidth > root.clientWidth) wrong.push(`explorer scrolls: ${root.scrollWidth} in ${root.clientWidth}`);
  for (let at = root.parentElement; at && !at.matches('.jp-Notebook'); at = at.parentElement)
    if (at.scrollWidth > at.clientWidth + 1 && getComputedStyle(at).overflowX !== 'visible')
      wrong.push(`scrolls: ${at.className} ${at.scrollWidth} in ${at.clientWidth}`);
  return wrong;
}
"""
"""What sticks out of the first explorer, is cut, or lies on something else."""


@pytest.mark.parametrize(
    ("name", "width", "height", "theme"),
    [("narrow", 500, 1500, "JupyterLab Light"), ("dark", 1200, 1000, "JupyterLab Dark")],
)
def test_nothing_overlaps(open_notebook, notebook, name, width, height, theme):
    page = notebook.page
    size = page.viewport_size
    notebook.theme(theme)
    explorer = notebook.widgets().first
    try:
        page.set_viewport_size({"width": width, "height": height})
        notebook.run_cell(0)
        page.wait_for_timeout(1500)
        explorer = notebook.widgets().first
        settled(explorer)
        expect(explorer.get_by_label("At the centre").locator("text=✓")).to_have_count(2, timeout=60_000)
        page.wait_for_timeout(1000)
        explorer.scroll_into_view_if_needed()
        assert "\n".join(page.evaluate(OVERLAPS)) == ""
        assert "\n".join(notebook.violations()) == ""
        stage, column = explorer.locator(".lw-stage").bounding_box(), explorer.locator(".lw-column").bounding_box()
        if width < 700:
            assert column["y"] >= stage["y"] + stage["height"] - 1
        else:
            assert column["x"] >= stage["x"] + stage["width"] - 1
    finally:
        notebook.screenshot(f"explorer-{name}")
        page.set_viewport_size(size)
        notebook.theme("JupyterLab Light")
    assert notebook.errors == []


def test_saved_notebook_draws_without_its_kernel(open_notebook, server):
    import nbformat
    from nbformat.sign import NotebookNotary

    cells = [CELLS[0], CELLS[1]]
    notebook = open_notebook("saved", cells)
    notebook.run_all()
    expect(notebook.widgets()).to_have_count(2, timeout=90_000)
    settled(notebook.widgets().first)
    centre = notebook.widgets().first.get_by_label("At the centre")
    expect(centre.locator("text=✓")).to_have_count(2, timeout=60_000)
    notebook.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    path = server.root / "saved.ipynb"
    saved = json.loads(path.read_text())
    assert "application/vnd.jupyter.widget-state+json" in saved["metadata"]["widgets"]
    print("saved notebook", path.stat().st_size, "bytes")
    reopened = nbformat.from_dict(saved)
    nbformat.write(reopened, server.root / "reader.ipynb")
    NotebookNotary().sign(reopened)  # its reader trusts it, as its writer does
    reader = open_notebook("reader")  # JupyterLab restores widgets only beside some kernel: a new one, that ran nothing
    expect(reader.widgets()).to_have_count(2, timeout=20_000)
    for explorer in (reader.widgets().nth(0), reader.widgets().nth(1)):
        expect(explorer.locator(".lw-status")).to_contain_text("no kernel: showing the saved picture", timeout=20_000)
        settled(explorer)
        expect(explorer.locator(".gl-container canvas").first).to_be_attached(timeout=20_000)
        for label in ("Range", "Resolution"):
            expect(explorer.get_by_label(label)).to_be_disabled()
        expect(explorer.locator("select").first).to_be_disabled()
        expect(explorer.get_by_label("At the centre").locator("text=✓")).to_have_count(2)
    first = reader.widgets().first
    first.get_by_role("radio", name="Contour").check()
    expect(first.locator(".contourlayer, .contour").first).to_be_attached(timeout=20_000)
    reader.screenshot("explorer-saved")
    assert reader.errors == []


def test_more_than_six_surfaces_sleep_as_pictures_and_wake_when_clicked(open_notebook):
    page = open_notebook(
        "many",
        [CELLS[0], "many = [lw.explore(explorer.objective, resolution=7, slices=0) for _ in range(8)]; display(*many)"],
    )
    page.run_cell(0)
    settled(page.widgets().first)
    page.run_cell(1)
    expect(page.widgets()).to_have_count(9, timeout=60_000)
    for number in range(1, 9):
        page.widgets().nth(number).scroll_into_view_if_needed()
        settled(page.widgets().nth(number), "7 × 7")
    asleep = page.page.locator(".lw-asleep")
    expect(asleep).to_have_count(3, timeout=60_000)
    assert page.page.locator(".lw-explorer:has(.gl-container canvas)").count() == 6
    sleeper = page.page.locator(".lw-explorer:has(.lw-asleep)").first
    number = page.page.locator(".lw-explorer").evaluate_all("all => all.findIndex(e => e.querySelector('.lw-asleep'))")
    sleeper.locator(".lw-asleep").click()
    woken = page.widgets().nth(number)
    expect(woken.locator(".gl-container canvas").first).to_be_attached(timeout=30_000)
    expect(asleep).to_have_count(3, timeout=60_000)
    assert page.page.evaluate("window.lwContexts.lost") == 0
    assert page.errors == []
