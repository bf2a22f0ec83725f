"""Every part of a cluster killed and stopped for a while, then crowds, floods and shortages, under load: the costs.

python -m bench.chaos                              what was not measured yet: an interrupted run goes on
python -m bench.chaos --only kill                  a part: kill, stop, bear, killed, held, stock, compose
python -m bench.chaos --only silent kill-redis     some rows
python -m bench.chaos --only killed --rounds 5     every operation until it was killed in five rounds
python -m bench.chaos --minutes 20                 begin nothing after so many
python -m bench.chaos --busy                       beside other work: what fails and what heals, and no seconds
python -m bench.chaos --table                      write docs/reliability.md from what there is
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import suite
from bench.faults.distresses import FLOOD_S
from bench.faults.fault import RATE
from bench.faults.kept import FOLDER, Shelf
from bench.faults.killed import ROUNDS
from bench.faults.lines import PARTS, chosen
from bench.quiet import PORTS, NotQuiet, require_quiet

NAME = "chaos"
SEED = 1
# What is left of the processors has to suffice for them.
BUSY_RATE = 20.0


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 where each row was taken, whatever it says; 1 where one could not be."""
    options = _parser().parse_args(arguments)
    if options.table:
        from bench import table

        return table.main([])
    usual = BUSY_RATE if options.busy else RATE
    options.rate = options.rate or usual
    if options.results == FOLDER and (options.rate, options.flood) != (usual, FLOOD_S):
        print("bench: another rate or flood is no result: say --results FOLDER", file=sys.stderr)
        return 2
    from bench.faults.taking import Asked, Taking  # the databases' clients are not in every environment of the bench

    lines = chosen(options.only, options.flood)
    if options.list:
        print(*(line.name for line in lines), sep="\n")
        return 0
    # What ends the bench ends the cluster of the moment, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asked = Asked(
        options.rate, options.seed, options.workers, options.port_offset, options.rounds, quiet=not options.busy
    )
    try:
        if not options.busy:
            require_quiet(tuple(port + options.port_offset for port in PORTS))
        with Taking(Shelf(options.results), asked, again=options.again, minutes=options.minutes) as taking:
            return 1 if taking.all(lines) else 0
    except NotQuiet as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was taken so far is kept", file=sys.stderr)
        return suite.INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.chaos",
        description=sys.modules[__name__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    names = [*PARTS, *(line.name for line in chosen())]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="rows, or parts of the table")
    parser.add_argument("--list", action="store_true", help="print the rows' names")
    parser.add_argument("--again", action="store_true", help="also what has been measured")
    parser.add_argument("--busy", action="store_true", help="beside other work: no seconds are told")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so many")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each operation killed (default {ROUNDS})")
    parser.add_argument("--flood", type=float, default=FLOOD_S, metavar="SECONDS")
    parser.add_argument("--rate", type=float, help=f"requests a second (default {RATE:g}; {BUSY_RATE:g} with --busy)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--port-offset", type=int, default=0)
    parser.add_argument("--results", type=Path, default=FOLDER, help="the folder with a file for each row")
    parser.add_argument("--table", action="store_true", help="measure nothing; write docs/reliability.md")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
