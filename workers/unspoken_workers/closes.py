"""Every minute: pages that fell silent are closed."""

import logging

from unspoken.store import closes
from unspoken_workers.app import app
from unspoken_workers.lease import engine

log = logging.getLogger(__name__)


@app.task(name="closes.infer")
def infer() -> None:
    """Write the closes that are due; two workers at once write each of them once."""
    if written := closes.infer(engine()):
        log.info("%d pages fell silent and were closed", written)
