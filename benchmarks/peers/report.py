"""Write the tables of a run as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

from benchmarks.peers.verdict import Verdict

HEADER = "| arm | median | spread | times ours | products | peak memory | numbers |"


def seconds(value: float) -> str:
    """A time with three digits.

    >>> seconds(0.01234), seconds(2.5)
    ('12.3 ms', '2.5 s')
    """
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def escaped(text: str) -> str:
    """Text that does not break a table."""
    return " ".join(text.replace("|", "\\|").split())


def row(arm: str, own: Mapping[str, Any], ours: Mapping[str, Any], verdict: Verdict | None) -> str:
    """One arm: what was measured, or the error it ended in."""
    if "error" in own:
        return f"| {arm} | – | – | – | – | – | **no result**: {escaped(own['error'])} |"
    spread, ratio, median = "–", "–", "not timed"
    if own["median"] is not None:
        median = seconds(own["median"])
        spread = f"{seconds(own['low'])} to {seconds(own['high'])}" if own["runs"] > 1 else "one run"
        ratio = f"{own['median'] / ours['median']:.2f}" if ours.get("median") else "–"
    if own.get("gradients"):
        median += f" = {own['gradients']:.2f} gradients"
    products = "–" if own.get("products") is None else str(own["products"])
    words = "–" if verdict is None else escaped(str(verdict))
    return f"| {arm} | {median} | {spread} | {ratio} | {products} | {own['peak_mb']:.0f} MB | {words} |"


def table(title: str, what: str, arms: Mapping[str, Mapping[str, Any]], verdicts: Mapping[str, Verdict]) -> list[str]:
    """The table of a task and case."""
    ours = arms.get("ours", {})
    rows = [row(arm, own, ours, verdicts.get(arm)) for arm, own in arms.items()]
    return [f"## {title}", "", what[:1].upper() + what[1:] + ".", "", HEADER, "|---" * 7 + "|", *rows, ""]


def repeats(quick: bool) -> int:
    """Runs of an arm whose time matters."""
    return 3 if quick else 5


def processor() -> str:
    """The processor's name, where the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def head(quick: bool, versions: Mapping[str, str], neighbours: str, minutes: float, roof: str) -> list[str]:
    """What stands above the tables; `neighbours` says what else ran."""
    kind = "bench-quick" if quick else "bench"
    return [
        "# Side by side with the peers",
        "",
        f"Written by `make {kind}`; nothing here is typed by hand. Every arm has a process of its own, one intra-op",
        f"thread, and they run in turn, {repeats(quick)} times. A time is the median of the runs without their set-up,",
        "the spread their range; `times ours` is an arm's median over ours (above 1: slower than ours). What asks for",
        "an answer, not speed, runs once. `wrong` means that the numbers fail the bound beside them, whatever the",
        "speed. Peak memory is that of the whole process, interpreter and torch included. Peers run in environments of",
        "their own, at the versions below.",
        "",
        f"Machine: {os.cpu_count()} cores, {processor()}; {roof}.",
        f"The run took {minutes:.1f} minutes. {neighbours}",
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "",
    ]


def missing(reasons: Mapping[str, str]) -> list[str]:
    """Peers that could not be had."""
    if not reasons:
        return []
    rows = [f"| {peer} | {escaped(why)} |" for peer, why in reasons.items()]
    return ["## Peers that could not be installed here", "", "| peer | reason |", "|---|---|", *rows, ""]
