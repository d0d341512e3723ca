"""How busy other processes kept the machine during a measurement."""

from __future__ import annotations

import os
import resource
from pathlib import Path

STAT = Path("/proc/stat")
QUIET = 0.05
"""Share of the processor time, used by others, up to which a machine is called quiet."""


class Neighbours:
    """The processor time that is neither this process's nor its ended children's, from its making on."""

    def __init__(self) -> None:
        self._all, self._own = _all_seconds(), _own_seconds()

    def words(self, minutes: float) -> str:
        """What a page says of it, after so many minutes; on systems that do not tell, that."""
        used = _all_seconds()
        if used is None or self._all is None:
            return "What else ran on the machine is not known: times are not to be quoted."
        others = max(0.0, used - self._all - (_own_seconds() - self._own))
        share = others / (60 * minutes * (os.cpu_count() or 1))
        judged = "a quiet machine" if share <= QUIET else "**a busy machine: times are not to be quoted**"
        return f"Other processes took {share:.1%} of its processor time: {judged}."


def _all_seconds() -> float | None:
    """Processor time used by all processes and the kernel since the machine started; None where it is not told."""
    if not STAT.exists():
        return None
    user, nice, system, _, _, irq, softirq = (int(word) for word in STAT.read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
