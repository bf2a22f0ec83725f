"""Which process of a cold start burns what, and what the start waited for: `python -m bench.profile`.

The sum of the processor time over the cores is the floor: a start that keeps every core busy cannot be faster.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.commands import Commands, RunFailed
from bench.group import Group, pss_of
from bench.machine import ROOT, machine
from bench.measure import all_nodes, first_response
from bench.quiet import NotQuiet, require_quiet, wait_until_quiet
from bench.scenarios import DEADLINE_S
from bench.startup import SUITE, WORKERS
from bench.systems import DAYBREAK, TRIVIAL
from bench.timing import IDLE_S

RESULT = ROOT / "bench" / "results" / "profile.json"
ROUNDS = 5
TICKS = os.sysconf("SC_CLK_TCK")
ENDED = "what has ended by then: the command, Serve's deployment"
# The first that is found in a process's command line; its title may be set later than it burns.
KINDS = (
    ("launchers", r"/warm/stand |^\S*python\S* -IS \S*/warm/bin/python "),
    ("`ray start`, and what watches the nodes", r"programs/node/(start|watch)\.py"),
    ("the keeper", r"daybreak\.keeper"),
    ("the template", r"warm/template\.py"),
    ("Serve's deployment", r"programs/deploy/deploy\.py"),
    ("GCS", r"gcs/gcs_server"),
    ("raylets", r"raylet/raylet "),
    ("agents", r"^ray::DashboardAgent|dashboard/agent\.py"),
    ("runtime environment agents", r"^ray::RuntimeEnvAgent|runtime_env/agent/main\.py"),
    ("log monitor", r"log_monitor\.py"),
    (
        "dashboard and its modules",
        r"ray-dashboard-|dashboard/dashboard\.py|multiprocessing\.(forkserver|resource_tracker)",
    ),
    ("HAProxy", r"haproxy -db|bin/haproxy"),
    ("Serve: controller", r"^ray::ServeController"),
    ("Serve: replica", r"^ray::ServeReplica"),
    ("Serve: HAProxy's manager, fallback proxy", r"^ray::(HAProxyManager|ProxyActor)"),
    ("workers", r"default_worker\.py|^ray::"),
)
OTHER = "others"

Kind = dict[str, float]


def kind_of(command: str) -> str:
    """What a process is, by its command line."""
    return next((kind for kind, pattern in KINDS if re.search(pattern, command)), OTHER)


def measure(commands: Commands, group: Group, workers: int) -> dict[str, Any]:
    """One cold start: seconds and processor time at both moments, by kind of process; then memory when it is idle."""
    commands.allow(DEADLINE_S)
    began = time.monotonic()
    with (
        first_response(None, group.cpu_s) as answered,
        all_nodes(workers + 1, commands.daybreak_home, group.cpu_s, page=True) as joined,
    ):
        DAYBREAK.start(commands, workers, TRIVIAL)
        first_200_s = answered.wait(commands) - began
        all_nodes_s = joined.wait(commands) - began
    by_kind = cpu_by_kind(group)
    stats = json.loads(commands.run("daybreak", "perf", "stats", "--json").output())
    time.sleep(IDLE_S)
    return {
        "first_200_s": first_200_s,
        "all_nodes_s": all_nodes_s,
        "first_200_cpu_s": answered.metered,
        "all_nodes_cpu_s": joined.metered,
        "cpu_s": by_kind,
        "pss_bytes": pss_by_kind(group),
        "processes": counted(group),
        "chain": stats["critical_chain"]["chain"],
    }


def cpu_by_kind(group: Group) -> Kind:
    """Seconds of user and system time so far; what is missing of the sum was burnt by processes that have ended."""
    found: defaultdict[str, float] = defaultdict(float)
    for pid, command in _commands(group):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[kind_of(command)] += (int(fields[11]) + int(fields[12])) / TICKS
    return {**found, ENDED: max(0.0, group.cpu_s() - sum(found.values()))}


def pss_by_kind(group: Group) -> Kind:
    found: defaultdict[str, float] = defaultdict(float)
    for pid, command in _commands(group):
        try:
            found[kind_of(command)] += pss_of(Path(f"/proc/{pid}/smaps_rollup").read_text())
        except OSError:
            continue
    return dict(found)


def counted(group: Group) -> Kind:
    found: defaultdict[str, float] = defaultdict(float)
    for _, command in _commands(group):
        found[kind_of(command)] += 1
    return dict(found)


def _commands(group: Group) -> list[tuple[int, str]]:
    found = []
    for pid in group.pids():
        try:
            found.append((pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")))
        except OSError:
            continue
    return found


def run(rounds: int, workers: int) -> list[dict[str, Any]]:
    """So many cold starts, one after another. Raises RunFailed, NotQuiet."""
    samples = []
    for number in range(rounds):
        wait_until_quiet(SUITE.ports)
        group = Group.create()
        if group is None:
            raise RunFailed("no control group can be made here")
        folder = Path(tempfile.mkdtemp(prefix="b", dir="/tmp"))
        commands = Commands(folder, group)
        try:
            samples.append(measure(commands, group, workers))
        finally:
            commands.allow(DEADLINE_S)
            DAYBREAK.stop(commands)
            commands.kill_rest()
            group.close()
        shutil.rmtree(folder, ignore_errors=True)
        print(f"round {number + 1}/{rounds}  {samples[-1]['all_nodes_s']:.1f} s", file=sys.stderr, flush=True)
    return samples


def table(result: Mapping[str, Any]) -> str:
    """A page's part: by kind of process, the floor, and the chain of the run in the middle."""
    samples, cores = result["samples"], result["machine"]["cores"]
    lines = ["| | processes | CPU time until everything is ready | memory (PSS), idle |", "|---|---|---|---|"]
    kinds = {kind for sample in samples for kind in (*sample["cpu_s"], *sample["pss_bytes"])}
    cpu = {kind: _middle(samples, "cpu_s", kind) for kind in kinds}
    for kind in sorted(kinds, key=lambda kind: (-cpu[kind], kind)):
        number, memory = _middle(samples, "processes", kind), _middle(samples, "pss_bytes", kind)
        lines.append(f"| {kind} | {number:.0f} | {cpu[kind]:.2f} s | {memory / 1e6:,.0f} MB |")
    moments = [
        f"- {title}: {_median(samples, took):.1f} s, with {_median(samples, burnt):.1f} s of processor time; "
        f"the floor on {cores} cores is {_median(samples, burnt) / cores:.1f} s"
        for title, took, burnt in (
            ("first HTTP 200", "first_200_s", "first_200_cpu_s"),
            ("all nodes and the dashboard", "all_nodes_s", "all_nodes_cpu_s"),
        )
    ]
    typical = sorted(samples, key=lambda sample: sample["all_nodes_s"])[len(samples) // 2]
    chain = ["| the start waits for | begins after | takes |", "|---|---|---|", *map(_link, typical["chain"])]
    return "\n".join(
        [
            *lines,
            "",
            *moments,
            "",
            *chain,
            "",
            f"Medians of {len(samples)} runs; the chain is that of the run in the middle.",
        ]
    )


def _link(link: Mapping[str, Any]) -> str:
    name = f"{link['service']}.{link['gate']}" if link["gate"] else link["service"]
    return f"| {name} {link['reached']} | {link['released_s']:.2f} s | {link['took_s']:.2f} s |"


def _middle(samples: Sequence[Mapping[str, Any]], what: str, kind: str) -> float:
    return float(median(sample[what].get(kind, 0.0) for sample in samples))


def _median(samples: Sequence[Mapping[str, Any]], what: str) -> float:
    return float(median(sample[what] for sample in samples))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"worker nodes, default {WORKERS}")
    parser.add_argument("--out", type=Path, default=RESULT, help=f"default {RESULT.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    try:
        require_quiet(SUITE.ports)
        result = {"machine": machine(), "samples": run(options.rounds, options.workers)}
    except (NotQuiet, RunFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
