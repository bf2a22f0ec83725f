"""daybreak logs: every service's own output and Ray's files behind it, merged by time."""

from __future__ import annotations

import heapq
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import click

from daybreak import api
from daybreak.cli.common import complete, options
from daybreak.cli.common.host_logs import EVERYWHERE, HostLogs, has_hosts, parted
from daybreak.cli.common.host_logs import rows as host_rows
from daybreak.cli.common.log_printer import printer
from daybreak.errors import UsageError
from daybreak.names import WORKERS
from daybreak.paths import ClusterPaths
from daybreak.redact import Redaction
from daybreak.show.logs.history import LOOK_BACK_BYTES
from daybreak.show.logs.reading import Reading
from daybreak.show.logs.selection import Selection
from daybreak.show.logs.sources import is_worker
from daybreak.show.logs.stamps import level_named, parse_moment
from daybreak.show.text import seconds
from daybreak.spec import parse_seconds

DEFAULT_LINES = 200
# A clock that differs by more than that is told.
CLOCK_S = 0.5
# Of nobody, where only other machines' logs are wanted: no service has an empty name.
NOBODY = ""
# How long the labels of other machines' logs usually are.
HOSTS_LABEL = 20

LEVELS = click.Choice(["debug", "info", "warning", "error", "critical"], case_sensitive=False)


@click.command()
@click.argument("services", nargs=-1, shell_complete=complete.service)
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines, also through restarts.")
@click.option("--since", metavar="TIME", help="Only what is younger: 10m, 10:08, '2026-11-25 10:08'.")
@click.option(
    "-l", "--lines", type=click.IntRange(0), help="At most, for each service.  [default: 200; all with --since]"
)
@click.option("--grep", metavar="REGEX", help="Only what matches; a traceback matches as a whole.")
@click.option("--level", type=LEVELS, help="Only this level and worse.")
@click.option("-a", "--all", "everything", is_flag=True, help="Ray's internal logs too: raylet, GCS, agents.")
@options.name
@options.as_json
def logs(
    name: str | None,
    services: tuple[str, ...],
    follow: bool,
    since: str | None,
    lines: int | None,
    grep: str | None,
    level: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Show the logs of SERVICES (all if absent), merged by time.

    SERVICES are the names in `daybreak status`, `workers` for all of them, or `keeper`. `serve` has the logs of
    Serve and what its replicas print; `head` and `worker-1` have the output of the tasks and actors on that node.
    Of another machine of the cluster `far` is everything, `far/worker-1` one node.

    \b
    Examples:
      daybreak logs -f                        everything, as it is written
      daybreak logs serve --level warning     what went wrong in the application
      daybreak logs worker-1 worker-2 --all   Ray's own logs of two nodes, too
      daybreak logs --since 10m --grep 'Time(out|d out)'
    """
    paths = ClusterPaths.of(api.resolve_name(name))
    selection = _selection(since, lines, grep, level)
    hosts, here, there = _where(paths, services)
    asked = partial(_was_asked_to_stop, paths)
    wanted = here or ([NOBODY] if services else [])
    reading = Reading(paths, wanted, selection, asked, everything=everything)
    # What is everywhere may be on other machines alone.
    _check(paths, [name for name in here if not (hosts and name in EVERYWHERE)], reading.sources.known(), hosts)
    others = [
        HostLogs(paths, hosts[host], names, selection, follow=follow, everything=everything)
        for host, names in there.items()
    ]
    _show(paths, reading, others, selection, follow=follow, as_json=as_json)


def _where(
    paths: ClusterPaths, services: tuple[str, ...]
) -> tuple[Mapping[str, Mapping[str, Any]], list[str], dict[str, list[str]]]:
    """The other machines, which of the services are here, and which are there. Without hosts nobody is asked."""
    hosts = {str(row["name"]): row for row in host_rows(paths)} if has_hosts(paths) else {}
    return hosts, *parted(services, hosts)


def _show(
    paths: ClusterPaths,
    reading: Reading,
    others: Sequence[HostLogs],
    selection: Selection,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """What the logs hold by time, then, with `follow`, what is written."""
    least = HOSTS_LABEL if others else 0
    show = printer(reading.found, selection, Redaction(paths.secrets), as_json=as_json, least=least)
    for entry in heapq.merge(reading.past(), *(other.past() for other in others), key=lambda entry: entry.at):
        show(entry)
    if not reading.found and not follow and not others and not reading.sources.known():
        print(f"cluster {paths.name} has no logs yet", file=sys.stderr)
        from daybreak.cli.common.elsewhere import tell_others

        tell_others(paths.name)
    _tell_limits(reading.cut_short + sum(other.cut_short for other in others))
    _tell_of_hosts(others)
    if not follow:
        return
    for entries in reading.news():
        for entry in sorted(chain(entries, *(other.news() for other in others)), key=lambda entry: entry.at):
            show(entry)
        sys.stdout.flush()


def _tell_of_hosts(others: Sequence[HostLogs]) -> None:
    for other in others:
        if other.trouble:
            print(f"note: host {other.host} {other.trouble}", file=sys.stderr)
        if abs(other.ahead_s) > CLOCK_S:
            way = "ahead" if other.ahead_s > 0 else "behind"
            text = f"the clock of host {other.host} is {seconds(abs(other.ahead_s))} {way}"
            print(f"note: {text}: its lines are put in order by this machine's", file=sys.stderr)


def _was_asked_to_stop(paths: ClusterPaths, service: str, at: float) -> bool:
    """Seldom asked, so the timeline is imported only then."""
    from daybreak.timeline.stops import was_asked_to_stop

    return was_asked_to_stop(paths.timeline, service, at)


def _selection(since: str | None, lines: int | None, grep: str | None, level: str | None) -> Selection:
    """What the options ask for. With --since everything since then is wanted, unless --lines says otherwise."""
    try:
        pattern = re.compile(grep) if grep is not None else None
    except re.error as error:
        hint = "it is a Python regular expression: put \\ before . * + ? [ ( where they are meant as they are"
        raise UsageError(f"--grep: {error}: {grep}", hint=hint) from error
    if lines is None and since is None:
        lines = DEFAULT_LINES
    return Selection(lines, _moment(since), level_named(level) if level else None, pattern)


def _moment(text: str | None) -> float | None:
    """Seconds since 1970 of a duration before now, or of a time."""
    if text is None:
        return None
    now = time.time()
    try:
        return now - parse_seconds(text)
    except ValueError:
        pass
    try:
        return parse_moment(text, now)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--since: neither a duration nor a time: {text}",
            hint="such as 10m, 1h30m, 10:08, '2026-11-25 10:08' or 2026-11-25T10:08:00Z",
        ) from error


def _check(paths: ClusterPaths, services: Iterable[str], known: list[str], hosts: Iterable[str]) -> None:
    """Unknown names are an error."""
    workers = any(is_worker(paths, service) for service in known)
    unknown = [service for service in services if service not in known and not (service == WORKERS and workers)]
    silent = _silent(paths, unknown)
    for service in silent:
        print(f"{service} has not written anything yet", file=sys.stderr)
    unknown = [service for service in unknown if service not in silent]
    if unknown:
        raise UsageError(
            f"no log of {', '.join(unknown)} in cluster {paths.name}",
            hint=f"there are logs of: {', '.join([*known, *hosts]) or 'nothing yet'}",
        )


def _silent(paths: ClusterPaths, unknown: list[str]) -> list[str]:
    """Those that the cluster has, though they have not run yet, such as what is scheduled for the night."""
    if not unknown:
        return []
    there = {row.name for row in api.status(paths.name).snapshot.services}
    return [service for service in unknown if service in there]


def _tell_limits(cut: int) -> None:
    """What was not searched."""
    if cut:
        size = LOOK_BACK_BYTES // 1024**2
        files = "one file" if cut == 1 else f"{cut} files"
        print(f"note: of {files} only the last {size} MiB were searched; --since goes back further", file=sys.stderr)
