"""A source for the page that needs no keeper: services and a timeline that tests write themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from daybreak.keeper.status.snapshot import state_of
from daybreak.names import ONLY, group_of
from daybreak.paths import ClusterPaths
from daybreak.services.service import Tier
from daybreak.show.page.access import Access
from daybreak.show.page.app import application
from daybreak.show.page.application_requests import ApplicationRequests
from daybreak.show.page.discovery import Target
from daybreak.show.page.haproxy_stats import Traffic
from daybreak.show.page.live import Hub
from daybreak.show.page.source import Address
from daybreak.states import PageState, ServiceState
from daybreak.timeline.board import Board
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.status import KeptStatus, PageStatus, Snapshot, VersionStatus
from daybreak.timeline.store import Store
from tests.unit.helpers import service

TOKEN = "0123456789abcdef" * 4
SCRAPE_TOKEN = "fedcba9876543210" * 4
PORT = 8080
BEGAN = 1_790_000_000.0
TIERS = {"postgres": Tier.DATA, "redis": Tier.DATA, "warm": Tier.WARM}
GATES = {"head": ("gcs", 1.5), "serve": ("answers", 2.0)}


class FakeSource:
    """Keeps a board and a timeline like the keeper does; every event also goes to the hub."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.paths = ClusterPaths("demo", folder / "state", folder / "runtime")
        self.paths.ensure()
        self.hub = Hub()
        self.board = Board()
        wanted = [service(name, TIERS.get(name, Tier.APP)) for name in names]
        self.board.want([replace(one, group=group_of(one.name, {ONLY})) for one in wanted])
        for name in names:
            self.know(name, urls={"serve": "http://127.0.0.1:8000"} if name == "serve" else {})
        self.store = Store(self.paths.timeline)
        self.generation = 1
        self.version: VersionStatus | None = None
        self.kept: KeptStatus | None = None
        self.restarts = 0
        self.traffic_now: Traffic | None = None
        self.status_of_traffic: dict[str, Any] | None = None
        self.requests_now: list[ApplicationRequests] = []
        self.seconds_now: list[Mapping[str, Any]] = []
        self.serving: dict[str, Any] = {"unknown": "", "applications": []}
        self.alerts: Mapping[str, Any] = {}
        self.hosts: Sequence[Mapping[str, Any]] = ()
        self.run: int | None = None
        self.kind: RunKind | None = None
        self.wall = BEGAN
        self._began_wall = BEGAN
        self._first_s: float | None = None

    def close(self) -> None:
        self.store.close()

    # --- what the page asks -------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        rows = tuple(self.board.rows.values())
        return Snapshot(
            name="demo",
            state=state_of(rows, self.kind),
            keeper_pid=4711,
            generation=self.generation,
            version=self.version,
            kept=self.kept,
            workers=sum(row.name.startswith("worker-") for row in rows),
            ray="2.60.0",
            backend="process",
            root=str(self.paths.root),
            run=str(self.kind) if self.kind else None,
            urls={key: url for row in rows if row.state is ServiceState.READY for key, url in row.urls.items()},
            page=PageStatus(PageState.LISTENING, f"http://127.0.0.1:{PORT}/"),
            services=rows,
            serving=self.serving,
            traffic=self.status_of_traffic,
            alerts=self.alerts,
            hosts=tuple(self.hosts),
        )

    def checks(self) -> Mapping[str, str]:
        return {name: "http" for name in self.board.rows if name.startswith(("head", "worker", "serve"))}

    def routes(self) -> Sequence[str]:
        return ("/", "/admin")

    def targets(self) -> list[Target]:
        nodes = [row for row in self.board.rows.values() if row.name.startswith(("head", "worker"))]
        there = [row.name for row in nodes if row.state in ("starting", "ready")]
        return [Target(f"127.0.0.2:{20000 + place}", name, "node") for place, name in enumerate(there)]

    async def traffic(self) -> Traffic | None:
        return self.traffic_now

    def requests(self) -> Sequence[ApplicationRequests]:
        return self.requests_now

    def seconds(self, count: int) -> Sequence[Mapping[str, Any]]:
        return self.seconds_now[-count:]

    def restart(self) -> bool:
        if self.kind:
            return False
        self.restarts += 1
        return True

    # --- what tests tell ----------------------------------------------------------------------------------------------

    def tell(self, kind: Kind, name: str | None = None, later_s: float = 0.0, /, **data: Any) -> None:
        """An event `later_s` after the one before."""
        self.wall += later_s
        event = Event(kind, self.wall - self._began_wall, self.wall, name, self.run, data)
        self.board.apply(event)
        if (name, kind) == ("serve", Kind.READY):
            self._first_s = event.at_s
        row = self.board.rows.get(name or "")
        if row and kind in (Kind.STARTING, Kind.ADOPTED):
            self.know(row.name, instance=f"{name}-1", pid=1000 + len(row.name), started=self.wall)
        self.store.add(event)
        self.hub.publish(event)

    def know(self, name: str, **details: Any) -> None:
        """What is known of a service besides what events tell."""
        self.board.rows[name] = replace(self.board.rows[name], **details)

    def begin(self, kind: RunKind, *, warm: bool = True) -> None:
        self._began_wall = self.wall
        self.run = self.store.begin_run(
            kind, workers=2, warm=warm, versions={"ray": "2.60.0"}, machine={}, spec_digest="0", wall=self.wall
        )
        self.kind = kind
        self._first_s = None
        self.tell(Kind.RUN_BEGAN, run_kind=str(kind), workers=2, warm=warm)

    def end(self, outcome: Outcome = Outcome.OK, error: str | None = None) -> None:
        assert self.run is not None
        duration_s = self.wall - self._began_wall
        self.tell(Kind.RUN_ENDED, outcome=str(outcome), error=error, duration_s=duration_s)
        self.store.end_run(self.run, outcome, duration_s, duration_s, self._first_s, error)
        self.run = self.kind = None
        self._began_wall = BEGAN

    def start(self, name: str, took_s: float, *, waited_s: float = 0.0, need: str | None = None) -> None:
        """A service starts and becomes ready."""
        self.tell(Kind.STARTING, name, why="not running", waited_s=waited_s, last_need=need)
        gate, part_s = GATES.get(name, ("up", took_s))
        passed_s = min(part_s, took_s)
        self.tell(Kind.GATE_PASSED, name, passed_s, gate=gate, attempts=3, after_s=passed_s)
        self.tell(Kind.READY, name, took_s - passed_s, after_s=took_s)

    def write_log(self, name: str, text: str) -> None:
        with open(self.paths.logs / f"{name}.log", "a", encoding="utf-8") as file:
            file.write(text)


def page(
    source: FakeSource, *, listen: str = "127.0.0.1", names: tuple[str, ...] = (), ours: bool = True
) -> tuple[Starlette, Access]:
    """The application over a fake source, and who may do what; `ours` is whether this account asks."""
    access = Access(TOKEN, PORT, SCRAPE_TOKEN)
    return application(source, source.hub, Address(listen, PORT, names), access, lambda _: ours), access
