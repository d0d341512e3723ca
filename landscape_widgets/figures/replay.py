"""A whole explorer as one offline HTML file: the page's own code, and the pictures it replays."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", "Noto Sans", "Liberation Sans", Arial, sans-serif'

LOADER = """
const text = (id) => document.getElementById(id).textContent;
try {
  const packed = Uint8Array.from(atob(text("code").trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const code = new Blob([await new Response(stream).arrayBuffer()], { type: "text/javascript" });
  const url = URL.createObjectURL(code);
  const { replay } = await import(url);
  URL.revokeObjectURL(url);
  replay(document.getElementById("explorer"), JSON.parse(text("data")));
} catch (error) {
  const note = document.getElementById("explorer");
  note.textContent = `This file needs a newer browser, of 2023 or later: ${error}`;
  document.getElementById("still")?.removeAttribute("hidden");
}
"""
"""The only script that may run besides what it unpacks: the policy names it by its hash."""

POLICY = (
    "default-src 'none'; script-src 'sha256-{hash}' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; base-uri 'none'; form-action 'none'"
)
"""The page forbids every connection, and every script but its own."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ margin: 0; padding: 16px; font: 14px/1.5 {font}; color: #1f2328; background: #f6f7f9; }}
main {{ margin: 0 auto; max-width: 1200px; }}
h1, h2 {{ position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); }}
p {{ margin: 12px 0 0; font-size: 13px; color: #59636e; overflow-wrap: anywhere; }}
img {{ max-width: 100%; }}
@media (prefers-color-scheme: dark) {{
body {{ color: #e6e8eb; background: #0b0d10; }}
p {{ color: #9aa4af; }}
}}
</style>
<noscript><style>#still {{ display: block !important; }}</style></noscript>
</head>
<body>
<main>
<h1>{title}</h1>
<h2>Explorer</h2>
<div id="explorer"></div>
{still}<p>{note}</p>
</main>
<script type="application/json" id="data">{data}</script>
<script type="text/plain" id="code">
{code}
</script>
<script type="module">{loader}</script>
</body>
</html>
"""


def replay_html(
    traits: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    bundle: bytes,
    *,
    title: str,
    still: bytes = b"",
) -> str:
    """Write a page that shows an explorer and replays its records, with no kernel and no connection.

    Parameters
    ----------
    traits : what the page reads of the explorer, as plain values: title, subtitle, footer, options, settings, view,
        height, colours, eigen.
    records : one a picture: `{settings, frame, code, loss, metrics, known}`, the last three bytes (float32 loss, rows
        of metrics, a byte a point that is 0 where it is not known).
    bundle : the page's code, an ES module that exports `replay(element, data)`.
    title : of the page; only its tab and screen readers tell it, since the explorer has a bar of its own.
    still : a PNG for browsers that run no scripts.

    The file is about 0.45 times the bundle, since it travels compressed, and 1.4 times the records.

    >>> page = replay_html({}, [], b"export const replay = () => {};", title="a < b")
    >>> "<h1>a &lt; b</h1>" in page
    True
    """
    data = {"traits": dict(traits), "records": [_plain(record) for record in records]}
    return PAGE.format(
        policy=POLICY.format(hash=_base64(hashlib.sha256(LOADER.encode()).digest())),
        title=escape(title or "Loss landscape"),
        font=FONT,
        still=_picture(still),
        note=escape(_note(len(records))),
        data=_script_text(data),
        code=_base64(gzip.compress(bundle, 9, mtime=0)),
        loader=LOADER,
    )


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with base64 in the place of bytes; `known` is left out where every point is."""
    plain = {name: _base64(value) if isinstance(value, bytes) else value for name, value in record.items()}
    return {**plain, "known": plain["known"] if 0 in record["known"] else ""}


def _script_text(value: Any) -> str:
    """JSON that no label can end early: outside of strings it holds none of these letters."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _picture(png: bytes) -> str:
    if not png:
        return ""
    source = f"data:image/png;base64,{_base64(png)}"
    return f'<img id="still" hidden alt="The loss landscape, as a still picture" src="{source}">\n'


def _note(count: int) -> str:
    pictures = "one picture" if count == 1 else f"{count} pictures"
    return (
        f"An offline copy of a landscape_widgets explorer. It replays {pictures} computed before it was saved: "
        "turn it, show it in another way, choose among the directions, ranges and resolutions it holds. "
        "Nothing is computed anew, nothing is fetched."
    )


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
