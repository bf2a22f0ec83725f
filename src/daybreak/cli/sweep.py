"""perf sweep: the best number of workers for an application under a load."""

from __future__ import annotations

import json
import re
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from daybreak import api
from daybreak.backends.records import write_private
from daybreak.cli.output import print_json, print_rich, styled
from daybreak.cli.plot import checked_ending, write_plot
from daybreak.errors import DaybreakError, UsageError
from daybreak.paths import ClusterPaths
from daybreak.report.progress import progress
from daybreak.report.sweep import point_line, sweep_report
from daybreak.report.text import seconds
from daybreak.spec import parse_seconds
from daybreak.sweep.counts import parse_counts
from daybreak.sweep.process import LoadProcess, Request, check_installed
from daybreak.sweep.result import Load, Point, Sweep
from daybreak.sweep.serve import Dashboard, ServeState, Settling
from daybreak.timeline.store import Store

NAP_S = 0.25
# How long replicas may take to settle, after a change of workers and under the load.
SETTLE_DEADLINE_S = 60.0
PROBE_TIMEOUT_S = 30.0
# The dashboard's part that knows Serve may still be starting.
ASK_DEADLINE_S = 15.0
FIRST_ERROR, FIRST_SERVER_ERROR = 400, 500
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


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
    """Measure with each number of workers, then show the result; the former number is restored in any case."""
    counts = _counts(workers)
    given = {option: _seconds(option, text) for option, text in (("--duration", duration), ("--warm-up", warm_up))}
    data = _body(body)
    named = _headers(headers)
    picture = checked_ending("--plot", plot)
    if url is not None and (not url.startswith("/") or not url.isprintable() or " " in url):
        raise UsageError(f"--url: {url}: give a path on the application's server, such as /predict?n=1")
    check_installed()
    paths = ClusterPaths.of(api.resolve_name(name))
    status = _running(paths)
    path = url or _first_route(status.urls["serve"])
    verb = method or ("POST" if data is not None else "GET")
    request = Request(status.urls["serve"] + path, verb, data, connections, named)
    _probe(request)
    machine, versions = _circumstances(paths)
    names = tuple(name for name, _ in named)
    load = Load(path, verb, connections, given["--duration"], given["--warm-up"], body, names)
    result = Sweep(paths.name, time.time(), load, tuple(counts), machine=machine, versions=versions)
    dashboard = _dashboard(status)
    least_s = len(counts) * (load.warm_up_s + load.duration_s)
    print(f"measuring with {_listed(counts)} workers: {seconds(least_s)}, and the time to scale", file=sys.stderr)
    with _restored(paths.name, status.workers):
        for number, count in enumerate(counts, 1):
            result = result.plus(_measured(paths.name, count, request, load, dashboard))
            _keep(paths.sweep, result)
            print(f"{number} of {len(counts)}: {point_line(result.points[-1])}", file=sys.stderr)
    if as_json:
        print_json(result.to_json())
    else:
        print_rich(sweep_report(result))
    if picture:
        print(draw(result, picture), file=sys.stderr if as_json else sys.stdout)
    if result.best is None:
        raise DaybreakError(result.verdict(), hint="daybreak logs serve --level warning")


def load_last(paths: ClusterPaths) -> Sweep:
    """The last sweep of a cluster. Raises DaybreakError where there is none."""
    try:
        found = Sweep.from_json(json.loads(paths.sweep.read_text()))
    except FileNotFoundError:
        raise DaybreakError(
            f"no sweep of cluster {paths.name} has been recorded yet", hint="daybreak perf sweep --workers 1..4"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DaybreakError(f"{paths.sweep} cannot be read: {error}", hint="repeat `daybreak perf sweep`") from error
    return found


def draw(result: Sweep, path: Path) -> Path:
    """Write the plot of a sweep."""

    def figure() -> Any:
        from daybreak.report.plots.sweep import sweep_figure

        return sweep_figure(result)

    return write_plot(figure, path)


def _keep(path: Path, result: Sweep) -> None:
    """Store what has been measured so far; a full disk does not end a sweep."""
    try:
        write_private(path, json.dumps(result.to_json(), indent=1))
    except OSError as error:
        print(f"note: {path} cannot be written: {error.strerror or error}", file=sys.stderr)


def _counts(text: str) -> list[int]:
    try:
        return parse_counts(text)
    except ValueError as error:
        raise UsageError(f"--workers: {error}") from error


def _listed(counts: Sequence[int]) -> str:
    """`1, 2 and 4`."""
    *most, last = map(str, counts)
    return f"{', '.join(most)} and {last}" if most else last


def _seconds(option: str, text: str) -> float:
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


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


def _running(paths: ClusterPaths) -> api.Cluster:
    """The cluster's status, if it runs and serves."""
    status = api.status(paths.name)
    if status.state == "stopped":
        raise DaybreakError(f"cluster {paths.name} is not running", hint="start it with `daybreak up`")
    if "serve" not in {row["name"] for row in status.services}:
        raise DaybreakError(f"cluster {paths.name} has no application", hint="give it one under `serve` in the spec")
    if "serve" not in status.urls and status.state == "ready":
        raise DaybreakError(
            f"the applications of {paths.name} have no HTTP door", hint="proxy_location: HeadOnly in the Serve config"
        )
    if status.state != "ready":
        raise DaybreakError(f"cluster {paths.name} is {status.state}, not ready", hint="daybreak wait; daybreak status")
    return status


def _first_route(url: str) -> str:
    try:
        with _open(url + "/-/routes") as answer:
            routes = json.load(answer)
        return str(next(iter(routes)))
    except (OSError, ValueError, StopIteration, TypeError) as error:
        raise DaybreakError(f"Serve does not tell its routes: {error}", hint="name one with --url") from error


def _probe(request: Request) -> None:
    """One request, before anything is changed: a load that cannot succeed measures nothing."""
    try:
        with _open(request.url, request):
            return
    except urllib.error.HTTPError as error:
        error.close()
        if error.code < FIRST_ERROR:
            return
        what = f"{request.method} {request.url} was answered with {error.code} {error.reason}; nothing was changed"
        if error.code < FIRST_SERVER_ERROR:
            raise UsageError(
                what, hint="name a path with --url, and what it needs with --method, --body and --header"
            ) from error
        raise DaybreakError(what, hint="daybreak logs serve --level error") from error
    except OSError as error:
        raise DaybreakError(f"{request.method} {request.url}: {error}; nothing was changed") from error


def _open(url: str, request: Request | None = None) -> Any:
    """Without proxies and redirects, with any certificate, as the load is."""
    made = urllib.request.Request(url, method=request.method if request else "GET")
    if request:
        made.data = request.body
        for name, value in request.all_headers.items():
            made.add_header(name, value)
    tls = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect, tls)
    return opener.open(made, timeout=PROBE_TIMEOUT_S)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other: it comes as an HTTPError."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _circumstances(paths: ClusterPaths) -> tuple[dict[str, Any], dict[str, Any]]:
    """Machine and versions, as the last run found them."""
    with Store(paths.timeline, read_only=True) as store:
        last = store.runs(limit=1)
    return (dict(last[0].machine), dict(last[0].versions)) if last else ({}, {})


def _dashboard(status: api.Cluster) -> Dashboard | None:
    """Whom to ask for the replicas; None where nobody knows them."""
    url = status.urls.get("dashboard")
    if url is not None:
        path = api.environment(status.name)["values"].get("RAY_AUTH_TOKEN_PATH")
        dashboard = Dashboard(url, Path(path).read_text().strip() if path else None)
        deadline = time.monotonic() + ASK_DEADLINE_S
        while time.monotonic() < deadline:
            if dashboard.state():
                return dashboard
            time.sleep(NAP_S)
    print("note: no dashboard tells the replicas, so they are not waited for", file=sys.stderr)
    return None


@contextmanager
def _restored(cluster: str, workers: int) -> Iterator[None]:
    """Whatever happens inside, there are as many workers as before afterwards."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        try:
            _scale(cluster, workers)
        except DaybreakError as error:
            print(f"error: there are not {workers} workers again: {error.message}", file=sys.stderr)
            print(f"hint: daybreak scale {workers} -n {cluster}", file=sys.stderr)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _scale(cluster: str, workers: int) -> None:
    status = api.status(cluster)
    if (status.workers, status.state) == (workers, "ready"):
        return
    print(f"scaling to {workers} workers" if workers != 1 else "scaling to 1 worker", file=sys.stderr)
    with progress(live=styled()) as shown:
        api.scale(workers, name=cluster, on_message=shown.message)


def _measured(cluster: str, count: int, request: Request, load: Load, dashboard: Dashboard | None) -> Point:
    """Scale, wait until the replicas have settled, and again under the load, then measure."""
    _scale(cluster, count)
    _settle(dashboard, 0.0)
    with LoadProcess(request) as generator:
        state, steady = _settle(dashboard, load.warm_up_s)
        answers = generator.measure(load.duration_s)
    return Point(count, answers, state.replicas if state else (), steady)


def _settle(dashboard: Dashboard | None, least_s: float) -> tuple[ServeState | None, bool]:
    """Wait until the replicas stay as they are, for `least_s` at least; returns them, and whether they do."""
    began = time.monotonic()
    settling, state, steady = Settling(), None, dashboard is None
    while (passed_s := time.monotonic() - began) < max(least_s, 0.0 if steady else SETTLE_DEADLINE_S):
        if dashboard:
            state = dashboard.state() or state
            steady = state is not None and settling.settled(state, time.monotonic())
        if steady and passed_s >= least_s:
            break
        time.sleep(NAP_S)
    return state, steady
