"""How often something is reported."""

from __future__ import annotations

import math
import time


class Pace:
    """Lets a report through at most every so many seconds.

    >>> pace = Pace(60.0)
    >>> pace.due(), pace.due()
    (True, False)
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last = seconds, -math.inf

    def due(self, now: bool = False) -> bool:
        """Whether it is time for a report, which then counts as made; `now` makes it time."""
        moment = time.monotonic()
        if not now and moment - self._last < self._seconds:
            return False
        self._last = moment
        return True
