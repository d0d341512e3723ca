"""Measure the page in a real JupyterLab, and write docs/responsive.md: `make responsive`.

Which cells let a slider redraw the picture while they run; bytes and times of several widgets on one page, beside
plotly's FigureWidget; WebGL contexts lost in re-runs of a cell. How fast it draws is measured by page_speed.py.
"""

from __future__ import annotations

import os
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "responsive.md"
sys.path.insert(0, str(ROOT / "tests" / "browser"))

import page_speed  # noqa: E402
from lab import NotebookPage, Server, laboratory, write_notebook  # noqa: E402

RUN = re.compile(r"\[\d+\]:")
"""The prompt of a cell that has run."""

SETUP = """
import asyncio, time, numpy as np, torch
import landscape_widgets as lw
explorer = lw.explore(lw.zoo.mlp((64, 32, 10), activation="tanh"), torch.nn.CrossEntropyLoss(), lw.zoo.digits(),
                      resolution=13, slices=0)
explorer
"""

CELLS = {
    "none (the kernel is idle)": "pass",
    "blocking: time.sleep": "time.sleep(8)",
    "asynchronous: await asyncio.sleep": "await asyncio.sleep(8)",
    "a model that trains (torch, main thread)": """
net, data = lw.zoo.mlp((64, 256, 10)), lw.zoo.digits()
optimizer, end = torch.optim.SGD(net.parameters(), lr=0.1), time.time() + 8
while time.time() < end:
    optimizer.zero_grad(); torch.nn.functional.cross_entropy(net(data[0]), data[1]).backward(); optimizer.step()
""",
    "pure Python that holds the interpreter": """
end = time.time() + 8
while time.time() < end:
    sum(i * i for i in range(1000))
""",
    "explorer.wait() of another explorer": """
other = lw.explore(explorer.objective, resolution=97, slices=0)
try:
    other.wait(timeout=8)
except TimeoutError:
    other.close()
""",
}

OURS = """
import torch, landscape_widgets as lw
objective = lw.Objective(lw.zoo.mlp((64, 32, 10), activation="tanh"), torch.nn.CrossEntropyLoss(), lw.zoo.digits())
ready = lw.explore(objective, resolution=49, slices=0); ready.wait()
"""
THREE_OURS = """
from IPython.display import display
made = [lw.explore(objective, resolution=49, results=(ready.surface, ready.pairs), slices=0) for _ in range(3)]
display(*made)
"""
THREE_PLOTLY = """
import numpy as np, plotly.graph_objects as go
from IPython.display import display
grid = np.linspace(-1, 1, 49)
z = np.add.outer(grid**2, -grid**2)
display(*[go.FigureWidget(go.Surface(x=grid, y=grid, z=z)) for _ in range(3)])
"""


def redraw_times(notebook: NotebookPage) -> list[tuple[str, str, str]]:
    """Seconds from the release of the range slider to the complete picture, while each kind of cell runs."""
    explorer = notebook.widgets().first
    pill = explorer.locator(".lw-pill")
    notebook.run_cell(0)
    expect(pill).to_have_text("13 × 13 exact", timeout=120_000)
    expect(explorer.locator(".lw-table .lw-ok")).to_have_count(2, timeout=120_000)
    rows = []
    for number, name in enumerate(CELLS):
        notebook.run_cell(number + 1)
        notebook.page.wait_for_timeout(1500)
        slider = explorer.get_by_label("Range")
        slider.focus()
        running = notebook.page.locator(".jp-Notebook .jp-CodeCell").nth(number + 1).locator(".jp-InputPrompt")
        before = explorer.locator(".lw-status").text_content()
        started = time.monotonic()
        slider.press("ArrowRight" if number % 2 else "ArrowLeft")
        expect(explorer.locator(".lw-status")).not_to_have_text(before or "", timeout=60_000)
        expect(pill).to_have_text("13 × 13 exact", timeout=60_000)
        seconds = time.monotonic() - started
        still = name.startswith("none") or "*" in (running.text_content() or "")
        rows.append((name, f"{seconds:.2f} s", "yes" if still else "no: only after the cell"))
        expect(running).not_to_contain_text("*", timeout=60_000)
    return rows


def three_widgets(notebook: NotebookPage, cell: int, surfaces: str) -> tuple[int, float]:
    """Bytes on the wire since the page was opened, and seconds until three surfaces of 49 × 49 are drawn."""
    notebook.page.wait_for_timeout(1000)
    started = time.monotonic()
    notebook.run_cell(cell)
    notebook.page.wait_for_function(
        f"() => document.querySelectorAll('{surfaces}').length >= 3", timeout=180_000, polling=50
    )
    seconds = time.monotonic() - started
    notebook.page.wait_for_timeout(3000)
    return sum(size for _, size in notebook.frames), seconds


def peers(browser: Browser, server: Server) -> list[tuple[str, str, str]]:
    """Three widgets of each kind, each in a notebook of its own."""
    rows = []
    kinds = (("landscape_widgets", THREE_OURS), (f"plotly {version('plotly')} FigureWidget", THREE_PLOTLY))
    for number, (name, cell) in enumerate(kinds):
        file = f"peer-{number}.ipynb"  # a kernel of its own
        write_notebook(server.root / file, [OURS, cell])
        notebook = NotebookPage(browser.new_page(viewport={"width": 1300, "height": 2400}), server, file)
        notebook.run_cell(0)
        expect(notebook.page.locator(".jp-InputPrompt").first).to_have_text(RUN, timeout=120_000)
        size, seconds = three_widgets(notebook, 1, ".gl-container canvas")
        rows.append((name, f"{size / 1e6:.2f} MB", f"{seconds:.1f} s"))
        notebook.page.close()
    return rows


def lost_contexts(browser: Browser, server: Server) -> tuple[int, int]:
    """WebGL contexts made and lost while a cell of three explorers is run eight times."""
    write_notebook(server.root / "again.ipynb", [OURS, THREE_OURS])
    notebook = NotebookPage(browser.new_page(viewport={"width": 1300, "height": 2400}), server, "again.ipynb")
    notebook.run_cell(0)
    expect(notebook.page.locator(".jp-InputPrompt").first).to_have_text(RUN, timeout=120_000)
    for _ in range(8):
        notebook.run_cell(1)
        notebook.page.wait_for_timeout(500)
        expect(notebook.widgets()).to_have_count(3, timeout=60_000)
        expect(notebook.page.locator(".gl-container")).to_have_count(3, timeout=120_000)
    found: dict[str, Any] = notebook.page.evaluate("window.lwContexts")
    notebook.page.close()
    return found["made"], found["lost"]


def main() -> None:
    """Measure and write."""
    with laboratory() as (browser, server):
        write_notebook(server.root / "cells.ipynb", [SETUP, *CELLS.values()])
        notebook = NotebookPage(browser.new_page(viewport={"width": 1300, "height": 1000}), server, "cells.ipynb")
        cells = redraw_times(notebook)
        notebook.page.close()
        widgets, (made, lost) = peers(browser, server), lost_contexts(browser, server)
    TARGET.write_text(page(cells, widgets, made, lost), encoding="utf-8")
    page_speed.main()


def page(cells: list[tuple[str, ...]], widgets: list[tuple[str, ...]], made: int, lost: int) -> str:
    """The document."""
    lines = [
        "# The page while the kernel works",
        "",
        "Written by `make responsive`; nothing here is typed by hand. JupyterLab "
        f"{version('jupyterlab')}, ipykernel {version('ipykernel')}, anywidget {version('anywidget')}, headless "
        f"Chromium with software GL, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the end.",
        "",
        "## What redraws while a cell runs",
        "",
        "Range slider moved while the cell runs; 13 × 13 points of the digits MLP (2,410 parameters).",
        "",
        "| cell | slider to complete picture | redrawn while the cell runs |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in cells),
        "",
        "## Bytes and times: three surfaces of 49 × 49 in one cell",
        "",
        "All bytes that the page received, our bundle (once a page) among them; the values are computed before.",
        "",
        "| widget | bytes on the wire | all three drawn |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in widgets),
        "",
        f"Re-running a cell of three explorers eight times made {made} WebGL contexts and lost {lost}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
