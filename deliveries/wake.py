"""Waking the workers. A task carries no data: it says "there may be work", and losing or doubling it changes nothing.

What is due, and who has claimed it, stands in our own tables; `deliveries.running.drain` does the work. The schedule
that `manage.py worker` keeps wakes them once a minute for whatever was missed.
"""

from __future__ import annotations

import logging

from django.db import close_old_connections
from django_q.brokers import get_broker
from django_q.tasks import async_task

logger = logging.getLogger(__name__)

TASK = "deliveries.running.drain.drain"  # by name: whoever wakes the workers knows nothing of their work
WAITING_ENOUGH = 3


def wake() -> None:
    """Ask the workers to look for work. Never raises, and adds nothing when enough tasks wait already."""
    try:
        close_old_connections()
        if get_broker().queue_size() < WAITING_ENOUGH:
            async_task(TASK)
    except Exception:  # a lost one is made good by the schedule
        logger.exception("Could not wake the workers")
