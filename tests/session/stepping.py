"""Jobs of a few steps, and a way to submit several before any is stepped."""

from __future__ import annotations

import threading

LONG = 10.0
"""Seconds after which a test has failed; never slept."""


def numbers(count):
    yield from range(count)


def run_together(scheduler, *jobs):
    """Submit all before any is stepped."""
    release = hold(scheduler)
    for job in jobs:
        scheduler.submit(job)
    release()
    return [job.wait(LONG) for job in jobs]


def hold(scheduler):
    """Keep the scheduler's thread inside one call until the function returned is called."""
    inside, released = threading.Event(), threading.Event()

    def stay():
        inside.set()
        released.wait(LONG)

    scheduler.call(stay)
    assert inside.wait(LONG)
    return released.set
