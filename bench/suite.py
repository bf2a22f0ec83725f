"""Running a suite: every round runs each scenario once, and each round begins with another one.

Results are written after every run. Only a whole comparison becomes the suite's result; a part goes beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from bench.commands import BIN
from bench.group import Group
from bench.machine import ROOT, machine
from bench.measures import MEASURES, written
from bench.quiet import NotQuiet, require_quiet, wait_until_quiet
from bench.records import Sample
from bench.render import text_table
from bench.results import Report, rotated, save
from bench.runner import run_once
from bench.scenarios import DEADLINE_S, Suite

INTERRUPTED = 130
RESULTS = ROOT / "bench" / "results"


def main(suite: Suite, arguments: Sequence[str] | None = None) -> int:
    """Measure as the command line says; exit code 0 when every scenario had a good run, or was skipped."""
    options = _parser(suite).parse_args(arguments)
    chosen = [name for name in suite.names if name in (options.only or suite.names)]
    if missing := _missing(suite):
        print(f"bench: {BIN} has no {', '.join(missing)}; see docs/performance.md", file=sys.stderr)
        return 1
    # What ends the bench ends the cluster of the moment, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    part = RESULTS / f"partial-{suite.name}.json"
    whole = chosen == list(suite.names) and options.rounds >= suite.rounds and options.workers == suite.workers
    whole = whole and not options.busy
    path: Path = options.out or part
    skipped = {name: reason for name in chosen if (reason := suite.scenario(name).skipped())}
    measured = [name for name in chosen if name not in skipped]
    report = _empty(suite, options.rounds, options.workers, skipped)
    try:
        require_quiet(suite.ports)
        for index in range(options.rounds):
            for name in rotated(_due(suite, measured, index), index):
                wait_until_quiet(suite.ports)
                sample = run_once(suite.scenario(name), options.workers, index + 1, idle=not options.busy)
                report = replace(report, samples=(*report.samples, sample))
                save(report, path)
                print(_told(sample, options.rounds), file=sys.stderr, flush=True)
        wait_until_quiet(suite.ports)
        if whole and not options.out:
            path = RESULTS / f"{suite.name}.json"
            os.replace(part, path)
    except NotQuiet as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was measured so far is kept", file=sys.stderr)
        return INTERRUPTED
    finally:
        for name, reason in skipped.items():
            print(f"skipped {name}: {reason}", file=sys.stderr)
        if report.samples:
            _show(report, path)
    return 0 if all(any(sample.ok for sample in report.samples if sample.scenario == name) for name in measured) else 1


def _missing(suite: Suite) -> list[str]:
    """Programs, modules and whatever else is not there."""
    programs = [program for program in suite.programs if not shutil.which(BIN / program)]
    return programs + [module for module in suite.modules if find_spec(module) is None] + suite.absent()


def _empty(suite: Suite, rounds: int, workers: int, skipped: Mapping[str, str]) -> Report:
    return Report(
        machine=machine(),
        settings={"rounds": rounds, "workers": workers, "deadline_s": DEADLINE_S, "control_group": _has_groups()},
        lines=tuple(replace(each.line, skipped=skipped.get(each.name)) for each in suite.scenarios),
        goals=suite.goals,
    )


def _has_groups() -> bool:
    """Whether processor time and memory of a whole stack can be told."""
    group = Group.create()
    if group:
        group.close()
    else:
        print("bench: no control group can be made, so CPU time and memory are not measured", file=sys.stderr)
    return group is not None


def _due(suite: Suite, chosen: Sequence[str], index: int) -> list[str]:
    """The scenarios of one round; some need fewer rounds than the others."""
    rounds = {name: suite.scenario(name).rounds for name in chosen}
    return [name for name, most in rounds.items() if most is None or index < most]


def _told(sample: Sample, rounds: int) -> str:
    values = [f"{MEASURES[name].title} {written(name, value)}" for name, value in sample.values.items()]
    told = ", ".join(values) if sample.ok else f"FAILED: {sample.error}"
    return f"round {sample.round}/{rounds}  {sample.scenario:<17}  {told}"


def _show(report: Report, path: Path) -> None:
    print(text_table(report))
    for warning in report.warnings():
        print(f"Warning: {warning}", file=sys.stderr)
    print(f"results: {path}", file=sys.stderr)


def _parser(suite: Suite) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m bench.{suite.name}", description=sys.modules[__name__].__doc__)
    parser.add_argument(
        "--rounds", type=_positive, default=suite.rounds, help=f"how often each scenario runs (default {suite.rounds})"
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        default=suite.workers,
        help=f"worker nodes beside the head (default {suite.workers})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=f"results as JSON (default {RESULTS.relative_to(ROOT)}/{suite.name}.json; what is not the whole "
        f"comparison goes to partial-{suite.name}.json)",
    )
    parser.add_argument(
        "--busy",
        action="store_true",
        help="beside other work: shows that every scenario runs, and is never the suite's result",
    )
    parser.add_argument("--only", nargs="+", choices=suite.names, metavar="SCENARIO", help=", ".join(suite.names))
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return int(text)
