"""Builds the page's bundle when a wheel or an sdist is made from a checkout; from an sdist it is there already."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundleHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs esbuild where the sources of the page are at hand."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make static/landscape.js if it is missing or older than its sources."""
        root = Path(self.root)
        bundle, page = root / "landscape_widgets" / "static" / "landscape.js", root / "js"
        if version == "editable":
            return  # `make build` keeps a checkout's own bundle
        if not page.is_dir():
            if not bundle.is_file():
                raise RuntimeError("this source distribution holds no static/landscape.js: make it anew in a checkout")
            return
        newest = max(path.stat().st_mtime for path in (page / "src").rglob("*") if path.is_file())
        if bundle.is_file() and bundle.stat().st_mtime >= newest:
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("the page's bundle is built with Node 20.19 or newer: install it, or install a wheel")
        if not (page / "node_modules").is_dir():
            subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=page, check=True)
        subprocess.run([npm, "run", "--silent", "build"], cwd=page, check=True)
