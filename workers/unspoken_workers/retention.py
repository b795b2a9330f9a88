"""What privacy needs done by itself: old events removed, and erasures finished that nobody is at work on."""

import logging
from datetime import timedelta

from unspoken.errors import Unavailable
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
    """Remove what is older than its project keeps, also from its segments. Two at once remove the same, once."""
    with transaction(engine()) as session:
        erasing.enqueue_forgotten(session)
    with reading(engine()) as session:
        due = retention.due(session)
    for project_id, days in due:
        at = now()
        counts = retention.expire(engine(), project_id, days, at)
        if counts:
            log.info("removed what was older than %d days: %s", days, counts)
        try:
            segments.expire(settings().home, project_id, at - timedelta(days=days), settings().lease_s)
        except Unavailable as error:
            log.info("%s", error.detail)  # the next round comes within the hour
