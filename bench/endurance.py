"""A hundred restarts in a row, ways mixed, under load: what is lost, and what grows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from bench import suite
from bench.enduring.growth import HELD
from bench.enduring.trial import measure
from bench.records import Goal, Limit
from bench.scenarios import Scenario, Suite
from bench.systems import DAYBREAK

RESTARTS = 100
NAME = "endurance"


def made(restarts: int) -> Suite:
    """The suite with so many restarts."""
    title = f"{restarts} restarts in a row, ways mixed"
    goals = (
        Goal(f"{title}: requests failed or cut", NAME, "failed_count", 0, limit=Limit.WORST),
        *(
            Goal(f"{title}: growth, {held.title}", NAME, held.measure, held.most, limit=Limit.WORST)
            for held in HELD
            if held.most is not None
        ),
    )
    scenario = Scenario(NAME, title, NAME, DAYBREAK, partial(measure, restarts), once=True, timed=False)
    return Suite(NAME, (scenario,), goals, rounds=1, workers=1)


SUITE = made(RESTARTS)


def main(arguments: Sequence[str]) -> int:
    """As that of any suite; what has fewer restarts than it should is no result of it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--restarts", type=int, default=RESTARTS)
    options, rest = parser.parse_known_args(arguments)
    if options.restarts < RESTARTS and "--out" not in rest:
        rest += ["--out", str(suite.RESULTS / f"partial-{NAME}.json")]
    return suite.main(made(options.restarts), rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
