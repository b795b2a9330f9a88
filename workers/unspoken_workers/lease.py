"""Doing one job under its lease: claim, renew, and end it as done, failed, or back in the queue."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine

from unspoken import jobs
from unspoken.errors import Unavailable, UnspokenError
from unspoken.settings import settings
from unspoken.store import database

log = logging.getLogger(__name__)

STOPPING = threading.Event()  # this worker was asked to end; set from a signal handler, so it is only ever looked at
SHOW_S = 1.0  # progress is written at most this often


class LeaseLost(Exception):
    """Another worker has the job now: leave everything as it is."""


class Stopped(Exception):
    """This worker ends: the job goes back into the queue."""


class Lease:
    """Renews a job's lease from a thread of its own, and tells the work when to stop."""

    def __init__(self, engine: Engine, job: jobs.Job) -> None:
        self._engine, self._job = engine, job
        self._progress, self._note = 0.0, ""
        self._lost = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def progress(self, share: float, note: str) -> None:
        """Say how far the work is, 0 … 1. Raises LeaseLost or Stopped when it is to end here."""
        self._progress, self._note = share, note
        self.check()

    def check(self) -> None:
        """Raises LeaseLost or Stopped when the work is to end here."""
        if self._lost.is_set():
            raise LeaseLost(self._job.id)
        if STOPPING.is_set():
            raise Stopped(self._job.id)

    def _renew(self) -> None:
        lease_s = settings().lease_s
        renewed, shown = time.monotonic(), (0.0, "")
        while not self._over.wait(min(SHOW_S, lease_s / 3)):
            now = (self._progress, self._note)
            if now == shown and time.monotonic() - renewed < lease_s / 3:
                continue
            try:
                if not jobs.heartbeat(self._engine, self._job.id, self._job.worker, *now):
                    self._lost.set()
                    return
            except Exception as error:  # the database is away: the lease may still be ours, ask again
                log.warning("The lease of %s could not be renewed: %s", self._job.id, error)
                continue
            renewed, shown = time.monotonic(), now


Work = Callable[[jobs.Job, Lease], Mapping[str, Any]]


@lru_cache(maxsize=1)
def engine() -> Engine:
    """This worker process's database."""
    return database.connect()


def perform(job_id: str, work: Work) -> None:
    """Claim the job, do it, and write how it ended. A job that is not free is left alone."""
    job = jobs.claim(engine(), job_id, jobs.worker_name(os.getpid()))
    if job is None:
        return
    log.info("%s %s begins, attempt %d", job.name, job.id, job.attempts)
    try:
        with Lease(engine(), job) as lease:
            result = work(job, lease)
    except LeaseLost:
        log.warning("%s %s was taken over by another worker", job.name, job.id)
    except Stopped:
        jobs.release(engine(), job)
    except Unavailable as error:
        jobs.release(engine(), job, error.detail)
    except UnspokenError as error:
        log.warning("%s %s failed: %s", job.name, job.id, error.detail)
        # One family that cannot be trained is no reason to leave the other without a model.
        jobs.fail(engine(), job, error.detail, carry_on=job.name == "run.train")
    except Exception as error:
        log.exception("%s %s broke", job.name, job.id)
        jobs.release(engine(), job, f"{type(error).__name__}: {error}")
    else:
        kept = jobs.finish(engine(), job, result)
        log.info("%s %s is done%s", job.name, job.id, "" if kept else ", and another worker has it")
