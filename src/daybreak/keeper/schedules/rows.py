"""How `status` shows a scheduled service: when it runs next, and how its last run ended. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from daybreak.keeper.schedules.book import Entry
from daybreak.services.service import Schedule
from daybreak.show.text import ago
from daybreak.spec.cron import zone
from daybreak.states import Health, ServiceState
from daybreak.timeline.status import ServiceStatus


def scheduled(row: ServiceStatus, entry: Entry, schedule: Schedule, now: float) -> ServiceStatus:
    """The row of a service that is not stopped."""
    last = entry.last
    running = last is not None and last.ended is None
    words = ["a run goes on"] if running else []
    if entry.next is not None:
        at = datetime.fromtimestamp(entry.next, zone(schedule.timezone))
        words.append(" ".join(filter(None, (f"next {at:%a %d %b %H:%M}", schedule.timezone))))
    if last and last.ended is not None:
        words.append(f"last: {last.told()}, {ago(last.began, now)}")
    told = {"next": entry.next, "last": last.to_json() if last else None}
    state = ServiceState.READY if running else ServiceState.SCHEDULED
    started = last.began if last and running else None
    return replace(
        row,
        state=state,
        health=Health.HEALTHY if running else Health.NOT_CHECKED,
        reason="; ".join(words),
        schedule=told,
        started=started,
        pid=row.pid if running else None,
    )
