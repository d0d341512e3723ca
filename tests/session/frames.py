"""A frame for tests of the session."""

from __future__ import annotations

from landscape_widgets.protocol.messages import AxisInfo, Frame

AXIS = AxisInfo("random, seed 0", "filter", "filter-normalised", 0, 2.0, -1.0, 1.0, 7)
FRAME = Frame(AXIS, AXIS, (3, 7), 90.0, 0.5, None, None, None, "a test")
