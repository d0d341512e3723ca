from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape_widgets.errors import InputError, LandscapeError
from landscape_widgets.protocol import messages as m
from landscape_widgets.protocol.codec import encode
from landscape_widgets.session.dispatch import MAX_ERROR_TEXT, Dispatcher, error_reply

HELLO = encode(m.Hello("q0"))


def at_once(function):
    function()


class Widget:
    """Handlers that note what they are given, or raise."""

    def __init__(self, error=None, enqueue=at_once):
        self.error, self.handled, self.replies = error, [], []
        self.dispatch = Dispatcher({m.Hello: self.handle, m.Ack: self.handle}, self.replies.append, enqueue)

    def handle(self, message):
        self.handled.append(message)
        if self.error is not None:
            raise self.error


def test_a_message_reaches_its_handler():
    widget = Widget()
    widget.dispatch(HELLO, [])
    assert widget.handled == [m.Hello("q0")]
    assert widget.replies == []


def test_nothing_is_handled_on_the_callers_thread(scheduler):
    names, done = [], threading.Event()

    def handle(message):
        names.append(threading.current_thread().name)
        done.set()

    Dispatcher({m.Hello: handle}, print, scheduler.call)(HELLO)
    assert done.wait(5)
    assert names == ["test-scheduler"]


@pytest.mark.parametrize(
    ("content", "id", "purpose", "words"),
    [
        ({"v": 2, "kind": "hello", "id": "q1"}, "q1", "hello", "version 1"),
        ({"v": 1, "kind": "shout", "id": "q1"}, "q1", None, "kind"),
        ({"v": 1, "kind": "request", "id": "q1", "purpose": "picture"}, "q1", "picture", "settings"),
        ({"v": 1, "kind": "request", "id": "q1", "purpose": "dinner"}, "q1", None, "purpose"),
        ({"v": 1, "kind": "hello", "id": 7}, None, "hello", "id"),
        ({"v": 1, "kind": "hello", "id": "x" * 300}, None, "hello", "id"),
        ({"v": 1, "kind": "hello", "id": ""}, None, "hello", "id"),
        ({"v": 1, "kind": "request", "id": "q", "purpose": ["picture"]}, "q", None, "purpose"),
        (encode(m.Cancel("q5")), "q5", "picture", "handles, got a Cancel"),
        ("hello", None, None, "an object"),
        (None, None, None, "an object"),
    ],
)
def test_what_cannot_be_read_is_answered_once(content, id, purpose, words):
    widget = Widget()
    widget.dispatch(content, [])
    (reply,) = widget.replies
    assert (reply.id, reply.purpose) == (id, purpose)
    assert words in reply.message
    assert reply.advice
    assert widget.handled == []
    assert encode(reply)["kind"] == "error"


def test_buffers_from_the_page_are_refused():
    widget = Widget()
    widget.dispatch(HELLO, [b"1234"])
    assert "no buffers" in widget.replies[0].message


@pytest.mark.parametrize(
    ("error", "message", "advice"),
    [
        (InputError("expected 2 directions, got 3", "drop one"), "expected 2 directions, got 3", "drop one"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero", "see the kernel log"),
        (KeyboardInterrupt(), "KeyboardInterrupt", "see the kernel log"),
        (SystemExit(1), "SystemExit: 1", "see the kernel log"),
    ],
)
def test_a_handler_that_raises_is_answered_once_and_logged(error, message, advice, caplog):
    widget = Widget(error)
    widget.dispatch(HELLO)
    (reply,) = widget.replies
    assert (reply.id, reply.purpose, reply.message, reply.advice) == ("q0", "hello", message, advice)
    assert "the handler of a Hello failed" in caplog.text
    assert "Traceback" in caplog.text


def test_a_failing_ack_has_no_id():
    widget = Widget(ValueError("no"))
    widget.dispatch(encode(m.Ack(1, 0)))
    assert widget.replies[0].id is None


def test_long_texts_are_cut():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("no")

    for error in (ValueError("x" * 10**6), LandscapeError("y" * 10**6, "z" * 10**6)):
        reply = error_reply(error, "q1")
        assert len(reply.message) <= MAX_ERROR_TEXT
        assert len(reply.advice) <= MAX_ERROR_TEXT
    assert error_reply(MuteError(), "q1").message == "MuteError: (no text)"


def test_a_reply_that_fails_is_logged(caplog):
    def fail(reply):
        raise ConnectionError("no line")

    Dispatcher({}, fail, at_once)("nonsense")
    assert "could not be sent to the page" in caplog.text


def test_a_closed_scheduler_is_answered(scheduler):
    scheduler.close()
    widget = Widget(enqueue=scheduler.call)
    widget.dispatch(HELLO)
    widget.dispatch("nonsense")
    assert [reply.id for reply in widget.replies] == ["q0", None]
    assert "closed" in widget.replies[0].message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["v", "kind", "id", "purpose", "settings", "run"]), JSON) | JSON, st.booleans())
@settings(deadline=None)
def test_whatever_comes_is_handled_or_answered_once(content, versioned):
    if versioned and isinstance(content, dict):
        content = {**content, "v": 1, "kind": "hello"}
    widget = Widget()
    widget.dispatch(content)
    assert len(widget.replies) + len(widget.handled) == 1
    for reply in widget.replies:
        encode(reply)
