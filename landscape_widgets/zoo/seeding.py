"""Seeded initialisation that leaves the global random state as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from landscape_widgets.errors import InputError


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block under its own state of torch's CPU generator; the state before it is put back.

    Parameters
    ----------
    seed : non-negative integer; the same seed gives the same draws.

    Raises
    ------
    InputError : the seed is not a non-negative integer.

    >>> before = torch.get_rng_state()
    >>> with seeded(3):
    ...     _ = torch.rand(2)
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"expected a non-negative integer seed, got {seed!r}", "pass for example seed=0")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
