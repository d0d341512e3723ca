"""How cost grows: points of wider grids, and a trajectory of 1,000 checkpoints in bounded memory: `make growth`."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import landscape_widgets as lw
from benchmarks.page import ROOT, replace_part, table
from benchmarks.peers.problems import normal, perceptron
from benchmarks.peers.report import processor
from benchmarks.peers.tasks import grids
from benchmarks.peers.tasks.t03_overhead import Wide, squared
from landscape_widgets.compute.checkpoint_readers import save_parameters

TARGET = ROOT / "benchmarks" / "GROWTH.md"
WIDTHS, ROWS = (11, 41, 97), 11
CHECKPOINTS, WIDEST = 1000, (64, 900, 1000, 40)
BOUND_MB = 100.0
"""What a projection may hold beyond the interpreter with torch and the model: a block, two vectors, n × n matrices."""


def peak_mb() -> float:
    """The most memory this process has held, in MB; mapped pages of files count."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(*arguments: str) -> dict[str, Any]:
    """What a process of its own measures: its peak of memory is its own too."""
    command = [sys.executable, "-m", "benchmarks.growth", "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def points(width: int) -> dict[str, Any]:
    """Seconds a point of a grid over 11 million parameters, its forward pass next to nothing."""
    grid = grids.Ours((Wide(), (torch.ones(1), torch.zeros(1)), squared)).grid((width, ROWS))
    before = peak_mb()
    started = time.perf_counter()
    found = grid.run()
    return {"seconds": (time.perf_counter() - started) / found.loss.size, "before": before, "peak": peak_mb()}


def model_of(widths: tuple[int, ...]) -> nn.Sequential:
    """The model whose path is projected."""
    torch.manual_seed(0)
    return perceptron(*widths)


def write_path(folder: Path, count: int, widths: tuple[int, ...]) -> None:
    """Checkpoints of a path that turns, with noise, as safetensors files."""
    model = model_of(widths)
    with torch.no_grad():
        start = nn.utils.parameters_to_vector(model.parameters()).clone()
        one, two = (normal(len(start), seed=seed) / len(start) ** 0.5 for seed in (1, 2))
        for number in range(count):
            t = 1 - number / (count - 1)
            noise = 1e-3 * normal(len(start), seed=10 + number) / len(start) ** 0.5
            nn.utils.vector_to_parameters(start + 4 * t**2 * one + 6 * t * (1 - t) * two + noise, model.parameters())
            save_parameters(folder / f"{number:05}", model, number)


def trajectory(folder: Path, widths: tuple[int, ...]) -> dict[str, Any]:
    """Seconds and memory of the first two principal components of the checkpoints in a folder."""
    data = (torch.zeros(4, widths[0]), torch.zeros(4, dtype=torch.long))
    objective = lw.Objective(model_of(widths), nn.CrossEntropyLoss(), data)
    files = sorted(folder.glob("*.safetensors"))
    before = peak_mb()
    started = time.perf_counter()
    found = lw.TrajectoryProjection(objective, files, center="mean").run()
    return {
        "seconds": time.perf_counter() - started,
        "before": before,
        "peak": peak_mb(),
        "size": objective.size,
        "explained": [float(share) for share in found.explained],
    }


def point_lines(widths: tuple[int, ...]) -> list[str]:
    """The part about grids."""
    found = [child("points", str(width)) for width in widths]
    rows = []
    for width, one in zip(widths, found, strict=True):
        ratio, added = one["seconds"] / found[0]["seconds"], one["peak"] - one["before"]
        rows.append([f"{width} x {ROWS}", f"{one['seconds'] * 1e3:.2f} ms", f"{ratio:.2f}", f"{added:.0f} MB"])
    return [
        "## A point of a wider grid",
        "",
        "11 million parameters, a forward pass of next to nothing: what is left is the cost of moving the weights. "
        "Memory is what the grid adds to the model, its copy and the directions.",
        "",
        *table(["grid", "a point", "times the first", "added memory"], rows),
    ]


def trajectory_lines(count: int, widths: tuple[int, ...]) -> list[str]:
    """The part about a long trajectory: files written, read in a process of its own, and deleted."""
    folder = Path(tempfile.mkdtemp(prefix="growth-"))
    try:
        size = sum(parameter.numel() for parameter in model_of(widths).parameters())
        needed = 4.2 * size * count
        if shutil.disk_usage(folder).free < 1.5 * needed:
            return ["## A trajectory from files", "", f"Not measured: {needed / 1e9:.1f} GB of disk needed."]
        write_path(folder, count, widths)
        found = child("trajectory", str(folder), *map(str, widths))
    finally:
        shutil.rmtree(folder)
    added = found["peak"] - found["before"]
    held = "held" if added <= BOUND_MB else "**not held**"
    return [
        "## A trajectory from files",
        "",
        f"Two principal components of {count:,} checkpoints of {found['size']:,} parameters, read from safetensors "
        f"files ({4 * count * found['size'] / 1e9:.1f} GB, written just before, so most of them are in the system's "
        f"cache): **{found['seconds']:.0f} s**, {1e3 * found['seconds'] / count:.0f} ms a checkpoint. Memory beyond "
        f"the process with torch and the model ({found['before']:.0f} MB): **{added:.0f} MB**, mapped pages of files "
        f"included; the bound of {BOUND_MB:.0f} MB is {held}. All checkpoints at once in float64 would be "
        f"{8 * count * found['size'] / 1e9:.1f} GB.",
    ]


def measured_child(arguments: list[str]) -> dict[str, Any]:
    """What the parent asked for."""
    if arguments[0] == "points":
        return points(int(arguments[1]))
    return trajectory(Path(arguments[1]), tuple(map(int, arguments[2:])))


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="sizes that take seconds")
    parser.add_argument("--parts", default="points,trajectory")
    parser.add_argument("--output", type=Path, default=TARGET)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.child:
        print(json.dumps(measured_child(asked.child)))
        return
    load, page = os.getloadavg()[0], asked.output.absolute()
    head = [
        "# How cost grows",
        "",
        f"Written by `make growth`. {os.cpu_count()} cores, {processor()}, torch {torch.__version__}, one thread; "
        f"load average {load:.1f} before: times are worth quoting below {0.75 * (os.cpu_count() or 1):.1f} only.",
    ]
    replace_part(page, "growth", head)
    if "points" in asked.parts:
        replace_part(page, "points", point_lines((3, 5) if asked.tiny else WIDTHS))
    if "trajectory" in asked.parts:
        path = (20, (8, 6, 4)) if asked.tiny else (CHECKPOINTS, WIDEST)
        replace_part(page, "trajectory", trajectory_lines(*path))


if __name__ == "__main__":
    main()
