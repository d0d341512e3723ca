"""The hidden widget that carries the page's one bundle: plotly, controls, plots and all views."""

from __future__ import annotations

import gzip
import importlib.resources
import threading
from typing import Any

import anywidget
import traitlets

from landscape_widgets.errors import LandscapeError

_ESM = """
export default () => {
  let module;
  return {
    initialize({ model }) {
      const load = () => module ??= (async () => {
        const stream = new Blob([model.get("bundle")]).stream().pipeThrough(new DecompressionStream("gzip"));
        const code = new Blob([await new Response(stream).arrayBuffer()], { type: "text/javascript" });
        const url = URL.createObjectURL(code);
        try { return await import(url); } finally { URL.revokeObjectURL(url); }
      })();
      // Ahead of the view, while the kernel makes the output; what fails is told by the view that asks.
      setTimeout(() => load().catch(() => {}));
      return { load };
    },
  };
};
"""

LOADER = """
export default {
  async render({ model, el, signal, host }) {
    try {
      const library = await host.getWidget(model.get("library"));
      const views = await library.exports.load();
      return views.VIEW.render({ model, el, signal });
    } catch (error) {
      el.textContent = `landscape_widgets could not load its page code: ${error}. Run the cell again.`;
    }
  },
};
"""
"""What a visible widget sends as its own `_esm`; VIEW is replaced by the name of its view."""


class Library(anywidget.AnyWidget):
    """Holds the built bundle, compressed; `exports.load()` on the page imports it once. Its view shows nothing."""

    _esm = _ESM
    bundle = traitlets.Bytes().tag(sync=True)


LEVEL = 4
"""Of gzip: a third of the bytes on the wire and in saved notebooks, for some 50 ms once a kernel."""

_current: Library | None = None
_lock = threading.Lock()


def library() -> Library:
    """The library widget of this kernel, made anew if it was closed."""
    global _current
    with _lock:
        if _current is None or _current.comm is None:
            _current = Library(bundle=gzip.compress(bundle(), LEVEL, mtime=0), layout={"display": "none"})
        return _current


def bundle() -> bytes:
    """The built bundle; raises `LandscapeError` where the package was installed without it."""
    try:
        return importlib.resources.files("landscape_widgets").joinpath("static/landscape.js").read_bytes()
    except FileNotFoundError as error:
        raise LandscapeError(
            "expected the built page code static/landscape.js in the package, found none",
            "build it in a checkout with `make build`, or install a wheel",
        ) from error


def loader(view: str) -> Any:
    """The `_esm` of a visible widget."""
    return LOADER.replace("VIEW", view)
