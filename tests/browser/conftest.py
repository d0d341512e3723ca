"""One JupyterLab and one Chromium for all browser tests; missing ones are a failure where they are required."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from lab import ARTIFACTS, CHROMIUM_FLAGS, NotebookPage, chromium, start_server, write_notebook

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items):
    """Mark the browser tests, and put them last: Playwright leaves an event loop running in the main thread."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.timeout(240))
    items.sort(key=lambda item: item in ours)


@pytest.fixture(scope="session")
def browser():
    path = chromium()
    if path is None:
        reason = "Chromium is not installed (apt-get install chromium)"
        if os.environ.get("LW_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield instance
        instance.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = start_server(tmp_path_factory.mktemp("lab"))
    yield running
    running.process.terminate()
    running.process.wait(20)


@pytest.fixture(scope="module")
def open_notebook(browser, server):
    """Open a notebook of the given cells (or a copy of a file, or one that is there) on a page of its own.

    Pages and kernels end with their module: widgets left open go on drawing and computing beside the next tests.
    """
    notebooks = []

    def opened(name, cells=None, source=None, width=1400, height=1100, dark=False, kernel=True):
        path = server.root / f"{name}.ipynb"
        if source is not None:
            shutil.copy(source, path)
        elif cells is not None:
            write_notebook(path, cells)
        page = browser.new_page(viewport={"width": width, "height": height})
        notebook = NotebookPage(page, server, path.name, kernel)
        notebooks.append(notebook)
        if dark:
            notebook.theme("JupyterLab Dark")
        return notebook

    yield opened
    for notebook in notebooks:
        notebook.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep a picture of the page when a browser test fails."""
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for value in item.funcargs.values():
            if isinstance(value, NotebookPage):
                ARTIFACTS.mkdir(parents=True, exist_ok=True)
                value.page.screenshot(path=ARTIFACTS / f"failed-{item.name}.png")
