"""The index of recorded files: what each is, which command made it, and its SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent
INDEX = FOLDER / "index.json"
LIMIT = 10_000_000
"""Bytes that all recorded files may take together."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def index() -> dict[str, Any]:
    """File name -> its hash, bytes, command, seed and facts; empty where nothing is recorded yet."""
    return json.loads(INDEX.read_text(encoding="utf-8")) if INDEX.exists() else {}


def note(path: Path, command: str, seed: int, facts: dict[str, Any] | None = None) -> None:
    """Enter a file that was just written into the index."""
    entries = index()
    entries[path.name] = {
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "command": command,
        "seed": seed,
        "facts": facts or {},
    }
    INDEX.write_text(json.dumps(dict(sorted(entries.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def recorded(name: str) -> Path:
    """The path of a recorded file, after its hash was compared with the index.

    Raises
    ------
    FileNotFoundError : not recorded.
    ValueError : the file is not the one that was recorded.
    """
    entries = index()
    if name not in entries:
        raise FileNotFoundError(f"expected one of {', '.join(entries)}, got {name}: make it with `make recorded`")
    found = sha256(FOLDER / name)
    if found != entries[name]["sha256"]:
        raise ValueError(f"expected {name} with SHA-256 {entries[name]['sha256']}, got {found}: make it again")
    return FOLDER / name


def facts(name: str) -> dict[str, Any]:
    """What the index holds of a recorded file: numbers of the run, machine, load."""
    return index()[name]["facts"]


def machine() -> dict[str, Any]:
    """Where a figure was measured, and how busy it was."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load average": [round(value, 1) for value in os.getloadavg()],
        "quiet": os.getloadavg()[0] <= 1.2 * torch.get_num_threads(),
    }
