"""A real JupyterLab in a real Chromium, driven as a person would."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}

COUNT_CONTEXTS = """
window.lwContexts = {made: 0, lost: 0, left: 0};
const getContext = HTMLCanvasElement.prototype.getContext;
const seen = new WeakSet();
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  const context = getContext.call(this, kind, ...more);
  if (context && kind.startsWith('webgl') && !seen.has(this)) {
    seen.add(this);
    window.lwContexts.made += 1;
    this.addEventListener('webglcontextlost', () => { window.lwContexts[this.isConnected ? 'lost' : 'left'] += 1; });
  }
  return context;
};
"""
"""Counts WebGL contexts: made, lost while on the page, and taken away from a canvas that had left the page."""

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "browser"

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"


def chromium() -> str | None:
    """Path of an installed Chromium, or None."""
    return os.environ.get("LW_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@dataclasses.dataclass
class Server:
    """A running JupyterLab and the folder it serves."""

    url: str
    root: Path
    process: subprocess.Popen[bytes]


def start_server(root: Path) -> Server:
    """Start JupyterLab on a free port of the loopback and wait until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = root / "settings"
    for name, values in SETTINGS.items():
        path = settings / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--IdentityProvider.token=", "--expose-app-in-browser"]
    command += [f"--ServerApp.root_dir={root}", f"--LabApp.user_settings_dir={settings}"]
    command += [f"--LabApp.workspaces_dir={root / 'workspaces'}"]
    with (root / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/api", timeout=2).read()
        except OSError:
            time.sleep(0.2)
        else:
            return Server(url, root, process)
    process.kill()
    raise RuntimeError(f"JupyterLab did not answer: {(root / 'server.log').read_text()[-2000:]}")


@contextlib.contextmanager
def laboratory() -> Iterator[tuple[Browser, Server]]:
    """A Chromium and a JupyterLab on a new folder, for a script that measures or takes pictures."""
    server = start_server(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
            yield browser, server
            browser.close()
    finally:
        server.process.terminate()


def write_notebook(path: Path, cells: list[str]) -> None:
    """Write code cells as a notebook."""
    import nbformat  # takes seconds

    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def message_type(payload: str | bytes) -> str:
    """The type of a Jupyter message as it came over the websocket."""
    text = payload if isinstance(payload, bytes) else payload.encode()
    found = re.search(rb'"msg_type": ?"(\w+)"', text)
    return found.group(1).decode() if found else ""


class NotebookPage:
    """One notebook open in JupyterLab."""

    def __init__(self, page, server: Server, name: str, kernel: bool = True) -> None:  # type: ignore[no-untyped-def]
        self.page = page
        self.errors: list[str] = []
        self.frames: list[tuple[str, int]] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("websocket", self._watch)
        page.add_init_script(COUNT_CONTEXTS)
        page.goto(f"{server.url}/lab/workspaces/w{time.monotonic_ns()}/tree/{name}")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.command("application:toggle-left-area")
        if not kernel:
            return
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.ready; }")
        page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )

    def _watch(self, socket) -> None:  # type: ignore[no-untyped-def]
        socket.on("framereceived", lambda payload: self.frames.append((message_type(payload), len(payload))))

    def close(self) -> None:
        """Close the page and end its kernel."""
        self.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
        self.page.close()

    def status(self) -> str:
        """Of the kernel: "idle" or "busy"."""
        return self.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status")

    def command(self, name: str) -> None:
        """Start a command of JupyterLab; running a cell is not waited for."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)

    def run_all(self) -> None:
        """Run every cell."""
        self.command("notebook:run-all-cells")

    def run_cell(self, number: int) -> None:
        """Select the cell with this number and run it."""
        self.page.evaluate(
            "number => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = number; }", number
        )
        self.command("notebook:run-cell")

    def output(self, number: int):  # type: ignore[no-untyped-def]
        """The output area of a cell."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number).locator(".jp-Cell-outputArea")

    def say(self, number: int, pattern: str) -> None:
        """Run a cell until its output matches: what the page has asked for may still be on its way to the kernel."""
        deadline, found = time.monotonic() + 40, ""
        while not re.search(pattern, found):
            if time.monotonic() > deadline:
                raise AssertionError(f"expected {pattern!r} in the output of cell {number}, got {found!r}")
            self.run_cell(number)
            self.page.wait_for_timeout(700)
            found = self.output(number).text_content() or ""

    def widgets(self):  # type: ignore[no-untyped-def]
        """Every explorer on the page."""
        return self.page.locator(".lw-explorer")

    def theme(self, name: str) -> None:
        """Change the theme and wait until the page has it."""
        self.page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=light)

    def violations(self) -> list[str]:
        """What axe-core finds wrong inside the explorers."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run({include: [['.lw-explorer']]}, {resultTypes: ['violations']})")
        return [
            f"{item['id']}: {node['html'][:200]} {node['failureSummary']}"
            for item in found["violations"]
            for node in item["nodes"]
        ]

    def screenshot(self, name: str) -> Path:
        """Keep a picture of the page as an artefact."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTIFACTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path
