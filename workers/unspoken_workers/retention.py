"""What privacy needs done by itself: old events removed, and erasures finished that nobody is at work on."""

import logging

from unspoken.jobs import erasing
from unspoken.store import retention
from unspoken.store.database import reading, transaction
from unspoken_workers.app import app
from unspoken_workers.lease import engine

log = logging.getLogger(__name__)


@app.task(name="privacy.upkeep")
def upkeep() -> None:
    """Remove what is older than its project keeps. Two at once remove the same, once."""
    with transaction(engine()) as session:
        erasing.enqueue_forgotten(session)
    with reading(engine()) as session:
        due = retention.due(session)
    for project_id, days in due:
        counts = retention.expire(engine(), project_id, days)
        if counts:
            log.info("removed what was older than %d days: %s", days, counts)
