"""Every part of a cluster killed, and stopped for a while, one after the other under load: what each costs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from bench import suite
from bench.commands import Commands
from bench.faults.fault import FAULTS, RATE, Fault, How
from bench.faults.table import told
from bench.faults.victims import VICTIMS
from bench.records import Goal, Limit
from bench.scenarios import Measured, Scenario, Suite
from bench.systems import DAYBREAK

NAME = "chaos"
SEED = 1
GOALS = (
    ("did not heal", "unhealed_count"),
    ("status said ready while requests were not served", "lies_count"),
    ("acknowledged writes that were lost, or cannot be known", "lost_count"),
)


def measure(faults: Sequence[Fault], rate: float, seed: int, commands: Commands, workers: int) -> Measured:
    """One after the other, each when everything is well. Raises RunFailed."""
    from bench.faults.stand import Stand  # the databases' clients are not in every environment of the bench

    stand = Stand(commands, workers, rate, seed)
    stand.up()
    rows = []
    for fault in faults:
        rows.append(row := stand.row(fault))
        print(told(row), file=sys.stderr, flush=True)
    there = [row for row in rows if not row.absent]
    values: dict[str, float] = {
        "faults_count": len(there),
        "requests_count": sum(row.requests_count for row in there),
        "failed_count": sum(row.failed_count for row in there),
        "unhealed_count": sum(row.healthy_s is None for row in there),
        "lies_count": sum(row.lies_count for row in there),
        "lost_count": sum(1 if count is None else count for row in there for count in (row.lost or {}).values()),
    }
    details = {"rows": [row.to_json() for row in rows], "rate": rate, "seed": seed, "clusters": stand.clusters}
    return Measured(values, details=details)


def made(faults: Sequence[Fault], rate: float = RATE, seed: int = SEED) -> Suite:
    """The suite with these faults."""
    title = f"{len(faults)} faults in a row under {rate:g} requests/s"
    goals = tuple(Goal(f"{title}: {what}", NAME, name, 0, limit=Limit.WORST) for what, name in GOALS)
    scenario = Scenario(NAME, title, NAME, DAYBREAK, partial(measure, faults, rate, seed), once=True)
    return Suite(NAME, (scenario,), goals, rounds=1, workers=1, modules=("psycopg", "redis"))


SUITE = made(FAULTS)


def main(arguments: Sequence[str]) -> int:
    """As that of any suite; what has fewer faults, or another rate, than it should is no result of it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--victims", nargs="+", choices=[victim.name for victim in VICTIMS])
    parser.add_argument("--signals", nargs="+", choices=[str(how) for how in How])
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seed", type=int, default=SEED)
    options, rest = parser.parse_known_args(arguments)
    faults = [
        fault
        for fault in FAULTS
        if fault.victim.name in (options.victims or [fault.victim.name]) and fault.how in (options.signals or How)
    ]
    if (len(faults) < len(FAULTS) or options.rate != RATE) and "--out" not in rest:
        rest += ["--out", str(suite.RESULTS / f"partial-{NAME}.json")]
    return suite.main(made(faults, options.rate, options.seed), rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
