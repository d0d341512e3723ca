"""What a session tells its widget, and the worker threads that all sessions share."""

from __future__ import annotations

import concurrent.futures
import functools
import os
from typing import Protocol

from landscape_widgets.protocol.messages import Error, PictureSettings
from landscape_widgets.results import Eigenpairs, Surface

WORKERS = min(4, os.cpu_count() or 1)
"""Blocks of a grid under way at a time."""


@functools.cache
def default_executor() -> concurrent.futures.Executor:
    """The worker threads of this process, shared by all sessions."""
    return concurrent.futures.ThreadPoolExecutor(WORKERS, thread_name_prefix="landscape-worker")


class Listener(Protocol):
    """What a widget wants to hear; every call comes on the scheduler's thread."""

    def on_settings(self, settings: PictureSettings) -> None:
        """A picture with these settings begins."""

    def on_surface(self, surface: Surface, finished: bool) -> None:
        """The surface has grown, or ended."""

    def on_pairs(self, pairs: Eigenpairs, finished: bool) -> None:
        """The eigenpairs have moved, or ended."""

    def on_status(self, text: str, progress: float) -> None:
        """What is being done, in words, and how far it is, 0 to 1."""

    def on_error(self, error: Error) -> None:
        """A request has failed."""
