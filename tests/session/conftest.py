from __future__ import annotations

import pytest

from landscape_widgets.session.scheduler import Scheduler


@pytest.fixture
def scheduler():
    made = Scheduler("test-scheduler")
    yield made
    assert made.close(10.0), "the scheduler's thread did not end"
