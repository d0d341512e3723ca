"""Messages from the page to handlers: decoded where they arrive, handled on the scheduler's thread."""

from __future__ import annotations

import logging
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from landscape_widgets.errors import LandscapeError, ProtocolError
from landscape_widgets.protocol import limits
from landscape_widgets.protocol.codec import decode, fields_of, optional
from landscape_widgets.protocol.messages import Error, Hello
from landscape_widgets.session.scheduler import default_scheduler

MAX_ERROR_TEXT = 500
"""Characters of a message or an advice of an exception that reach the page."""

_log = logging.getLogger(__name__)


class Dispatcher:
    """Decodes a message and enqueues its handler; what cannot be handled is answered by exactly one `Error`.

    May be called from any thread; it decodes there, and neither waits nor runs a handler there. A handler that
    raises is answered by an `Error`, so it raises only where it has not promised another answer.

    Parameters
    ----------
    handlers : what to do with each class of message, on the scheduler's thread.
    reply : sends an `Error`, on the scheduler's thread (on the caller's where `enqueue` refuses).
    enqueue : runs a function soon, in order; by default `default_scheduler().call`.
    """

    def __init__(
        self,
        handlers: Mapping[type, Callable[[Any], None]],
        reply: Callable[[Error], object],
        enqueue: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._handlers = dict(handlers)
        self._reply = reply
        self._enqueue = default_scheduler().call if enqueue is None else enqueue

    def __call__(self, content: object, buffers: Sequence[object] = ()) -> None:
        """Take one message as it came from the page; never raises. No message from the page has buffers."""
        try:
            message = decode(content)
            if buffers:
                raise ProtocolError(f"expected no buffers from the page, got {len(buffers)}", "reload the page")
            handler = self._handlers.get(type(message))
            if handler is None:
                name = type(message).__name__
                raise ProtocolError(f"expected a message that this widget handles, got a {name}", "reload the page")
        except Exception as error:  # noqa: BLE001 - decoding must answer, whatever came
            answer = error_reply(error, *_address(content))
            self._submit(lambda: self._send(answer), answer)
            return
        unread = error_reply(LandscapeError("the kernel side was closed", "run the cell again"), *_address(content))
        self._submit(lambda: self._handle(handler, message), unread)

    def _submit(self, function: Callable[[], None], answer: Error) -> None:
        """Enqueue; where the scheduler refuses, reply at once."""
        try:
            self._enqueue(function)
        except Exception:  # noqa: BLE001 - a closed scheduler is answered like any other failure
            _log.exception("a message from the page could not be enqueued")
            self._send(answer)

    def _handle(self, handler: Callable[[Any], None], message: Any) -> None:
        try:
            handler(message)
        except BaseException as error:  # noqa: BLE001 - an interrupt too must be answered
            _log.exception("the handler of a %s failed", type(message).__name__)
            purpose = "hello" if isinstance(message, Hello) else getattr(message, "purpose", None)
            self._send(error_reply(error, getattr(message, "id", None), purpose))

    def _send(self, answer: Error) -> None:
        try:
            self._reply(answer)
        except Exception:  # noqa: BLE001 - there is nobody left to tell but the log
            _log.exception("an error could not be sent to the page")


def error_reply(error: BaseException, id: str | None, purpose: Any = None) -> Error:
    """Return what to tell the page: message and advice of a `LandscapeError`, type and text of any other.

    >>> error_reply(ZeroDivisionError("division by zero"), "q1").message
    'ZeroDivisionError: division by zero'
    """
    if isinstance(error, LandscapeError):
        return Error(id, purpose, _cut(error.message), _cut(error.advice))
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception may fail to print itself
        text = "(no text)"
    name = type(error).__name__
    return Error(id, purpose, _cut(f"{name}: {text}" if text else name), "see the kernel log")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_ERROR_TEXT else text[: MAX_ERROR_TEXT - 1] + "…"


def _address(content: object) -> tuple[str | None, Any]:
    """Id and purpose of an unreadable message, as far as they can be read."""
    fields = content if isinstance(content, dict) else {}
    name, purpose = fields.get("id"), fields.get("purpose")
    if fields.get("kind") == "hello":
        purpose = "hello"
    known = typing.get_args(optional(fields_of(Error)["purpose"])[0])
    readable = isinstance(name, str) and 0 < len(name) <= limits.MAX_TEXT
    return (name if readable else None), (purpose if isinstance(purpose, str) and purpose in known else None)
