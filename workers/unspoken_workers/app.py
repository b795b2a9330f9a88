"""The Celery application: `celery -A unspoken_workers.app worker -Q data,gpu,upkeep --pool solo`."""

from celery import Celery
from celery.signals import beat_init, celeryd_init, worker_shutting_down

from unspoken import jobs, lifetime
from unspoken.jobs.broker import broker_settings
from unspoken.settings import settings
from unspoken_workers import lease

TICK_S = 5.0
RETENTION_S = 3600.0  # its unit is days

TASKS = ("pairs", "training", "reports", "upkeep", "erasure", "retention", "closes")

app = Celery("unspoken_workers", include=[f"unspoken_workers.{name}" for name in TASKS])
app.conf.update(broker_settings(settings()))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    # Tasks run in the main thread, which then cannot answer a broker's own heartbeats; the lease has one of its own.
    broker_heartbeat=0,
    # What is late is repeated anyway: a worker that was busy need not catch up on sweeps.
    beat_schedule={
        "jobs.sweep": {
            "task": "jobs.sweep",
            "schedule": settings().sweep_s,
            "options": {"queue": jobs.UPKEEP, "expires": settings().sweep_s},
        },
        "events.fold": {
            "task": "events.fold",
            "schedule": settings().upkeep_s,
            "options": {"queue": jobs.UPKEEP, "expires": settings().upkeep_s},
        },
        "schedules.tick": {
            "task": "schedules.tick",
            "schedule": TICK_S,
            "options": {"queue": jobs.UPKEEP, "expires": TICK_S},
        },
        "closes.infer": {
            "task": "closes.infer",
            "schedule": settings().upkeep_s,
            "options": {"queue": jobs.UPKEEP, "expires": settings().upkeep_s},
        },
        "privacy.upkeep": {
            "task": "privacy.upkeep",
            "schedule": RETENTION_S,
            "options": {"queue": jobs.UPKEEP, "expires": RETENTION_S},
        },
    },
)


@celeryd_init.connect
@beat_init.connect
def _bind(**_: object) -> None:
    lifetime.bind()


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    lease.STOPPING.set()
