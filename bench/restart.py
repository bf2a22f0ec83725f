"""What becomes of requests while a cluster is restarted, scaled or given new code, good and bad, in every way there
is."""

from __future__ import annotations

import sys
from functools import partial

from bench.records import Goal, Limit
from bench.restarts.code import Change
from bench.restarts.events import CANARY, EVENTS, NAMES, ROLLBACK, ROLLBACK_KEPT, SCALE, Event, Way, restart
from bench.restarts.trial import measure
from bench.scenarios import Scenario, Suite
from bench.suite import main


def scenario(event: Event) -> Scenario:
    return Scenario(
        event.name, event.title, event.baseline, event.system, partial(measure, event), skipped=event.skipped
    )


def none_failed(event: Event) -> Goal:
    """In no run."""
    return Goal(f"{event.title}: requests failed or cut", event.name, "failed_count", 0, limit=Limit.WORST)


def at_most(event: Event, what: str, measured: str, most: float, limit: Limit = Limit.MEDIAN) -> Goal:
    return Goal(f"{event.title}: {what}", event.name, measured, most, limit=limit)


REDEPLOY, REPLACE, IN_PLACE = (restart(way, Change.NEW) for way in Way)
GOALS = (
    *(none_failed(restart(way, change)) for change in NAMES for way in Way),
    *map(none_failed, (CANARY, ROLLBACK, ROLLBACK_KEPT, SCALE)),
    at_most(REDEPLOY, "first answer of the new code", "new_code_s", 2.5),
    at_most(REDEPLOY, "slowest answer", "slowest_s", 0.5, Limit.WORST),
    at_most(REDEPLOY, "99th percentile, beside before", "p99_ratio", 3.0),
    at_most(REPLACE, "first answer of the new code, beside a warm `daybreak up`", "warm_up_ratio", 1.3),
    at_most(IN_PLACE, "slowest answer, beside the command's time", "held_ratio", 1.2),
    at_most(ROLLBACK_KEPT, "first answer of the old code", "new_code_s", 1.0),
)

SUITE = Suite("restart", tuple(map(scenario, EVENTS)), GOALS, workers=1)

if __name__ == "__main__":
    sys.exit(main(SUITE))
