"""Peak memory of Lanczos at 25 million parameters against the stated bound: `python -m benchmarks.growth_lanczos`."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

import landscape_widgets as lw
from benchmarks.page import replace_part, table

TARGET = Path(__file__).with_name("GROWTH.md")
WIDTH, SAMPLES = 5000, 1
MIB = 2**20
OPERATOR_VECTORS = 12
"""Vectors of length P beside Lanczos: model, objective, replica, θ, kept graph, and those of a product under way."""


def wide_perceptron() -> nn.Sequential:
    """One hidden matrix of 5,000 x 5,000: 25 million parameters whose product with few samples is cheap."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 10))


def peak() -> int:
    """The largest memory this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def child(memory: int) -> None:
    """Limit this process to the bound, find two pairs from each end, and print what it took."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(SAMPLES, 8, generator=generator), torch.randint(0, 10, (SAMPLES,), generator=generator)
    idle = peak()
    size = sum(parameter.numel() for parameter in wide_perceptron().parameters())
    bound = memory + OPERATOR_VECTORS * 4 * size
    virtual = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + bound, virtual + bound))
    operator = lw.HessianOperator(lw.Objective(wide_perceptron(), nn.CrossEntropyLoss(), data))
    operator @ operator.theta
    before = peak()
    run = lw.Lanczos(operator, 2, 2, memory=memory, max_products=70)
    started = time.perf_counter()
    pairs = run.run()
    found = {
        "size": operator.size,
        "memory": memory,
        "bound": bound,
        "basis": run.max_basis,
        "operator": before - idle,
        "peak": peak() - idle,
        "seconds": time.perf_counter() - started,
        "products": pairs.products,
        "outcome": str(pairs.outcome),
        "values": pairs.values.tolist(),
        "graphs": pairs.question["graphs"],
    }
    print(json.dumps(found))


def measured(memory: int) -> dict[str, str]:
    """What a run within so many bytes took, in a process of its own: the columns of the table."""
    command = [sys.executable, "-m", "benchmarks.growth_lanczos", str(memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=TARGET.parents[1])
    found = json.loads(done.stdout.splitlines()[-1])
    values = ", ".join(f"{value:.4g}" for value in found["values"])
    return {
        "parameters": f"{found['size']:,}",
        "`memory=`": f"{memory / MIB:,.0f} MiB",
        "basis vectors": str(found["basis"]),
        "objective and product": f"{found['operator'] / MIB:,.0f} MiB",
        "peak in all": f"{found['peak'] / MIB:,.0f} MiB",
        "bound": f"{found['bound'] / MIB:,.0f} MiB",
        "products": str(found["products"]),
        "time": f"{found['seconds']:.0f} s",
        "two largest, two smallest": f"{found['outcome']}: {values}",
    }


def main() -> None:
    """Run within 2.5 GiB, and write the page."""
    row = measured(5 * 2**29)
    lines = [
        "## Lanczos at 25 million parameters",
        "",
        "Written by `python -m benchmarks.growth_lanczos`. A float32 perceptron "
        f"(8-{WIDTH}-{WIDTH}-10, samples: {SAMPLES}), two pairs from each end, one thread, "
        "in a process that may not take up more address space",
        f"than the bound: `memory=` for Lanczos, and {OPERATOR_VECTORS} vectors of the parameters for model, objective "
        "and products. Peaks are resident memory above that of the interpreter with torch.",
        f"Machine: {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"torch {torch.__version__}.",
        "",
        *table(tuple(row), [tuple(row.values())]),
    ]
    replace_part(TARGET, "lanczos", lines)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(int(sys.argv[1]))
    else:
        main()
