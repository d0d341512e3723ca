from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import weakref

import pytest
from stepping import LONG, hold, numbers, run_together

from landscape_widgets.errors import LandscapeError
from landscape_widgets.session.scheduler import Job, Scheduler, default_scheduler

# ---------------------------------------------------------------- supersede, cancel, pause


def test_the_latest_of_a_key_wins(scheduler):
    ends = []
    jobs = [Job("a", numbers(3), on_end=lambda end, n=n: ends.append((n, end.state, end.reason))) for n in range(4)]
    run_together(scheduler, *jobs)
    assert ends == [(n, "cancelled", "superseded") for n in range(3)] + [(3, "finished", "")]


def test_a_running_job_is_superseded_between_steps_and_keeps_its_last_value(scheduler):
    later = Job("a", numbers(1))
    first = Job("a", numbers(5), on_step=lambda value: scheduler.submit(later) if value == 1 else None)
    end = scheduler.submit(first).wait(LONG)
    assert (end.state, end.reason, end.last) == ("cancelled", "superseded", 1)
    assert later.wait(LONG).state == "finished"


def test_cancelling_before_the_first_step_never_calls_the_factory(scheduler):
    called = []
    release = hold(scheduler)
    job = scheduler.submit(Job("a", lambda: called.append(1) or numbers(1)))
    assert scheduler.cancel("a")
    assert not scheduler.cancel("a")
    release()
    assert job.wait(LONG).state == "cancelled"
    assert called == []


def test_cancel_of_an_old_handle_spares_the_successor(scheduler):
    release = hold(scheduler)
    old = scheduler.submit(Job("a", numbers(1)))
    new = scheduler.submit(Job("a", numbers(1)))
    assert not scheduler.cancel(old)
    release()
    assert old.wait(LONG).reason == "superseded"
    assert new.wait(LONG).state == "finished"


def test_submit_and_cancel_do_not_wait_for_a_running_step(scheduler):
    release = hold(scheduler)
    began = time.perf_counter()
    job = scheduler.submit(Job("a", numbers(1)))
    scheduler.cancel("a")
    scheduler.call(lambda: None)
    assert time.perf_counter() - began < 0.05
    release()
    job.wait(LONG)


def test_a_paused_job_takes_no_step_until_resumed(scheduler):
    seen, paused = [], threading.Event()

    def on_step(value):
        seen.append(value)
        if value == 1:
            scheduler.pause("a")
            paused.set()

    job = scheduler.submit(Job("a", numbers(4), on_step=on_step))
    assert paused.wait(LONG)
    assert scheduler.submit(Job("b", numbers(3))).wait(LONG).state == "finished"
    with pytest.raises(TimeoutError):
        job.wait(0.02)
    assert seen == [0, 1]
    assert scheduler.resume("a")
    assert job.wait(LONG).last == 3
    assert not scheduler.pause("a")


@pytest.mark.parametrize("stop", ["cancel", "supersede", "close"])
def test_a_paused_job_can_be_stopped(scheduler, stop):
    release = hold(scheduler)
    job = scheduler.submit(Job("a", numbers(2)))
    scheduler.pause(job)
    release()
    if stop == "cancel":
        scheduler.cancel(job)
    elif stop == "supersede":
        scheduler.submit(Job("a", numbers(1)))
    else:
        scheduler.close(LONG)
    assert job.wait(LONG).state == "cancelled"


# ---------------------------------------------------------------- order


def order_of_steps(scheduler, *jobs):
    order = []
    for job in jobs:
        given = job._on_step

        def on_step(value, job=job, given=given):
            order.append(f"{job.key}{value}")
            if given is not None:
                given(value)

        job._on_step = on_step
    run_together(scheduler, *jobs)
    return " ".join(order)


def test_jobs_take_turns_newest_interactive_first_then_background_by_age(scheduler):
    jobs = [
        Job("a", numbers(2)),
        Job("b", numbers(2), interactive=True),
        Job("c", numbers(2)),
        Job("d", numbers(2), interactive=True),
    ]
    assert order_of_steps(scheduler, *jobs) == "d0 b0 a0 c0 d1 b1 a1 c1"


def test_the_newest_interactive_job_runs_alone_while_urgent(scheduler):
    urgent = Job("d", numbers(4), interactive=True, urgent=True)
    urgent._on_step = lambda value: setattr(urgent, "urgent", value < 1)
    jobs = [Job("a", numbers(2)), Job("b", numbers(2), interactive=True, urgent=True), urgent]
    assert order_of_steps(scheduler, *jobs) == "d0 d1 d2 b0 a0 d3 b1 a1"


def test_a_paused_urgent_job_lets_the_others_run(scheduler):
    release = hold(scheduler)
    urgent = scheduler.submit(Job("u", numbers(2), interactive=True, urgent=True))
    other = scheduler.submit(Job("a", numbers(2)))
    scheduler.pause(urgent)
    release()
    assert other.wait(LONG).state == "finished"
    scheduler.resume(urgent)
    assert urgent.wait(LONG).state == "finished"


def test_a_background_job_is_not_starved(scheduler):
    background = Job("b", numbers(3))
    endless = Job("a", iter(int, 1), interactive=True)
    background._on_end = lambda _: scheduler.cancel(endless)
    run_together(scheduler, background, endless)
    assert background.end.state == "finished"


# ---------------------------------------------------------------- call, call_later


def test_a_call_runs_before_the_next_step_and_its_error_is_logged(scheduler, caplog):
    order = []

    def fail():
        order.append("call")
        raise SystemExit

    def on_step(value):
        order.append(value)
        if value == 0:
            scheduler.call(fail)
            scheduler.call(lambda: order.append("second"))

    scheduler.submit(Job("a", numbers(2), on_step=on_step)).wait(LONG)
    assert order == [0, "call", "second", 1]
    assert "a function given to the scheduler failed" in caplog.text


def test_a_call_that_calls_again_lets_jobs_run(scheduler):
    job = Job("a", numbers(3))

    def again():
        if job.end is None:
            scheduler.call(again)

    scheduler.call(again)
    assert scheduler.submit(job).wait(LONG).state == "finished"


def test_call_later_runs_in_order_of_time(scheduler):
    order, done = [], threading.Event()
    scheduler.call_later(0.04, lambda: (order.append("late"), done.set()))
    scheduler.call_later(0.0, lambda: order.append("early"))
    scheduler.call_later(1e9, lambda: order.append("never"))
    assert done.wait(LONG)
    assert order == ["early", "late"]


# ---------------------------------------------------------------- life of the scheduler


def test_nothing_of_an_ended_job_is_held(scheduler):
    class Model:
        def steps(self):
            yield self

        def on_step(self, value):
            pass

        def on_end(self, end):
            pass

        def fail(self):
            raise ValueError(self)

    model = Model()
    job = scheduler.submit(Job("a", model.steps(), on_step=lambda _: None, on_end=model.on_end))
    job.wait(LONG)
    failing = scheduler.submit(Job("b", model.fail))
    failing.wait(LONG)
    scheduler.submit(Job("c", iter([1]))).wait(LONG)
    alive = [weakref.ref(thing) for thing in (model, job, failing)]
    del model, job, failing
    gc.collect()
    assert [reference() for reference in alive] == [None] * 3


def test_a_handle_holds_no_callback_once_it_has_ended(scheduler):
    class Listener:
        def __call__(self, value):
            pass

    listener = Listener()
    job = scheduler.submit(Job("a", numbers(1), on_step=listener, on_end=listener))
    job.wait(LONG)
    gone = weakref.ref(listener)
    del listener
    gc.collect()
    assert gone() is None
    assert job.end.last == 0


def test_close_ends_every_job_and_refuses_new_ones():
    scheduler = Scheduler()
    release = hold(scheduler)
    jobs = [scheduler.submit(Job(key, numbers(3))) for key in "abc"]
    scheduler.pause("b")
    threading.Timer(0.02, release).start()
    assert scheduler.close(LONG)
    assert [job.end.reason for job in jobs] == ["closed"] * 3
    for use in (lambda: scheduler.submit(Job("d", numbers(1))), lambda: scheduler.call(print)):
        with pytest.raises(LandscapeError, match="closed"):
            use()
    assert scheduler.close()


def test_close_of_an_unused_scheduler_and_from_its_own_thread():
    assert Scheduler().close()
    scheduler = Scheduler()
    answers = []
    job = scheduler.submit(Job("a", numbers(5), on_step=lambda _: answers.append(scheduler.close())))
    assert job.wait(LONG).reason == "closed"
    assert answers == [False]
    assert scheduler.close(LONG)


def test_the_thread_is_a_daemon_started_at_the_first_submit():
    scheduler = Scheduler("late-start")
    named = lambda: [thread for thread in threading.enumerate() if thread.name == "late-start"]  # noqa: E731
    assert named() == []
    scheduler.submit(Job("a", numbers(1))).wait(LONG)
    assert [thread.daemon for thread in named()] == [True]
    scheduler.close(LONG)
    assert named() == []


def test_the_default_scheduler_is_one_until_it_is_closed():
    first = default_scheduler()
    assert default_scheduler() is first
    first.close(LONG)
    second = default_scheduler()
    assert second is not first
    assert second.submit(Job("a", numbers(1))).wait(LONG).state == "finished"
    second.close(LONG)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_afresh(scheduler):
    release = hold(scheduler)
    job = scheduler.submit(Job("a", numbers(1)))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            lost = job.wait(1)
            fresh = scheduler.submit(Job("a", numbers(3))).wait(5)
            default = default_scheduler().submit(Job("a", numbers(2))).wait(5)
            code = 0 if (lost.reason, fresh.last, default.last) == ("forked", 2, 1) else 2
        finally:
            os._exit(code)
    release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert job.wait(LONG).state == "finished"


def test_the_scheduler_imports_no_torch():
    source = subprocess.run(
        [
            sys.executable,
            "-c",
            "import landscape_widgets.session.scheduler, sys; print('torch' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert source.stdout.strip() == "False"
