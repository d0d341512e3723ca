from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepping import LONG, hold

from landscape_widgets.session.scheduler import Job, Scheduler


@pytest.fixture(autouse=True, scope="module")
def quiet():
    """The errors are meant; thousands of tracebacks help nobody."""
    logger = logging.getLogger("landscape_widgets.session")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)


ERRORS = st.sampled_from([ValueError, KeyboardInterrupt, SystemExit, StopIteration, GeneratorExit])
PLACES = st.sampled_from(["nowhere", "factory", "step 0", "step 1", "close", "on_step", "on_end"])
KEYS = st.sampled_from("ab")
JOBS = st.fixed_dictionaries(
    {
        "key": KEYS,
        "count": st.integers(0, 4),
        "place": PLACES,
        "error": ERRORS,
        "lazy": st.booleans(),
        "interactive": st.booleans(),
        "urgent": st.booleans(),
        "generator": st.booleans(),
    }
)
ACTIONS = st.tuples(
    st.sampled_from(["main", "thread", "scheduler", "on_step", "on_end"]),
    st.sampled_from(["submit", "cancel", "pause", "resume", "cancel job", "call that raises"]),
    st.integers(0, 5),
    KEYS,
)


def leave():
    raise SystemExit


class Steps:
    """Values, and one error at one place."""

    def __init__(self, plan):
        self.plan, self.taken, self.closed = plan, 0, 0

    def fault(self, place):
        if self.plan["place"] == place:
            raise self.plan["error"](place)

    def generator(self):
        for value in range(self.plan["count"]):
            self.fault(f"step {value}")
            try:
                yield value
            except GeneratorExit:
                self.fault("close")
                raise

    def __iter__(self):
        return self

    def __next__(self):
        self.fault(f"step {self.taken}")
        if self.taken == self.plan["count"]:
            raise StopIteration
        self.taken += 1
        return self.taken - 1

    def close(self):
        self.fault("close")


class Play:
    """Runs one list of actions over one list of jobs, from whichever thread each action names."""

    def __init__(self, plans, actions):
        self.scheduler = Scheduler("property")
        self.ends = Counter()
        self.jobs = [self.make(number, plan) for number, plan in enumerate(plans)]
        self.submitted = set()
        self.lock = threading.Lock()
        self.actions = [action for action in actions if action[0] not in ("on_step", "on_end")]
        self.inner = {place: [action for action in actions if action[0] == place] for place in ("on_step", "on_end")}

    def make(self, number, plan):
        steps = Steps(plan)
        values = steps.generator() if plan["generator"] else steps

        def factory():
            steps.fault("factory")
            return values

        def on_step(value):
            self.react("on_step")
            steps.fault("on_step")

        def on_end(end):
            self.ends[number] += 1
            self.react("on_end")
            steps.fault("on_end")

        given_steps = factory if plan["lazy"] else values
        names = {name: plan[name] for name in ("interactive", "urgent")}
        return Job(plan["key"], given_steps, on_step=on_step, on_end=on_end, **names)

    def react(self, place):
        if self.inner[place]:
            self.act(*self.inner[place].pop()[1:])

    def act(self, what, number, key):
        number %= len(self.jobs)
        if what == "submit":
            with self.lock:
                fresh = number not in self.submitted
                self.submitted.add(number)
            if fresh:
                self.scheduler.submit(self.jobs[number])
        elif what == "cancel job":
            self.scheduler.cancel(self.jobs[number])
        elif what == "call that raises":
            self.scheduler.call(leave)
        else:
            getattr(self.scheduler, what)(key)

    def run(self, held):
        release = hold(self.scheduler) if held else lambda: None
        threads = []
        for place, *action in self.actions:
            if place == "main":
                self.act(*action)
            elif place == "scheduler":
                self.scheduler.call(lambda action=action: self.act(*action))
            else:
                threads.append(threading.Thread(target=self.act, args=action))
                threads[-1].start()
        release()
        for thread in threads:
            thread.join(LONG)
        self.settle()

    def settle(self):
        """Resume whatever is paused, as often as an action still under way pauses it, until all has ended."""
        deadline = time.monotonic() + LONG
        while open_jobs := [n for n in sorted(self.submitted) if self.jobs[n].end is None]:
            assert time.monotonic() < deadline, "a job did not end"
            for number in open_jobs:
                self.scheduler.resume(self.jobs[number])
            with contextlib.suppress(TimeoutError):
                self.jobs[open_jobs[0]].wait(0.005)
        assert self.scheduler.close(LONG)


def check(plan, job, count):
    end = job.end
    assert count == 1, "on_end was called once"
    assert end.state in ("finished", "cancelled", "failed")
    assert (end.error is not None) == (end.state == "failed")
    assert bool(end.reason) or end.state != "cancelled"
    assert end.last is None or 0 <= end.last < plan["count"]
    if plan["place"] == "nowhere":
        assert end.state != "failed"
        assert end.callback_error is None
    if end.state == "finished" and plan["place"] not in ("step 0", "step 1"):
        assert end.last == (plan["count"] - 1 if plan["count"] else None)
    assert job._steps is job._on_step is job._on_end is None


@given(st.lists(JOBS, min_size=1, max_size=6), st.lists(ACTIONS, max_size=14), st.booleans())
@settings(deadline=None, max_examples=250)
def test_every_job_ends_exactly_once(plans, actions, held):
    submits = [("main", "submit", number, "a") for number in range(len(plans))]
    play = Play(plans, submits[: len(plans) // 2] + actions + submits)
    play.run(held)
    for number in range(len(plans)):
        check(plans[number], play.jobs[number], play.ends[number])
    assert play.scheduler._jobs == []


def test_many_threads_at_once():
    scheduler = Scheduler("crowd")
    ends, jobs = Counter(), []
    lock = threading.Lock()

    def crowd(seed):
        generator = random.Random(seed)
        for number in range(60):
            name = (seed, number)
            job = Job(
                generator.choice("abc"),
                iter(range(generator.randrange(4))),
                interactive=generator.random() < 0.5,
                on_end=lambda _, name=name: ends.update([name]),
            )
            with lock:
                jobs.append(job)
            scheduler.submit(job)
            getattr(scheduler, generator.choice(["cancel", "pause", "resume"]))(generator.choice("abc"))

    threads = [threading.Thread(target=crowd, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    for key in "abc":
        scheduler.resume(key)
        scheduler.wait(key, LONG)
    assert scheduler.close(LONG)
    assert len(ends) == len(jobs) == 360
    assert set(ends.values()) == {1}
    assert all(job.end is not None for job in jobs)
