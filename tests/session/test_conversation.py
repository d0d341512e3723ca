"""Dispatcher, scheduler and outbox together, against a page that draws on its own thread."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter, defaultdict

import numpy as np
import pytest
from frames import FRAME
from hypothesis import given, settings
from hypothesis import strategies as st
from stepping import LONG

from landscape_widgets.protocol import messages as m
from landscape_widgets.protocol.codec import decode_any, encode, unpack
from landscape_widgets.session.dispatch import Dispatcher, error_reply
from landscape_widgets.session.outbox import TileOutbox
from landscape_widgets.session.scheduler import Job, Scheduler

CHOICE = m.AxisChoice("random")
ONE = m.Range(-1.0, 1.0)
TOTAL = 40


class Kernel:
    """The least that answers every message: seed says how the picture goes wrong."""

    def __init__(self, send, patience):
        self.scheduler = Scheduler("conversation")
        self.outbox = TileOutbox(send, call_later=self.scheduler.call_later, patience=patience)
        self.run, self.current, self.known, self.ends = 0, "", {}, []
        self.added = defaultdict(list)
        handlers = {
            m.Hello: self.hello,
            m.PictureRequest: self.picture,
            m.SettingsRequest: self.settings,
            m.Cancel: self.cancel,
            m.Ack: lambda ack: self.outbox.ack(ack.run, ack.seq),
        }
        self.receive = Dispatcher(handlers, self.outbox.post, self.scheduler.call)

    def hello(self, message):
        self.outbox.attach()
        self.outbox.post(m.Result(message.id, "hello", "complete", ""))
        if self.run:
            self.begin()
            self.add(list(self.known))

    def begin(self):
        self.run += 1
        self.outbox.begin(self.current, self.run, FRAME)

    def add(self, points):
        self.added[self.run] += points if self.outbox.attached else []
        index = np.array(points, int)
        self.outbox.add(index, index / 4, 0, len(self.known), TOTAL)

    def picture(self, message):
        fault = message.settings.alpha.seed
        job = Job(
            "picture",
            lambda: self.steps(message.id, fault),
            interactive=True,
            urgent=True,
            on_step=self.add,
            on_end=lambda end: self.finish(message.id, end),
        )
        self.scheduler.submit(job)

    def steps(self, id, fault):
        self.current, self.known = id, {}
        self.begin()
        for start in range(0, TOTAL, 4):
            if fault == 1 and start == 20:
                raise ZeroDivisionError("in the model")
            points = list(range(start, start + 4))
            self.known.update(dict.fromkeys(points))
            yield points

    def finish(self, id, end):
        self.ends.append((id, self.run, end))
        if end.error is not None:
            self.outbox.finish(error_reply(end.error, id, "picture"))
        else:
            self.outbox.finish(m.Result(id, "picture", end.state, end.reason))

    def settings(self, message):
        if message.settings.height == "log":
            raise ValueError("no logarithm today")
        self.outbox.post(m.Result(message.id, "settings", "complete", ""))

    def cancel(self, message):
        self.scheduler.cancel(message.purpose)
        self.outbox.post(m.Result(message.id, message.purpose, "complete", ""))


class Page:
    """Draws on a thread of its own, acknowledging each tile; judges what it is sent."""

    def __init__(self, draw=0.0, forget=0.0, seed=0):
        self.kernel = Kernel(self.send, 0.05 if forget else LONG)
        self.inbox = queue.SimpleQueue()
        self.finals, self.points, self.errors = Counter(), defaultdict(list), []
        self.open = defaultdict(set)
        self.most_open, self.order = 0, []
        self.forget, self.random = forget, random.Random(seed)
        self.draw = draw
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def send(self, content, buffers):
        """The kernel's side of the line."""
        if content["kind"] == "tile":
            unacknowledged = self.open[content["run"]]
            unacknowledged.add(content["seq"])
            self.most_open = max(self.most_open, len(unacknowledged))
        self.inbox.put((content, [bytes(buffer) for buffer in buffers]))

    def work(self):
        while (item := self.inbox.get()) is not None:
            message = decode_any(item[0], m.TO_PAGE)
            self.order.append(message)
            if isinstance(message, m.Tile):
                arrays = unpack(message.arrays, item[1])
                assert arrays["loss"].tolist() == [i / 4 for i in arrays["index"].tolist()]
                self.points[message.run] += arrays["index"].tolist()
                if self.draw:
                    time.sleep(self.draw)
                if self.random.random() >= self.forget:
                    self.open[message.run].discard(message.seq)
                    self.ask(m.Ack(message.run, message.seq))
            elif isinstance(message, (m.Result, m.Error)):
                self.finals[message.id] += 1

    def ask(self, message):
        self.kernel.receive(encode(message), [])

    def leave(self):
        deadline = time.monotonic() + LONG
        while not self.kernel.outbox.flush() and time.monotonic() < deadline:
            time.sleep(0.002)
        assert self.kernel.scheduler.close(LONG)
        self.inbox.put(None)
        self.thread.join(LONG)
        assert not self.thread.is_alive()

    def settle(self, ids):
        """Wait until each request has its answer."""
        deadline = time.monotonic() + LONG
        while any(self.finals[id] == 0 for id in ids) and time.monotonic() < deadline:
            time.sleep(0.002)


def request(id, fault=0):
    return m.PictureRequest(id, m.PictureSettings(m.AxisChoice("random", fault), CHOICE, ONE, ONE, 7))


@pytest.mark.parametrize("draw", [0.0, 0.005])
def test_one_picture_arrives_whole_before_its_result(draw):
    page = Page(draw)
    page.ask(m.Hello("h"))
    page.ask(request("q1"))
    page.settle(["h", "q1"])
    page.leave()
    assert page.points[1] == list(range(TOTAL))
    assert page.most_open <= m.MAX_UNACKNOWLEDGED
    assert [message.kind for message in page.order if message.kind != "tile"] == ["result", "result"]
    assert page.order[-1].id == "q1"
    assert page.order[-1].outcome == "finished"


def test_an_error_in_the_model_ends_the_request_after_its_points():
    page = Page()
    page.ask(m.Hello("h"))
    page.ask(request("q1", fault=1))
    page.settle(["q1"])
    page.leave()
    assert page.points[1] == list(range(20))
    last = page.order[-1]
    assert (last.kind, last.id, last.message) == ("error", "q1", "ZeroDivisionError: in the model")


def test_a_page_that_comes_late_is_told_everything():
    page = Page()
    page.ask(request("q1"))
    page.settle(["q1"])
    assert not page.points
    page.ask(m.Hello("h"))
    page.settle(["h"])
    page.leave()
    assert page.points[2] == list(range(TOTAL))


def test_a_page_that_never_acknowledges_still_gets_its_result():
    page = Page(forget=1.0)
    page.ask(m.Hello("h"))
    page.ask(request("q1"))
    page.settle(["q1"])
    page.leave()
    assert page.points[1] == list(range(TOTAL))
    assert page.finals["q1"] == 1


ASKED = st.lists(
    st.sampled_from(["picture", "picture", "fault", "settings", "bad settings", "cancel", "hello", "nonsense", "wait"]),
    min_size=1,
    max_size=12,
)


def ask_all(page, asked, name):
    ids = []
    for number, what in enumerate(asked):
        id = f"{name}{number}"
        message = {
            "picture": request(id),
            "fault": request(id, fault=1),
            "settings": m.SettingsRequest(id, m.ViewSettings("surface", "linear")),
            "bad settings": m.SettingsRequest(id, m.ViewSettings("surface", "log")),
            "cancel": m.Cancel(id, "picture"),
            "hello": m.Hello(id),
        }.get(what)
        if what == "wait":
            time.sleep(0.001)
            continue
        ids.append(id)
        if message is None:
            page.kernel.receive({"v": 1, "kind": "request", "purpose": "picture", "id": id, "settings": number}, [])
        else:
            page.ask(message)
    return ids


@given(ASKED, ASKED, st.sampled_from([0.0, 0.001]), st.sampled_from([0.0, 0.0, 0.3]), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_every_request_ends_once_and_every_point_arrives(first, second, draw, forget, seed):
    page = Page(draw, forget, seed)
    ids = []
    page.ask(m.Hello("h"))
    other = threading.Thread(target=lambda: ids.extend(ask_all(page, second, "b")))
    other.start()
    mine = ask_all(page, first, "a")
    other.join(LONG)
    page.settle(mine + ids + ["h"])
    page.leave()
    assert {id: page.finals[id] for id in mine + ids + ["h"]} == dict.fromkeys(mine + ids + ["h"], 1)
    assert set(page.finals) == {*mine, *ids, "h"}
    if not forget:
        assert page.most_open <= m.MAX_UNACKNOWLEDGED
    kernel = page.kernel
    for run, points in page.points.items():
        assert points == kernel.added[run][: len(points)]
    assert page.points[kernel.run] == kernel.added[kernel.run]
    for _, run, end in kernel.ends:
        if end.state == "finished" and run == kernel.run:
            assert set(page.points[run]) == set(range(TOTAL))
