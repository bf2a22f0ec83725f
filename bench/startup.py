"""Measure how long starting and restarting takes, daybreak and Ray's own commands in turn.

Every round runs each scenario once, and each round begins with another one. Results are written after every run.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.commands import BIN
from bench.machine import ROOT, machine
from bench.quiet import PORTS, NotQuiet, require_quiet, wait_until_quiet
from bench.results import Line, Report, Sample, rotated, save
from bench.runner import DEADLINE_S, run_once
from bench.scenarios import NAMES, SCENARIOS, Scenario, agent_ports
from bench.table import RESULTS, text_table

PARTIAL = RESULTS.with_name("partial.json")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    chosen = [name for name in NAMES if name in (options.only or NAMES)]
    out: Path = options.out or (PARTIAL if options.only else RESULTS)
    missing = [program for program in ("ray", "serve", "daybreak") if not (BIN / program).exists()]
    if missing:
        print(f"bench: {BIN} has no {', '.join(missing)}; run it with the interpreter of `make setup`", file=sys.stderr)
        return 1
    # What ends the bench ends the cluster of the moment, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ports = _ports(chosen, options.workers)
    report = Report(
        machine=machine(),
        settings={"rounds": options.rounds, "workers": options.workers, "deadline_s": DEADLINE_S},
        lines=tuple(Line(scenario.name, scenario.title, scenario.baseline) for scenario in SCENARIOS),
    )
    try:
        require_quiet(ports)
        for index in range(options.rounds):
            for name in rotated(chosen, index):
                wait_until_quiet(ports)
                sample = run_once(_scenario(name), options.workers, index + 1)
                report = replace(report, samples=(*report.samples, sample))
                save(report, out)
                _progress(sample, options.rounds)
        wait_until_quiet(ports)
    except NotQuiet as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was measured so far is kept", file=sys.stderr)
        return 130
    finally:
        if report.samples:
            print(text_table(report))
            for warning in report.warnings():
                print(f"Warning: {warning}", file=sys.stderr)
            print(f"results: {out}", file=sys.stderr)
    return 0 if all(summary.runs > summary.failed for summary in report.summaries()) else 1


def _scenario(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


def _ports(chosen: Sequence[str], workers: int) -> list[int]:
    """Every port that must be free."""
    if "stock-parallel" not in chosen:
        return list(PORTS)
    flags = [flag for node in range(workers + 1) for flag in agent_ports(node)]
    return [*PORTS, *(int(flag.rpartition("=")[2]) for flag in flags)]


def _progress(sample: Sample, rounds: int) -> None:
    times = [
        f"{what} {value:.2f} s"
        for what, value in (("first 200 after", sample.first_200_s), ("all nodes after", sample.all_nodes_s))
        if value is not None
    ]
    told = ", ".join(times) if sample.ok else f"FAILED: {sample.error}"
    print(f"round {sample.round}/{rounds}  {sample.scenario:<16}  {told}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--rounds", type=_positive, default=3, help="how often each scenario runs (default 3)")
    parser.add_argument("--workers", type=_positive, default=3, help="worker nodes beside the head (default 3)")
    parser.add_argument(
        "--out",
        type=Path,
        help=f"results as JSON (default {RESULTS.relative_to(ROOT)}; {PARTIAL.relative_to(ROOT)} with --only)",
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="SCENARIO", help=f"of {', '.join(NAMES)}")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
