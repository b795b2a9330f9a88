"""What privacy needs done by itself: old events removed, and erasures finished that nobody is at work on."""

import logging
from datetime import timedelta

from unspoken.errors import Unavailable, UnspokenError
from unspoken.jobs import erasing
from unspoken.settings import settings
from unspoken.store import retention, segments
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken_workers.app import app
from unspoken_workers.lease import engine

log = logging.getLogger(__name__)


@app.task(name="privacy.upkeep")
def upkeep() -> None:
    """Remove what is older than its project keeps, also from its segments. Two at once remove the same, once.

    A project where that fails keeps no other from it; the task then ends as failed. The next round is within the hour.
    """
    with transaction(engine()) as session:
        erasing.enqueue_forgotten(session)
    with reading(engine()) as session:
        due = retention.due(session)
    failed = []
    for project_id, days in due:
        try:
            _expire(project_id, days)
        except Unavailable as error:  # somebody is reading, or the disk is full
            log.warning("what is too old is not all removed of project %s: %s", project_id, error.detail)
        except Exception:
            log.exception("what is too old is not all removed of project %s", project_id)
            failed.append(project_id)
    if failed:
        raise UnspokenError(f"What was too old is not all removed of {', '.join(failed)}; the log says why.")


def _expire(project_id: str, days: int) -> None:
    at = now()
    counts = retention.expire(engine(), project_id, days, at)
    if counts:
        log.info("removed what was older than %d days: %s", days, counts)
    segments.expire(settings().home, project_id, at - timedelta(days=days), settings().lease_s)
