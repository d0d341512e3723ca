"""Global state (random generators, attention back end) changed inside one step, restored before it ends."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

_attention_lock = threading.Lock()
_attention_users = 0
_attention_context: contextlib.AbstractContextManager[None] | None = None


@contextlib.contextmanager
def math_attention() -> Iterator[None]:
    """Choose the attention back end that can be differentiated twice, for the length of the block.

    The choice is process-wide in torch, so blocks of several threads are counted: the first one in
    switches, the last one out restores what the user had.
    """
    global _attention_users, _attention_context
    with _attention_lock:
        if _attention_users == 0:
            _attention_context = sdpa_kernel(SDPBackend.MATH)
            _attention_context.__enter__()
        _attention_users += 1
    try:
        yield
    finally:
        with _attention_lock:
            _attention_users -= 1
            if _attention_users == 0 and _attention_context is not None:
                _attention_context.__exit__(None, None, None)
                _attention_context = None


@contextlib.contextmanager
def preserved_random_state(*generators: torch.Generator) -> Iterator[None]:
    """Leave torch's, NumPy's and Python's default generators, and the given ones, as they were."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    states = [generator.get_state() for generator in generators]
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


def normal_vector(size: int, seed: int, device: torch.device | str, dtype: torch.dtype) -> torch.Tensor:
    """Draw a standard normal (size,) vector: one flat float32 draw on the CPU, then cast.

    A seed therefore means the same direction on every device and in every dtype.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=torch.float32).to(device=device, dtype=dtype)
