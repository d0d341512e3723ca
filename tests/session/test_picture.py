"""What a picture says of the time it still takes."""

import types

import pytest

from landscape_widgets.session import picture


def test_only_exact_points_count_for_the_time_left(monkeypatch):
    """Ten exact points in one second, a preview of a minute, ten more points in one second: 0.1 s a point."""
    now = [0.0]
    monkeypatch.setattr(picture.time, "perf_counter", lambda: now[0])
    pace, found = picture._Pace(), []
    for seconds, points in ((5.0, 10), (1.0, 10), (30.0, 0), (30.0, 0), (1.0, 10)):
        now[0] += seconds
        done = points + (found[-1][0] if found else 0)
        surface = types.SimpleNamespace(evaluations=done, done=done, total=100)
        found.append((done, pace.seconds_left(surface)))
    assert found[0][1] is None
    assert [left for _, left in found[1:]] == pytest.approx([8.0, 8.0, 8.0, 7.0])
