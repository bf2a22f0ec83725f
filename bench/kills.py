"""`up`, `restart`, `scale` and `down` killed at random moments: the command, the keeper, or both.

    python -m bench.kills --seed 1 --rounds 50
    python -m bench.kills --seed 1 --rounds 50 --only restart --only down --port-offset 300

Each round ends with `up`, which must serve, and `down`, which must leave nothing. A line of JSON tells of each; the
exit code is 1 where one of them went wrong: then the cluster's state is kept beside, and the next round begins.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from bench.killing.cluster import Cluster, Failed
from bench.killing.kills import SUBJECTS, kills
from bench.killing.trial import Outcome, round_of, usual


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.kills", allow_abbrev=False)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--first", type=int, default=1, help="the number of the round to begin with")
    parser.add_argument("--only", action="append", default=[], choices=[subject.name for subject in SUBJECTS])
    parser.add_argument("--port-offset", type=int, default=5300)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no round after so many")
    parser.add_argument("--out", type=Path, help="a file to which each round's line is added")
    options = parser.parse_args(arguments)
    # What ends the rounds ends their cluster, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = list(
        islice(kills(options.seed, tuple(options.only)), options.first - 1, options.first - 1 + options.rounds)
    )
    folder = Path(tempfile.mkdtemp(prefix="dbk"))
    began_s, done, faults = time.monotonic(), 0, 0
    cluster = Cluster(folder, options.port_offset)
    try:
        took = {subject: usual(cluster, subject) for subject in {kill.subject for kill in wanted}}
        for kill in wanted:
            if time.monotonic() - began_s > options.seconds:
                break
            _say(
                f"{kill.number}: {kill.subject.name}, {kill.victim}, at {kill.share:.0%} of {took[kill.subject]:.1f} s"
            )
            outcome = round_of(cluster, kill, took[kill.subject], _say)
            done += 1
            _record(outcome, options.out)
            if outcome.fault:
                faults += 1
                shutil.copytree(
                    cluster.home, f"{folder}-round-{kill.number}", ignore=_data, ignore_dangling_symlinks=True
                )
                cluster.run("down")
    finally:
        try:
            cluster.run("down", "--volumes", "--yes")
            cluster.require_nothing_left()
            shutil.rmtree(folder, ignore_errors=True)
        except Failed as failed:
            _say(f"{folder} is kept: {failed}")
    print(f"{done} rounds with seed {options.seed}: {faults} went wrong")
    return 1 if faults else 0


def _record(outcome: Outcome, out: Path | None) -> None:
    line = json.dumps(outcome.to_json())
    print(line, flush=True)
    if out:
        with out.open("a") as file:
            file.write(line + "\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _data(_: str, names: list[str]) -> list[str]:
    """What is of no use to whoever looks for the fault."""
    return [name for name in names if name in ("data", "ray", "warm", "secrets")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
