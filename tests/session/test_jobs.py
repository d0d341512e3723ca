from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time

import pytest
from stepping import LONG, hold, numbers

from landscape_widgets.errors import LandscapeError
from landscape_widgets.session.scheduler import Job

# ---------------------------------------------------------------- one job


def test_a_job_finishes_with_its_last_value(scheduler):
    steps, ends = [], []
    end = scheduler.submit(Job("a", numbers(3), on_step=steps.append, on_end=ends.append)).wait(LONG)
    assert (end.state, end.last, end.reason, end.error, end.callback_error) == ("finished", 2, "", None, None)
    assert steps == [0, 1, 2]
    assert ends == [end]


def test_a_job_of_no_steps_finishes(scheduler):
    end = scheduler.submit(Job("a", iter(()))).wait(LONG)
    assert (end.state, end.last) == ("finished", None)


def test_a_factory_runs_on_the_schedulers_thread(scheduler):
    threads = []

    def factory():
        threads.append(threading.current_thread().name)
        return numbers(2)

    assert scheduler.submit(Job("a", factory)).wait(LONG).last == 1
    assert threads == ["test-scheduler"]


def test_all_callbacks_run_on_the_schedulers_thread(scheduler):
    names = []
    record = lambda _: names.append(threading.current_thread().name)  # noqa: E731
    release = hold(scheduler)
    first = scheduler.submit(Job("a", numbers(1), on_step=record, on_end=record))
    scheduler.submit(Job("a", numbers(1), on_step=record, on_end=record))
    scheduler.cancel("a")
    release()
    first.wait(LONG)
    scheduler.wait("a", LONG)
    assert set(names) == {"test-scheduler"}
    assert len(names) == 2


class Faulty:
    """An iterator of three values that raises at one place."""

    def __init__(self, place, error):
        self.place, self.error, self.count = place, error, 0

    def fault(self, place):
        if self.place == place:
            raise self.error

    def __iter__(self):
        return self

    def __next__(self):
        self.fault(f"step {self.count}")
        self.count += 1
        if self.count > 3:
            raise StopIteration
        return self.count

    def close(self):
        self.fault("close")


ERRORS = [ValueError("bad"), KeyboardInterrupt(), SystemExit(3), GeneratorExit(), StopIteration(), MemoryError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", ["factory", "step 0", "step 2", "on_step", "on_end", "close"])
def test_whatever_is_raised_where_the_job_ends_once(scheduler, place, error, caplog):
    caplog.set_level(logging.CRITICAL)
    faulty = Faulty(place, error)
    ends = []

    def factory():
        faulty.fault("factory")
        return faulty

    def on_step(value):
        if value == 3:
            faulty.fault("on_step")
            if place == "close":
                scheduler.cancel("a")

    def on_end(end):
        ends.append(end)
        faulty.fault("on_end")

    end = scheduler.submit(Job("a", factory, on_step=on_step, on_end=on_end)).wait(LONG)
    assert len(ends) == 1
    if place == "on_end":
        assert (end.state, end.callback_error, end.last) == ("finished", error, 3)
    elif place.startswith("step") and isinstance(error, StopIteration):
        assert end.state == "finished"
    else:
        assert (end.state, end.error) == ("failed", error)
        assert end.last == {"factory": None, "step 0": None, "step 2": 2, "on_step": 3, "close": 3}[place]
    assert scheduler.submit(Job("b", numbers(2))).wait(LONG).last == 1


def test_the_iterator_is_closed_before_the_end_is_told(scheduler):
    order = []

    def steps():
        try:
            while True:
                yield 1
        finally:
            order.append("closed")

    job = Job("a", steps(), on_step=lambda _: scheduler.cancel("a", "enough"), on_end=lambda _: order.append("end"))
    end = scheduler.submit(job).wait(LONG)
    assert (end.state, end.reason, end.last) == ("cancelled", "enough", 1)
    assert order == ["closed", "end"]


def test_a_generator_that_will_not_close_fails(scheduler):
    def stubborn():
        while True:
            try:
                yield 1
            except GeneratorExit:
                yield 2

    end = scheduler.submit(Job("a", stubborn(), on_step=lambda _: scheduler.cancel("a"))).wait(LONG)
    assert end.state == "failed"
    assert isinstance(end.error, RuntimeError)


def test_a_job_is_submitted_once(scheduler):
    job = scheduler.submit(Job("a", numbers(1)))
    with pytest.raises(LandscapeError, match="submitted before"):
        scheduler.submit(job)
    assert job.wait(LONG).state == "finished"
    with pytest.raises(LandscapeError, match="submitted before"):
        scheduler.submit(job)


# ---------------------------------------------------------------- waiting


def test_waiting_on_the_schedulers_own_thread_is_refused(scheduler):
    refused = []

    def on_step(_):
        assert scheduler.on_own_thread
        for wait in (lambda: job.wait(1), lambda: scheduler.wait("a"), lambda: asyncio.run(job.wait_async())):
            with pytest.raises(LandscapeError, match="wait for itself") as caught:
                wait()
            refused.append(caught.value)

    job = Job("a", numbers(1), on_step=on_step)
    assert scheduler.submit(job).wait(LONG).state == "finished"
    assert len(refused) == 3
    assert not scheduler.on_own_thread


def test_waiting_for_what_has_ended_is_allowed_everywhere(scheduler):
    job = scheduler.submit(Job("a", numbers(1)))
    job.wait(LONG)
    ends = []
    scheduler.submit(Job("b", numbers(1), on_step=lambda _: ends.append(job.wait(0)))).wait(LONG)
    assert ends == [job.end]


def test_waiting_by_key_follows_the_successor(scheduler):
    release = hold(scheduler)
    states = []
    successor = Job("a", iter([7]), on_end=lambda end: states.append(end.state))
    scheduler.submit(Job("a", numbers(1), on_end=lambda _: scheduler.submit(successor)))
    waiter = threading.Thread(target=lambda: states.append(scheduler.wait("a", LONG).state))
    waiter.start()
    time.sleep(0.01)
    release()
    waiter.join(LONG)
    assert states == ["finished", "finished"]
    assert scheduler.wait("a", 0) is None


def test_a_wait_times_out_and_the_job_goes_on(scheduler):
    release = hold(scheduler)
    job = scheduler.submit(Job("a", numbers(1)))
    with pytest.raises(TimeoutError):
        job.wait(0)
    with pytest.raises(TimeoutError):
        scheduler.wait("a", 0.01)
    release()
    assert job.wait(LONG).state == "finished"


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_sigint_interrupts_a_wait_and_not_the_job(scheduler):
    release = hold(scheduler)
    job = scheduler.submit(Job("a", numbers(2)))
    main = threading.main_thread().ident
    timer = threading.Timer(0.03, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        job.wait(LONG)
    timer.join()
    release()
    assert job.wait(LONG).state == "finished"


def test_any_loop_may_await_and_giving_up_harms_nobody(scheduler):
    release = hold(scheduler)
    job = scheduler.submit(Job("a", numbers(2)))
    ends = []

    async def give_up():
        await asyncio.wait_for(job.wait_async(), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    waiters = [threading.Thread(target=lambda: ends.append(asyncio.run(job.wait_async()))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    release()
    for waiter in waiters:
        waiter.join(LONG)
    assert ends == [job.end] * 3
    assert asyncio.run(job.wait_async()) is job.end
