"""The broker carries hints that there are jobs. Celery sends them by name: the tasks are the workers' code."""

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from unspoken.errors import BadInput, Unavailable
from unspoken.settings import Settings, settings

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)


class Hint(NamedTuple):
    """What a broker message says: there is a job."""

    id: str
    name: str
    queue: str


def hint(hints: list[Hint]) -> None:
    """Tell the broker; a broker that is away is logged, not raised, for the sweep will say it again."""
    try:
        for each in hints:
            producer().send_task(each.name, args=[each.id], queue=each.queue, retry=False, ignore_result=True)
    except Exception as error:  # whatever a transport raises: the row is committed, so the request has succeeded
        log.warning("The broker did not take a hint (%s); the sweep will repeat it.", error)


def check() -> None:
    """Reach the settings' broker once; BadInput for a URL of no known kind, Unavailable when nothing answers there."""
    url = settings().broker
    try:
        with producer().connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)
    except ImportError as error:
        raise BadInput("A broker on Redis needs the extra: pip install 'unspoken[redis]'.") from error
    except KeyError as error:
        raise BadInput(
            f"{url.partition('://')[0]!r} is no broker that Celery knows; use redis://host:6379/0 or amqp://user@host "
            "(UNSPOKEN_BROKER_URL), or leave it empty for a broker made of files."
        ) from error
    except Exception as error:  # each transport has its own
        raise Unavailable(
            f"The broker of UNSPOKEN_BROKER_URL cannot be reached: {error}. Is it running?",
            public="The broker of UNSPOKEN_BROKER_URL cannot be reached.",
        ) from error


@lru_cache(maxsize=1)
def producer() -> "Celery":
    """A Celery application that only sends, by name: the tasks themselves are the workers' code."""
    from celery import Celery

    app = Celery("unspoken", set_as_current=False)
    app.conf.update(broker_settings(settings()))
    return app


def broker_settings(chosen: Settings) -> dict[str, Any]:
    """Celery's settings of the broker; makes the folders of the filesystem broker."""
    common = {
        "broker_url": chosen.broker,
        "broker_connection_timeout": 2.0,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
    }
    if not chosen.broker.startswith("filesystem"):
        # A request that enqueues must not hang on a broker that is away.
        patience = {"socket_connect_timeout": 2.0, "max_retries": 1, "interval_start": 0.0, "interval_max": 0.2}
        return common | {"broker_transport_options": patience if "redis" in chosen.broker else {}}
    messages, control = (chosen.home.absolute() / "broker" / name for name in ("messages", "control"))
    messages.mkdir(parents=True, exist_ok=True)
    control.mkdir(exist_ok=True)
    options = {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        "polling_interval": 0.05,  # the default of 1 s would be most of a small job's time
    }
    return common | {"broker_transport": "unspoken.jobs.files:Transport", "broker_transport_options": options}
