from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from frames import FRAME
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape_widgets.errors import InputError, LandscapeError, ProtocolError
from landscape_widgets.protocol import messages as m
from landscape_widgets.protocol.codec import decode_any, unpack
from landscape_widgets.session.outbox import TileOutbox

RESULT = m.Result("q1", "picture", "complete", "")


class Page:
    """Keeps what it is sent, decoded; acknowledges when told."""

    def __init__(self):
        self.sent = []
        self.broken = False

    def __call__(self, content, buffers):
        if self.broken:
            raise ConnectionError("no line")
        message = decode_any(content, m.TO_PAGE)
        self.sent.append((message, unpack(message.arrays, buffers) if isinstance(message, m.Tile) else {}))

    def tiles(self, run=None):
        return [(t, a) for t, a in self.sent if isinstance(t, m.Tile) and run in (None, t.run)]

    def kinds(self):
        return [message.kind for message, _ in self.sent]

    def points(self, run):
        return [(int(i), float(v)) for _, a in self.tiles(run) for i, v in zip(a["index"], a["loss"], strict=True)]


@pytest.fixture
def page():
    return Page()


def started(page, **options):
    outbox = TileOutbox(page, **options)
    outbox.attach()
    outbox.begin("q1", 1, FRAME)
    return outbox


def add(outbox, *points, level=0, seconds_left=None, frame=None):
    outbox.add(
        np.array(points, int), np.array(points, float) / 2, level, max(points, default=0), 49, seconds_left, frame
    )


def test_two_tiles_go_at_once_and_further_ones_are_merged(page):
    outbox = started(page)
    for n in range(5):
        add(outbox, 2 * n, 2 * n + 1, level=n, seconds_left=5.0 - n)
    assert outbox.unacknowledged == 2
    assert [tile.seq for tile, _ in page.tiles()] == [0, 1]
    assert [tile.frame is not None for tile, _ in page.tiles()] == [True, False]
    outbox.ack(1, 0)
    tile, arrays = page.tiles()[2]
    assert (tile.seq, tile.level, tile.done, tile.total, tile.seconds_left) == (2, 4, 9, 49, 1.0)
    assert arrays["index"].tolist() == [4, 5, 6, 7, 8, 9]
    assert arrays["loss"].tolist() == [2.0, 2.5, 3.0, 3.5, 4.0, 4.5]
    assert outbox.flush()


def test_a_tile_may_hold_a_frame_and_no_points(page):
    outbox = started(page)
    add(outbox)
    tile, arrays = page.tiles()[0]
    assert tile.frame == FRAME
    assert arrays["index"].shape == arrays["loss"].shape == (0,)


def test_a_frame_of_any_merged_tile_is_kept(page):
    outbox = started(page)
    for n in range(3):
        add(outbox, n)
    add(outbox, 3, frame=FRAME)
    add(outbox, 4)
    outbox.ack(1, 0)
    assert [tile.frame is not None for tile, _ in page.tiles()] == [True, False, True]


def test_acks_are_idempotent_and_older_or_unknown_ones_change_nothing(page):
    outbox = started(page)
    for n in range(4):
        add(outbox, n)
    for run, seq in [(0, 5), (2, 0), (1, 7), (-1, -1), (1, -3)]:
        outbox.ack(run, seq)
    assert len(page.tiles()) == 2
    for _ in range(3):
        outbox.ack(1, 0)
    assert len(page.tiles()) == 3
    assert outbox.unacknowledged == 2


def test_an_ack_stands_for_the_earlier_tiles(page):
    outbox = started(page)
    for n in range(2):
        add(outbox, n)
    outbox.ack(1, 1)
    assert outbox.unacknowledged == 0


def test_the_end_goes_after_the_last_tile(page):
    outbox = started(page)
    for n in range(4):
        add(outbox, n)
    outbox.finish(RESULT)
    assert page.kinds() == ["tile", "tile"]
    assert not outbox.flush()
    outbox.ack(1, 0)
    assert page.kinds() == ["tile", "tile", "tile", "result"]
    assert page.points(1) == [(n, n / 2) for n in range(4)]
    add(outbox, 9)
    assert outbox.flush()
    assert len(page.sent) == 4


def test_without_a_pending_tile_the_end_goes_at_once(page):
    outbox = started(page)
    add(outbox, 0)
    outbox.finish(m.Error("q1", "picture", "no", ""))
    assert page.kinds() == ["tile", "error"]


def test_patience_ends(page):
    now = [100.0]
    outbox = started(page, patience=5.0, clock=lambda: now[0])
    for n in range(3):
        add(outbox, n)
    outbox.finish(RESULT)
    now[0] = 104.9
    outbox.poll()
    assert page.kinds() == ["tile", "tile"]
    outbox.poll(105.0)
    assert page.kinds() == ["tile", "tile", "tile", "result"]
    outbox.poll(200.0)
    outbox.ack(1, 0)
    assert len(page.sent) == 4


def test_the_scheduler_watches_the_patience(page):
    asked = []
    outbox = started(page, patience=5.0, call_later=lambda seconds, function: asked.append((seconds, function)))
    outbox.finish(RESULT)
    assert asked == []
    outbox.begin("q1", 2, None)
    for n in range(3):
        add(outbox, n)
    outbox.finish(RESULT)
    assert [seconds for seconds, _ in asked] == [5.0]


def test_with_a_closed_scheduler_nothing_waits(page):
    def refuse(seconds, function):
        raise LandscapeError("closed")

    outbox = started(page, call_later=refuse)
    for n in range(3):
        add(outbox, n)
    outbox.finish(RESULT)
    assert page.kinds() == ["tile", "tile", "tile", "result"]


def test_without_a_page_points_are_dropped_and_the_end_goes_at_once(page):
    outbox = TileOutbox(page)
    outbox.begin("q1", 1, FRAME)
    for n in range(9):
        add(outbox, n)
    assert outbox.flush()
    outbox.finish(RESULT)
    assert page.kinds() == ["result"]
    assert not outbox.attached


def test_a_page_that_goes_away_frees_the_end(page):
    outbox = started(page)
    for n in range(3):
        add(outbox, n)
    outbox.finish(RESULT)
    outbox.detach()
    assert page.kinds() == ["tile", "tile", "result"]


def test_a_new_picture_drops_old_points_and_never_an_old_end(page):
    outbox = started(page)
    for n in range(3):
        add(outbox, n)
    outbox.finish(RESULT)
    outbox.begin("q2", 2, FRAME)
    add(outbox, 7)
    assert page.kinds() == ["tile", "tile", "result", "tile"]
    tile, arrays = page.tiles(2)[0]
    assert (tile.id, tile.seq, tile.frame, arrays["index"].tolist()) == ("q2", 0, FRAME, [7])


def test_a_replay_of_the_same_run_goes_on_counting(page):
    outbox = started(page)
    for n in range(3):
        add(outbox, n)
    outbox.begin("q1", 1, FRAME)
    for n in range(3):
        add(outbox, n)
    heads = [(tile.seq, tile.frame is not None) for tile, _ in page.tiles()]
    assert heads == [(0, True), (1, False), (2, True), (3, False)]
    outbox.ack(1, 1)
    assert len(page.tiles()) == 4
    outbox.ack(1, 2)
    assert page.points(1)[2:] == [(0, 0.0), (1, 0.5), (2, 1.0)]


def test_the_late_end_of_an_old_picture_leaves_the_new_one_alone(page):
    outbox = started(page)
    outbox.begin("q2", 2, FRAME)
    for n in range(3):
        add(outbox, n)
    outbox.finish(RESULT)
    assert page.kinds() == ["tile", "tile", "result"]
    outbox.ack(2, 1)
    assert page.points(2) == [(n, n / 2) for n in range(3)]


def test_what_send_raises_is_counted_and_frees_the_slot(page, caplog):
    outbox = started(page)
    page.broken = True
    for n in range(5):
        add(outbox, n)
    assert outbox.failures == 5
    assert outbox.unacknowledged == 0
    page.broken = False
    outbox.finish(RESULT)
    assert page.kinds() == ["result"]
    assert "could not be sent to the page" in caplog.text


def test_points_are_copied(page):
    outbox = started(page, limit=0)
    index, values = np.array([1]), np.array([2.0], np.float32)
    outbox.add(index, values, 0, 1, 49)
    index[0], values[0] = 5, 6.0
    outbox.finish(RESULT)
    outbox.poll(float("inf"))
    assert page.points(1) == []  # a limit of 0 never lets a tile go
    outbox = started(page)
    index, values = np.array([1], np.int32), np.array([2.0], np.float32)
    for _ in range(3):
        outbox.add(index, values, 0, 1, 49)
    index[0], values[0] = 5, 6.0
    outbox.ack(1, 0)
    assert set(page.points(1)) == {(1, 2.0)}


@pytest.mark.parametrize(
    ("index", "values", "error"),
    [
        ([1, 2], [1.0], InputError),
        ([-1], [1.0], InputError),
        ([49], [1.0], InputError),
        ([0.0], [1.0], InputError),
        ([0], [1j], InputError),
        ([0], ["a"], InputError),
    ],
)
def test_what_could_not_be_sent_is_refused_at_the_door(page, index, values, error):
    outbox = started(page)
    with pytest.raises(error):
        outbox.add(np.array(index), np.array(values), 0, 1, 49)
    add(outbox, 1)
    assert len(page.tiles()) == 1


def test_a_frame_with_nan_is_refused_at_the_door(page):
    outbox = TileOutbox(page)
    broken = m.Frame(**{**vars(FRAME), "alpha": m.AxisInfo("a", "unit", "u", None, float("nan"), -1.0, 1.0, 7)})
    with pytest.raises(ProtocolError, match=r"Frame\.alpha\.length"):
        outbox.begin("q1", 1, broken)
    with pytest.raises(InputError, match="begin"):
        add(outbox, 1)


def test_an_end_that_cannot_be_encoded_becomes_an_error(page):
    outbox = started(page)
    outbox.finish(m.Result("q1", "picture", "complete", "", seconds=float("nan")))
    message = page.sent[0][0]
    assert (message.kind, message.id) == ("error", "q1")
    assert "Result.seconds" in message.message
    outbox.post(m.Result("q2", "settings", "complete", ""))
    with pytest.raises(ProtocolError):
        outbox.post(m.Progress("q1", "picture", 3, 0, None, None, ()))
    assert page.kinds() == ["error", "result"]


def test_send_may_come_back_at_once_and_the_order_holds(page):
    outbox = None

    def answering(content, buffers):
        page(content, buffers)
        if content["kind"] == "tile":
            outbox.ack(content["run"], content["seq"])

    outbox = started(answering)
    for n in range(6):
        add(outbox, n)
    outbox.finish(RESULT)
    assert page.kinds() == ["tile"] * 6 + ["result"]
    assert [tile.seq for tile, _ in page.tiles()] == list(range(6))


def test_no_lock_is_held_while_sending():
    """A comm's own lock, taken by an ack on another thread, must not close a circle."""
    line, order, inside = threading.Lock(), [], threading.Event()

    def send(content, buffers):
        inside.set()
        time.sleep(0.01)
        with line:
            order.append(content["kind"])

    outbox = started(send)
    sender = threading.Thread(target=add, args=(outbox, 1))
    with line:
        sender.start()
        assert inside.wait(5)
        outbox.ack(1, 0)
        outbox.post(m.Result("q2", "settings", "complete", ""))
    sender.join(5)
    assert order == ["tile", "result"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 3)),
        st.tuples(st.just("ack"), st.integers(-1, 12)),
        st.tuples(st.just("frame"), st.just(0)),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("poll"), st.just(0)),
    ),
    max_size=30,
)


@given(STEPS, st.booleans())
@settings(deadline=None)
def test_every_point_arrives_once_in_order_whatever_is_acknowledged(steps, acknowledged):
    page, now, added = Page(), [0.0], []
    outbox = started(page, clock=lambda: now[0])
    for what, number in steps:
        if what in ("add", "frame"):
            points = [(len(added) + n) % 49 for n in range(number)]
            added += points
            add(outbox, *points, frame=FRAME if what == "frame" else None)
        elif what == "ack":
            outbox.ack(1, number)
        else:
            getattr(outbox, what)()
        assert outbox.unacknowledged <= m.MAX_UNACKNOWLEDGED
    outbox.finish(RESULT)
    while acknowledged and page.kinds()[-1] != "result":
        outbox.ack(1, page.tiles()[-1][0].seq)
    now[0] += 5.0
    outbox.poll()
    assert page.points(1) == [(n, n / 2) for n in added]
    assert page.kinds().count("result") == 1
    assert page.kinds()[-1] == "result"
    assert [tile.seq for tile, _ in page.tiles()] == list(range(len(page.tiles())))
    frames = sum(what == "frame" for what, _ in steps) + 1
    assert (1 if page.tiles() else 0) <= sum(tile.frame is not None for tile, _ in page.tiles()) <= frames
