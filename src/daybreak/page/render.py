"""The pages as HTML. Blocking: to be called in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jinja2

from daybreak import __version__
from daybreak.logs.sources import Sources
from daybreak.page import past, view
from daybreak.page.gantt import Chart, chart
from daybreak.page.logs import Follower
from daybreak.page.words import clean
from daybreak.paths import ClusterPaths
from daybreak.timeline.event import Kind
from daybreak.timeline.run import Run
from daybreak.timeline.store import Store

MOST_EVENTS = 24
# How far a start has come stands beside the service's name, and in the chart; the page of its run tells all of it.
IN_PASSING = (Kind.WAITING, Kind.NOT_YET, Kind.PREPARING, Kind.GATE_PASSED, Kind.PLANNED)
SHOWN_KINDS = tuple(kind for kind in Kind if kind not in IN_PASSING)
MOST_CRASHES = 100
MOST_RUNS = 400
SHOWN_RUNS = 15


class Pages:
    """Draws the pages of one cluster. `clock` gives seconds since 1970."""

    def __init__(self, paths: ClusterPaths, clock: Callable[[], float]) -> None:
        self._paths = paths
        self._clock = clock
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("daybreak.page"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["version"] = __version__

    def index(self, snapshot: Mapping[str, Any], routes: Sequence[str], **door: Any) -> str:
        """The whole cluster."""
        now = self._clock()
        logs = Sources(self._paths).known()
        with Store(self._paths.timeline, read_only=True) as store:
            runs = store.runs(limit=MOST_RUNS)
            newest = past.newest_start(runs)
            events = store.recent(MOST_EVENTS, SHOWN_KINDS)
            crashes = view.crashes(store.recent(MOST_CRASHES, (Kind.EXITED,)), runs, now)
            drawn = _chart(store, newest, now)
        summaries = past.summaries(runs)
        outliers = frozenset(number for summary in summaries for number in summary.outliers)
        return self._draw(
            "index",
            snapshot,
            **door,
            groups=view.groups(snapshot, logs, now, crashes),
            deployments=view.deployments(snapshot),
            links=view.links(snapshot, routes),
            logs=logs,
            run=past.run_lines([newest], outliers, now)[0] if newest else None,
            chart=drawn,
            history=[past.history_group(summary) for summary in summaries],
            runs=past.run_lines(runs[:SHOWN_RUNS], outliers, now),
            events=view.event_lines(events, now),
        )

    def run(self, snapshot: Mapping[str, Any], run: int, **door: Any) -> str | None:
        """One run; None where there is none of this number."""
        now = self._clock()
        with Store(self._paths.timeline, read_only=True) as store:
            found = store.find(run)
            if found is None:
                return None
            events = store.events(run)
            drawn = _chart(store, found, now)
        return self._draw(
            "run",
            snapshot,
            **door,
            run=past.run_lines([found], frozenset(), now)[0],
            versions={clean(str(key)): clean(str(value)) for key, value in found.versions.items()},
            chart=drawn,
            events=view.event_lines(events, now)[::-1],
        )

    def logs(self, snapshot: Mapping[str, Any], service: str, **door: Any) -> str:
        """The last lines of a service's logs."""
        lines = Follower(self._paths, service).last()
        return self._draw("logs", snapshot, **door, service=service, logs=Sources(self._paths).known(), lines=lines)

    def login(self, refused: bool, token_file: str) -> str:
        """The form that asks for the token."""
        return self._templates.get_template("login.html").render(
            cluster=self._paths.name, refused=refused, token_file=token_file
        )

    def _draw(self, name: str, snapshot: Mapping[str, Any], **rest: Any) -> str:
        state, tone = view.headline(snapshot)
        return self._templates.get_template(f"{name}.html").render(
            cluster=snapshot["name"], snapshot=snapshot, state=state, tone=tone, **rest
        )


def _chart(store: Store, run: Run | None, now: float) -> Chart | None:
    return chart(run, store.events(run.id), now) if run else None
