"""What a page says of other processes."""

from __future__ import annotations

import os

import pytest

from benchmarks import neighbours


@pytest.mark.parametrize(
    ("others", "said"),
    [(3.0, "2.5%"), (0.0, "0.0%"), (60.0, "50.0%")],
)
def test_the_share_of_others_is_what_is_left_of_the_machine(monkeypatch, others, said):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(neighbours, "_all_seconds", iter([1000.0, 1050.0 + others]).__next__)
    monkeypatch.setattr(neighbours, "_own_seconds", iter([10.0, 60.0]).__next__)
    words = neighbours.Neighbours().words(minutes=1.0)
    assert said in words
    assert ("busy" in words) == (others > 6.0)


def test_without_an_account_of_the_machine_times_are_not_to_be_quoted(monkeypatch, tmp_path):
    monkeypatch.setattr(neighbours, "STAT", tmp_path / "absent")
    assert "not to be quoted" in neighbours.Neighbours().words(1.0)
