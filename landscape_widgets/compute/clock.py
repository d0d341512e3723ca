"""Seconds that tell which of two ways to compute is faster, whatever else the machine is doing."""

from __future__ import annotations

import time

import torch

FINE = 1e-5
"""Seconds that a clock must tell apart."""


def clock(device: torch.device) -> float:
    """Seconds, once everything asked of the device is done.

    With one intra-op thread it is the processor time of the caller, where the system counts it finely: a busy
    neighbour, which may stop one pass and not the other, does not decide which is faster.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif torch.get_num_threads() == 1 and time.get_clock_info("thread_time").resolution <= FINE:
        return time.thread_time()
    return time.perf_counter()
