"""daybreak perf sweep: the best number of workers for an application under a load."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import timed
from daybreak.cli.common.durations import seconds_of
from daybreak.cli.common.output import print_json, print_rich
from daybreak.cli.perf.drawing import checked_ending, draw_sweep
from daybreak.cli.perf.measuring import history_of
from daybreak.errors import DaybreakError, UsageError
from daybreak.extras.sweep.counts import parse_counts
from daybreak.extras.sweep.probe import first_route, probe
from daybreak.extras.sweep.process import LoadProcess, Request, check_installed
from daybreak.extras.sweep.result import Load, Point, Sweep
from daybreak.extras.sweep.serve import Dashboard, settle
from daybreak.extras.sweep.stored import store
from daybreak.paths import ClusterPaths
from daybreak.show.sweep import point_line, sweep_report
from daybreak.show.text import seconds
from daybreak.states import ClusterState

METHODS = click.Choice(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"], case_sensitive=False)
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@click.command()
@options.name
@click.option("--workers", required=True, metavar="COUNTS", help="Numbers of workers: 1..8, 1,2,4,8 or 1..4,8.")
@click.option("--url", metavar="PATH", help="What to ask for; the application's first route if absent.")
@click.option("--method", type=METHODS, help="HTTP method; GET, with --body POST, if absent.")
@click.option("--body", type=click.Path(dir_okay=False), metavar="FILE", help="What to send.")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="To send with it; may be repeated."
)
@click.option(
    "-c", "--connections", type=click.IntRange(1, 1000), default=16, show_default=True, help="Requests at a time."
)
@click.option("-d", "--duration", default="10s", show_default=True, help="Of each measurement.")
@click.option("--warm-up", default="3s", show_default=True, help="Load before each measurement, at least.")
@click.option("--plot", type=click.Path(dir_okay=False), metavar="FILE", help="Draw it, too: .png or .svg.")
@options.as_json
def sweep(
    name: str | None,
    workers: str,
    url: str | None,
    method: str | None,
    body: str | None,
    headers: tuple[str, ...],
    connections: int,
    duration: str,
    warm_up: str,
    plot: str | None,
    as_json: bool,
) -> None:
    """Find the best number of workers for the application under a load.

    The running cluster is scaled to each of COUNTS in turn, and back to the number it had. Best are the fewest
    workers within 5 % of the best throughput.

    \b
    Examples:
      daybreak perf sweep --workers 1..4
      daybreak perf sweep --workers 1,2,4,8 --url /predict --body request.json -c 32 -d 30s
      daybreak perf plot --sweep
    """
    counts = _counts(workers)
    duration_s, warm_up_s = seconds_of("--duration", duration), seconds_of("--warm-up", warm_up)
    data, named, picture = _body(body), _headers(headers), checked_ending("--plot", plot)
    if url is not None and (not url.startswith("/") or not url.isprintable() or " " in url):
        raise UsageError(f"--url: {url}: give a path on the application's server, such as /predict?n=1")
    check_installed()
    status = _running(api.resolve_name(name))
    at, path = status.urls["serve"], url or first_route(status.urls["serve"])
    verb = method or ("POST" if data is not None else "GET")
    request = Request(at + path, verb, data, connections, named)
    probe(request)
    load = Load(path, verb, connections, duration_s, warm_up_s, body, tuple(name for name, _ in named))
    result = _measure_all(status, counts, request, load)
    _show(result, picture, as_json)
    if result.best is None:
        raise DaybreakError(result.verdict(), hint="daybreak logs serve --level warning")


def _measure_all(status: api.Cluster, counts: list[int], request: Request, load: Load) -> Sweep:
    """Measure with each number of workers; the former number is restored in any case."""
    paths = ClusterPaths.of(status.name)
    machine, versions = _circumstances(paths)
    result = Sweep(paths.name, time.time(), load, tuple(counts), machine=machine, versions=versions)
    dashboard = _dashboard(status)
    least_s = len(counts) * (load.warm_up_s + load.duration_s)
    print(f"measuring with {_listed(counts)} workers: {seconds(least_s)}, and the time to scale", file=sys.stderr)
    with _restored(paths.name, status.workers):
        for number, count in enumerate(counts, 1):
            result = result.plus(_measured(paths.name, count, request, load, dashboard))
            _keep(paths, result)
            print(f"{number} of {len(counts)}: {point_line(result.points[-1])}", file=sys.stderr)
    return result


def _show(result: Sweep, picture: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(result.to_json())
    else:
        print_rich(sweep_report(result))
    if picture:
        print(draw_sweep(result, picture), file=sys.stderr if as_json else sys.stdout)


def _keep(paths: ClusterPaths, result: Sweep) -> None:
    """Store what has been measured so far; a full disk does not end a sweep."""
    try:
        store(paths, result)
    except OSError as error:
        print(f"note: {paths.sweep} cannot be written: {error.strerror or error}", file=sys.stderr)


def _counts(text: str) -> list[int]:
    try:
        return parse_counts(text)
    except ValueError as error:
        raise UsageError(f"--workers: {error}") from error


def _listed(counts: Sequence[int]) -> str:
    """`1, 2 and 4`."""
    *most, last = map(str, counts)
    return f"{', '.join(most)} and {last}" if most else last


def _body(name: str | None) -> bytes | None:
    try:
        return Path(name).read_bytes() if name is not None else None
    except OSError as error:
        raise UsageError(f"--body: {name}: {error.strerror}") from error


def _headers(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Name and value of each; a value is never shown, since it may be a secret."""
    found = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not (colon and HEADER_NAME.fullmatch(name) and value.strip().isprintable()):
            raise UsageError("--header: give a name, a colon and a value, such as 'X-Tenant: demo'")
        found.append((name, value.strip()))
    return tuple(found)


def _running(cluster: str) -> api.Cluster:
    """The cluster's status, if it runs and serves."""
    status = api.status(cluster)
    if status.state is ClusterState.STOPPED:
        raise DaybreakError(f"cluster {cluster} is not running", hint="start it with `daybreak up`")
    if "serve" not in {row["name"] for row in status.services}:
        raise DaybreakError(f"cluster {cluster} has no application", hint="give it one under `serve` in the spec")
    if not isinstance(status.counts, int):
        groups = ", ".join(status.counts)
        raise UsageError(
            f"the workers of {cluster} are in several groups ({groups}): which number is best is not asked"
        )
    if "serve" not in status.urls and status.state is ClusterState.READY:
        raise DaybreakError(
            f"the applications of {cluster} have no HTTP door", hint="proxy_location: HeadOnly in the Serve config"
        )
    if status.state is not ClusterState.READY:
        raise DaybreakError(f"cluster {cluster} is {status.state}, not ready", hint="daybreak wait; daybreak status")
    return status


def _circumstances(paths: ClusterPaths) -> tuple[dict[str, Any], dict[str, Any]]:
    """Machine and versions, as the last run found them."""
    with history_of(paths.name) as store:
        last = store.runs(limit=1)
    return (dict(last[0].machine), dict(last[0].versions)) if last else ({}, {})


def _dashboard(status: api.Cluster) -> Dashboard | None:
    """Whom to ask for the replicas; None where nobody knows them."""
    url = status.urls.get("dashboard")
    if url is not None:
        path = api.environment(status.name)["values"].get("RAY_AUTH_TOKEN_PATH")
        dashboard = Dashboard(url, Path(path).read_text().strip() if path else None)
        if dashboard.knows():
            return dashboard
    print("note: no dashboard tells the replicas, so they are not waited for", file=sys.stderr)
    return None


@contextmanager
def _restored(cluster: str, workers: int) -> Iterator[None]:
    """Whatever happens inside, there are as many workers as before afterwards."""
    try:
        yield
    finally:
        try:
            _scale(cluster, workers)
        except DaybreakError as error:
            print(f"error: there are not {workers} workers again: {error.message}", file=sys.stderr)
            print(f"hint: daybreak scale {workers} -n {cluster}", file=sys.stderr)


def _scale(cluster: str, workers: int) -> None:
    status = api.status(cluster)
    if (status.workers, status.state) == (workers, ClusterState.READY):
        return
    print(f"scaling to {workers} workers" if workers != 1 else "scaling to 1 worker", file=sys.stderr)
    timed(lambda on_message: api.scale(workers, name=cluster, on_message=on_message))


def _measured(cluster: str, count: int, request: Request, load: Load, dashboard: Dashboard | None) -> Point:
    """Scale, wait until the replicas have settled, and again under the load, then measure."""
    _scale(cluster, count)
    settle(dashboard, 0.0)
    with LoadProcess(request) as generator:
        state, steady = settle(dashboard, load.warm_up_s)
        answers = generator.measure(load.duration_s)
    return Point(count, answers, state.replicas if state else (), steady)
