"""A page without a browser: it keeps every message and acknowledges every tile."""

from __future__ import annotations

import time

from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.messages import Hello

LONG = 30.0


class Page:
    """A page that keeps every message and acknowledges every tile."""

    def __init__(self, explorer, view="view"):
        self.explorer, self.messages = explorer, []
        explorer.send = self.receive
        self.say(Hello("hello", view))

    def receive(self, content, buffers=None):
        self.messages.append((content, [bytes(buffer) for buffer in buffers or ()]))
        if content["kind"] == "tile":
            self.explorer._handle_custom_msg({"v": 1, "kind": "ack", "run": content["run"], "seq": content["seq"]}, [])

    def say(self, message):
        self.explorer._handle_custom_msg(encode(message), [])

    def until(self, condition):
        deadline = time.monotonic() + LONG
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert condition()

    def of(self, kind):
        return [content for content, _ in self.messages if content["kind"] == kind]

    def end(self, id):
        self.until(lambda: any(m["id"] == id for m in self.of("result") + self.of("error")))
        return next(m for m in self.of("result") + self.of("error") if m["id"] == id)
