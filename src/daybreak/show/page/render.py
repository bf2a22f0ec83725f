"""The pages as HTML. Blocking: to be called in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jinja2

from daybreak import __version__
from daybreak.paths import ClusterPaths
from daybreak.show.alerts import trouble_lines
from daybreak.show.kept import kept_line
from daybreak.show.logs.sources import Sources
from daybreak.show.page import cluster_view, history_view, host_view, traffic_view
from daybreak.show.page.event_text import clean
from daybreak.show.page.logs import Follower
from daybreak.show.page.run_view import Chart, chart
from daybreak.timeline.event import Kind
from daybreak.timeline.reader import Reader
from daybreak.timeline.run import Run
from daybreak.timeline.status import Snapshot

MOST_EVENTS = 24
# How far a start has come stands beside the service's name, and in the chart; the page of its run tells all of it.
IN_PASSING = (Kind.WAITING, Kind.NOT_YET, Kind.PREPARING, Kind.GATE_PASSED, Kind.PLANNED)
SHOWN_KINDS = tuple(kind for kind in Kind if kind not in IN_PASSING)
MOST_CRASHES = 100
MOST_RUNS = 400
SHOWN_RUNS = 15
# As many may have gone on while the last minutes passed.
FEW_RUNS = 20
Seconds = Sequence[Mapping[str, Any]]


class Pages:
    """Draws the pages of one cluster. `clock` gives seconds since 1970."""

    def __init__(self, paths: ClusterPaths, clock: Callable[[], float]) -> None:
        self._paths = paths
        self._clock = clock
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("daybreak.show.page"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["version"] = __version__
        self._templates.globals["kept_line"] = kept_line

    def traffic(self, snapshot: Snapshot, seconds: Seconds, **door: Any) -> str:
        """What the gateway counts, alone."""
        with Reader(self._paths.timeline) as store:
            runs = store.runs(limit=FEW_RUNS)
        return self._draw("traffic", snapshot, **door, **self._traffic(snapshot, seconds, runs))

    def index(self, snapshot: Snapshot, routes: Sequence[str], seconds: Seconds, **door: Any) -> str:
        """The whole cluster."""
        now = self._clock()
        logs = Sources(self._paths).known()
        with Reader(self._paths.timeline) as store:
            runs = store.runs(limit=MOST_RUNS)
            newest = history_view.newest_start(runs)
            events = store.recent(MOST_EVENTS, SHOWN_KINDS)
            crashes = cluster_view.crashes(store.recent(MOST_CRASHES, (Kind.EXITED,)), runs, now)
            drawn = _chart(store, newest, now)
        summaries = history_view.summaries(runs)
        outliers = frozenset(number for summary in summaries for number in summary.outliers)
        return self._draw(
            "index",
            snapshot,
            **door,
            alerts=cluster_view.alerts(snapshot, now),
            trouble=[clean(line) for line in trouble_lines(snapshot.alerts)],
            groups=cluster_view.groups(snapshot, logs, now, crashes),
            deployments=cluster_view.deployments(snapshot),
            hosts=host_view.hosts(snapshot),
            links=cluster_view.links(snapshot, routes),
            logs=logs,
            run=history_view.run_lines([newest], outliers, now)[0] if newest else None,
            chart=drawn,
            history=[history_view.history_group(summary) for summary in summaries],
            runs=history_view.run_lines(runs[:SHOWN_RUNS], outliers, now),
            events=cluster_view.event_lines(events, now),
            **self._traffic(snapshot, seconds, runs),
        )

    def run(self, snapshot: Snapshot, run: int, **door: Any) -> str | None:
        """One run; None where there is none of this number."""
        now = self._clock()
        with Reader(self._paths.timeline) as store:
            found = store.find(run)
            if found is None:
                return None
            events = store.events(run)
            drawn = _chart(store, found, now)
        return self._draw(
            "run",
            snapshot,
            **door,
            run=history_view.run_lines([found], frozenset(), now)[0],
            versions={clean(str(key)): clean(str(value)) for key, value in found.versions.items()},
            chart=drawn,
            events=cluster_view.event_lines(events, now)[::-1],
        )

    def logs(self, snapshot: Snapshot, service: str, **door: Any) -> str:
        """The last lines of a service's logs."""
        lines = Follower(self._paths, service).last()
        return self._draw("logs", snapshot, **door, service=service, logs=Sources(self._paths).known(), lines=lines)

    def login(self, refused: bool, token_file: str) -> str:
        """The form that asks for the token."""
        return self._templates.get_template("login.html").render(
            cluster=self._paths.name, refused=refused, token_file=token_file
        )

    def _traffic(self, snapshot: Snapshot, seconds: Seconds, runs: Sequence[Run]) -> dict[str, Any]:
        return {
            "traffic": traffic_view.application_traffic(snapshot.traffic, seconds),
            "marks": traffic_view.run_marks(runs[:FEW_RUNS], seconds, self._clock()),
            "more_traffic": traffic_view.left_out(snapshot.traffic),
            "minutes": traffic_view.PERIOD_S // 60,
        }

    def _draw(self, name: str, snapshot: Snapshot, **rest: Any) -> str:
        state, tone = cluster_view.headline(snapshot)
        return self._templates.get_template(f"{name}.html").render(
            cluster=snapshot.name, snapshot=snapshot, state=state, tone=tone, **rest
        )


def _chart(store: Reader, run: Run | None, now: float) -> Chart | None:
    return chart(run, store.events(run.id), now) if run else None
