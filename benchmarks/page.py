"""Pages of the documentation whose parts are written by several commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def replace_part(path: Path, name: str, lines: Iterable[str]) -> None:
    """Replace what stands between the two markers of a part; a part that is not there yet is appended."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    part = "\n".join([begin, "", *lines, "", end])
    if begin in text:
        before, rest = text.split(begin, 1)
        text = before + part + rest.split(end, 1)[1]
    else:
        text = (text.rstrip() + "\n\n" if text.strip() else "") + part + "\n"
    path.write_text(text, encoding="utf-8")
    print(f"wrote {name} into {path.relative_to(ROOT)}")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
