"""Write docs/right.md, how we know it is right, from what the last run of the tests recorded: `make right`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "artifacts" / "right.json"
TARGET = ROOT / "docs" / "right.md"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows as a Markdown table."""
    lines = ["| property | oracle | cases | worst error | bound |", "|---|---|---|---|---|"]
    for row in rows:
        error, bound = (f"{row[key]:.1e}" if row[key] else "0" for key in ("worst error", "bound"))
        words = [str(row[key]).replace("|", "\\|") for key in ("property", "oracle", "cases")]
        lines.append("| " + " | ".join([*words, error, bound]) + " |")
    return lines


def main() -> None:
    """Read the record, write the page."""
    rows = json.loads(RECORD.read_text(encoding="utf-8"))
    lines = [
        "# How we know it is right",
        "",
        "Written by `make right` from a run of the tests: every property is compared with an oracle that shares no",
        "code with ours, and the worst error over all cases stands beside the bound that the test asserts. Errors are",
        "relative unless the property says otherwise; a count of false claims has the bound 0.",
        "",
        *table(sorted(rows, key=lambda row: (row["property"], row["oracle"]))),
        "",
    ]
    TARGET.write_text("\n".join(lines), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}: {len(rows)} properties")


if __name__ == "__main__":
    main()
