"""Global state (random generators, attention back end) changed inside one step, restored before it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import threadpoolctl
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

_attention_lock = threading.Lock()
_attention_users = 0
_attention_context: contextlib.AbstractContextManager[None] | None = None
_random_lock = threading.RLock()


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
    """Leave torch's, NumPy's and Python's default generators, and the given ones, as they were.

    One block at a time: the generators are process-wide, and overlapping blocks would restore each other's state.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with _random_lock:
        state = RandomState.capture(*generators)
        with torch.random.fork_rng(devices=devices):
            try:
                yield
            finally:
                state.restore(*generators)


@dataclasses.dataclass(frozen=True, eq=False)
class RandomState:
    """The state of Python's, NumPy's and torch's default CPU generators, and of some more."""

    python: Any
    numpy: Any
    default: Tensor
    others: tuple[Tensor, ...]

    @classmethod
    def capture(cls, *generators: torch.Generator) -> RandomState:
        """The state as it is now."""
        others = tuple(generator.get_state() for generator in generators)
        return cls(random.getstate(), np.random.get_state(), torch.random.get_rng_state(), others)

    def restore(self, *generators: torch.Generator) -> None:
        """Put this state back; give the generators it was captured with."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.random.set_rng_state(self.default)
        for generator, state in zip(generators, self.others, strict=True):
            generator.set_state(state)


@contextlib.contextmanager
def evaluation() -> Iterator[None]:
    """Compute without a graph, on ordinary tensors even where the caller is in inference mode.

    Inference mode itself would be a little faster, but what a module caches in it (rotary tables, masks)
    could never take part in a gradient again.
    """
    with torch.inference_mode(False), torch.no_grad():
        yield


@contextlib.contextmanager
def differentiation() -> Iterator[None]:
    """Compute with a graph, whatever mode the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def normal_vector(size: int, seed: int, device: torch.device | str, dtype: torch.dtype) -> torch.Tensor:
    """Draw a standard normal (size,) vector: one flat float32 draw on the CPU, then cast.

    A seed therefore means the same direction on every device and in every dtype.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    drawn = torch.randn(size, generator=generator, dtype=torch.float32, device="cpu")
    return drawn.to(device=device, dtype=dtype)


_thread_lock = threading.Lock()
_thread_users = 0


@contextlib.contextmanager
def one_thread(restore: int) -> Iterator[None]:
    """Give this thread one intra-op thread for the length of the block, then `restore` to all.

    torch takes the number set last as the default of threads to come, and MKL as that of all: blocks of
    several threads are counted, and the last one out restores. What to restore is for the caller to
    read on the user's thread: a worker's own number is a leftover of the block before.
    """
    global _thread_users
    with _thread_lock:
        _thread_users += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _thread_lock:
            _thread_users -= 1
            if _thread_users == 0:
                torch.set_num_threads(restore)


@functools.cache
def _openblas() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController().select(internal_api="openblas")


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Give NumPy's OpenBLAS one thread for the length of the block: for small matrices more only spin."""
    with _openblas().limit(limits=1):
        yield
