"""Measure how fast the page draws, and write docs/page-speed.md: `make responsive`, or this file alone.

First picture, redraws while 49 × 49 streams, from value to pixels, bytes: in a real JupyterLab, of our explorer and of
plotly's FigureWidget fed by the same grid. Then what one redraw costs, by kind of figure and way of drawing, with
plotly.js as we build it and as it is. The page itself tells what is on the screen: it counts the exact values in the
figure that was painted last. The kernel tells when it had them; both read the machine's clock.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, TimeoutError, expect

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "page-speed.md"
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from lab import NotebookPage, Server, laboratory, write_notebook  # noqa: E402

PROBE = """
const now = () => (performance.timeOrigin + performance.now()) / 1000;
const probe = window.lwProbe = {tasks: [], draws: [], began: 0};
new PerformanceObserver((list) => {
  for (const task of list.getEntries())
    probe.tasks.push([(performance.timeOrigin + task.startTime) / 1000, task.duration / 1000]);
}).observe({type: 'longtask'});
const exact = (trace) => {
  let done = 0;
  trace.z.forEach((row, j) => row.forEach((value, i) => {
    const text = trace.text?.[j]?.[i];
    if (text === undefined ? Number.isFinite(value) : !/≈|not computed/.test(text)) done += 1;
  }));
  return done;
};
let seen = null;
const look = () => {
  requestAnimationFrame(look);
  const trace = document.querySelector('.js-plotly-plot')?._fullData?.[0];
  if (!trace?.z?.[0]?.length || trace.z === seen) return;
  seen = trace.z;
  requestAnimationFrame(() => requestAnimationFrame(() => probe.draws.push([now(), exact(trace)])));
};
requestAnimationFrame(look);
"""
"""Long tasks, and how many exact values a figure shows once it has been painted."""

SETUP = """
import json, pathlib, time, torch, landscape_widgets as lw
objective = lw.Objective(lw.zoo.mlp((64, 300, 256, 10)), torch.nn.CrossEntropyLoss(), lw.zoo.digits())
born, sent = [], []
def watched(explorer):
    outbox = explorer._outbox
    send, add = outbox._send, outbox.add
    def sending(content, buffers):
        if content["kind"] == "tile":
            sent.append(len(json.dumps(content)) + sum(buffer.nbytes for buffer in buffers))
        return send(content, buffers)
    def adding(index, values, level, done, *more, **named):
        born.append([time.time(), done])
        return add(index, values, level, done, *more, **named)
    outbox._send, outbox.add = sending, adding
    return explorer
"""
OURS = "explorer = watched(lw.explore(objective, resolution=49, slices=0, view={view!r}))\nexplorer"
RIVAL = """
import numpy as np, plotly.graph_objects as go
from IPython.display import display
directions = [lw.directions.random(objective, seed) for seed in (0, 1)]
evaluator = lw.GridEvaluator(objective, directions, resolution=49)
alpha, beta = evaluator.coordinates
figure = go.FigureWidget(go.Surface(x=alpha, y=beta, z=np.zeros((49, 49))))
display(figure)
for surface in evaluator.stream():
    born.append([time.time(), int(surface.known.sum())])
    figure.data[0].z = np.where(surface.known, np.log10(surface.loss), np.nan)
"""
KEEP = "pathlib.Path('log.json').write_text(json.dumps({'born': born, 'sent': sent})); print('kept')"

VIEWS = ("surface", "contour", "both")
POINTS = 49 * 49
FIRST = 13 * 13
LIMIT = 90
"""Seconds after which a picture that is not complete is given up."""

HEAD = ("figure", "first picture", "13 × 13", "49 × 49", "redraws a second", "longest stall", "value to pixels")
HEAD += ("messages", "bytes")


@dataclasses.dataclass(frozen=True)
class Streamed:
    """Seconds from the start of the cell, and what the stream of 49 × 49 cost."""

    name: str
    preview: float
    first: float
    complete: float
    redraws: float
    stall: float
    latency: float
    worst: float
    messages: int
    size: int

    def row(self) -> tuple[str, ...]:
        """A row of the table."""
        if math.isnan(self.complete):
            return (self.name, "–", "–", f"not within {LIMIT} s", *["–"] * 5)
        seconds = (f"{value:.1f} s" for value in (self.preview, self.first, self.complete))
        pixels = "–" if math.isnan(self.latency) else f"{1000 * self.latency:.0f} ms, at most {1000 * self.worst:.0f}"
        streamed = self.complete > self.first
        cost = (f"{self.redraws:.1f}", f"{1000 * self.stall:.0f} ms", pixels) if streamed else ("–", "–", pixels)
        return (self.name, *seconds, *cost, f"{self.messages}", f"{self.size / 1000:.0f} kB")


def stream_times(browser: Browser, server: Server) -> list[Streamed]:
    """Each view of ours, and plotly's FigureWidget, in a notebook of its own."""
    cells = {f"landscape_widgets, {view}": OURS.format(view=view) for view in VIEWS}
    cells[f"plotly {version('plotly')} FigureWidget, surface"] = RIVAL
    return [_streamed(browser, server, name, cell) for name, cell in cells.items()]


def _streamed(browser: Browser, server: Server, name: str, cell: str) -> Streamed:
    notebook = _started(browser, server, cell)
    complete = f"() => lwProbe.draws.some(([at, done]) => done === {POINTS} && at > lwProbe.began)"
    # A rival's first figure, of zeros, has all its points: what counts comes after holes.
    rival = "() => lwProbe.draws.slice(1).some(([, done]) => done === 2401)"
    try:
        notebook.page.wait_for_function(rival if cell is RIVAL else complete, timeout=1000 * LIMIT, polling=200)
    except TimeoutError:
        notebook.page.close()
        print(f"{name}: not drawn within {LIMIT} s", flush=True)
        return Streamed(name, *[math.nan] * 7, messages=0, size=0)
    notebook.page.wait_for_timeout(1000)
    page: dict[str, Any] = notebook.page.evaluate("lwProbe")
    frames = [size for kind, size in notebook.frames if kind == "comm_msg"]
    notebook.say(2, "kept")
    notebook.page.close()
    kernel: dict[str, Any] = json.loads((server.root / "log.json").read_text())
    draws = page["draws"][1:] if cell is RIVAL else page["draws"]
    found = _summary(name, draws, page, kernel["born"], frames if cell is RIVAL else kernel["sent"])
    print(*found.row(), sep=", ", flush=True)
    return found


def _started(browser: Browser, server: Server, cell: str) -> NotebookPage:
    file = f"stream-{time.monotonic_ns()}.ipynb"
    write_notebook(server.root / file, [SETUP, cell, KEEP])
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.add_init_script(PROBE)
    notebook = NotebookPage(page, server, file)
    notebook.run_cell(0)
    expect(page.locator(".jp-InputPrompt").first).to_have_text("[1]:", timeout=120_000)
    notebook.frames.clear()
    page.evaluate("lwProbe.began = (performance.timeOrigin + performance.now()) / 1000")
    notebook.run_cell(1)
    return notebook


def _summary(
    name: str, draws: list[list[float]], page: dict[str, Any], born: list[list[float]], messages: list[int]
) -> Streamed:
    """From the paintings (time, exact points shown) and the births of values (time, points)."""
    began = page["began"]
    start = next(at for at, done in draws if done >= FIRST)
    end = next(at for at, done in draws if done >= POINTS)
    waits = []
    for birth, done in born:
        shown = next((at for at, count in draws if count >= done and at >= birth), None)
        if shown is not None and birth > start:
            waits.append(shown - birth)
    stalls = [length for at, length in page["tasks"] if start < at <= end]
    return Streamed(
        name=name,
        preview=draws[0][0] - began,
        first=start - began,
        complete=end - began,
        redraws=sum(start < at <= end for at, _ in draws) / max(end - start, 1e-9),
        stall=max(stalls, default=0.0),
        latency=statistics.median(waits or [math.nan]),
        worst=max(waits, default=math.nan),
        messages=len(messages),
        size=sum(messages),
    )


WAYS = (("surface", "react"), ("surface", "restyle"), ("surface", "z"), ("surface", "direct"))
WAYS += (("contour", "react"), ("contour", "restyle"), ("contour", "z"), ("heatmap", "restyle"))
SIZES = (13, 25, 49, 97)


def redraw_costs(browser: Browser, root: Path) -> list[tuple[str, ...]]:
    """One redraw of each kind at each size, and those of a surface with plotly.js as it is."""
    ours = _redraws(browser, root / "ours.js", WAYS)
    stock = _redraws(browser, root / "stock.js", (("surface", "react"), ("surface", "restyle")), "--stock")
    rows = [(f"{kind}, {way}", *cells) for (kind, way), cells in ours.items()]
    return rows + [(f"{kind}, {way}, plotly.js as it is", *cells) for (kind, way), cells in stock.items()]


def _redraws(
    browser: Browser, bundle: Path, ways: tuple[tuple[str, str], ...], *options: str
) -> dict[tuple[str, str], list[str]]:
    command = ["node", "build.mjs", "bench/redraw.ts", str(bundle), *options]
    subprocess.run(command, cwd=ROOT / "js", check=True, stdout=subprocess.DEVNULL)
    page = browser.new_page(viewport={"width": 900, "height": 620})
    page.add_script_tag(path=bundle, type="module")
    page.wait_for_function("'redraw' in globalThis")
    found: dict[tuple[str, str], list[str]] = {}
    for kind, way in ways:
        for size in SIZES:
            cost = page.evaluate(f"redraw('{kind}', {size}, '{way}')")
            print(kind, way, size, cost, flush=True)
            text = f"{cost['make'] + cost['call']:.0f} / {cost['screen']:.0f} / {cost['stall']:.0f}"
            found.setdefault((kind, way), []).append(text)
    page.close()
    return found


def main() -> None:
    """Measure and write."""
    with laboratory() as (browser, server):
        streams, costs = stream_times(browser, server), redraw_costs(browser, server.root)
    TARGET.write_text(document([stream.row() for stream in streams], costs), encoding="utf-8")


def document(streams: list[tuple[str, ...]], costs: list[tuple[str, ...]]) -> str:
    """The page."""
    lines = [
        "# How fast the page draws",
        "",
        "Written by `make responsive`; no figure here is typed by hand. JupyterLab "
        f"{version('jupyterlab')}, headless Chromium with software GL (the processor draws every pixel, beside the "
        f"kernel), {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the end.",
        "",
        "## While 49 × 49 points stream in",
        "",
        "A digits MLP with 99,126 parameters; seconds from the start of the cell that shows the widget, imports done. "
        "Redraws and the longest task of the main thread are counted from the first complete 13 × 13 to the last "
        "point. From value to pixels: the median over everything computed in that time. plotly's figure is sent every "
        "new value at once, and shows none in its first drawing.",
        "",
        *_table(HEAD, streams),
        "",
        "## One redraw",
        "",
        "Milliseconds: main thread / until it is on the screen / longest task. *react* draws all anew; *restyle* what "
        "changes while a picture streams, our way; *z* the heights alone; *direct* writes them past plotly into its "
        "WebGL object; *heatmap* is what a contour would cost without lines.",
        "",
        *_table(("figure", *(f"{size} × {size}" for size in SIZES)), costs),
        "",
        *DECISIONS,
        "",
    ]
    return "\n".join(lines)


DECISIONS = (
    "## What follows",
    "",
    "- **The pointer's point is looked up when the pointer moves.** plotly.js finds it by drawing the scene twice, "
    "after every drawing, and waits for the pixels: most of the time of its redraw where the processor draws them. "
    "`js/src/plots/plotly-changes.mjs` moves that to the pointer's own event.",
    "- **A surface is drawn on about 100 × 100 points,** not 200 × 200: a quarter of the triangles, the same look.",
    "- **Hover texts are written when they are read;** the end of a picture draws nothing anew.",
    "- **Tiles are acknowledged after the page has rested,** so that what is drawn next is as new as it can be.",
    "- **The direct way into WebGL is not taken.** It spares main-thread time, but the picture is not sooner on the "
    "screen, and marks, texts and ranges would have to be kept in step by us.",
    "- **A contour is not streamed as a heatmap,** though that is sooner on the screen: its lines are what is read.",
)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]


if __name__ == "__main__":
    main()
