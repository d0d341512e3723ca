"""The main job: execute the first notebook to HTML, then open JupyterLab on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

NOTEBOOK = Path(__file__).parent / "01_surface.ipynb"


def execute() -> Path:
    """Run the notebook in a fresh kernel and write it as HTML; returns the page's path."""
    target = Path("artifacts")
    target.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "--output-dir", str(target)]
    # Without saved widget state the page shows our static pictures, offline too, instead of loading code from a CDN.
    command += ["--ExecutePreprocessor.store_widget_state=False", str(NOTEBOOK)]
    started = time.perf_counter()
    subprocess.run([*command, "--log-level=WARN"], check=True)
    page = (target / NOTEBOOK.with_suffix(".html").name).resolve()
    print(f"executed {NOTEBOOK.name} in {time.perf_counter() - started:.0f} s: {page}")
    return page


def open_lab() -> None:
    """Open JupyterLab on the notebook; without a screen it prints the URL to open."""
    screen = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    options = [] if screen else ["--no-browser"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    subprocess.run([sys.executable, "-m", "jupyterlab", *options, str(NOTEBOOK)], check=False)


if __name__ == "__main__":
    execute()
    if os.environ.get("DEMO_HEADLESS") != "1":
        open_lab()
