"""The parts of a keeper, put together: what each of them needs is seen here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.keeper.adoption import Adoption
from daybreak.keeper.applications import Applications
from daybreak.keeper.backends import Backends
from daybreak.keeper.background import Background
from daybreak.keeper.desired import Build, Desired
from daybreak.keeper.draining import Draining
from daybreak.keeper.followers import Followers
from daybreak.keeper.gateway.pause import PauseBook
from daybreak.keeper.gateway.steering import Steering
from daybreak.keeper.gateway.traffic import Traffic
from daybreak.keeper.keeping import Keeping
from daybreak.keeper.measured_runs import MeasuredRuns
from daybreak.keeper.operations.apply import Apply
from daybreak.keeper.operations.down import Down
from daybreak.keeper.operations.env import Env
from daybreak.keeper.operations.finish import Finish
from daybreak.keeper.operations.look import Page, Status, Watch
from daybreak.keeper.operations.pause import PauseRequests, Resume
from daybreak.keeper.operations.plan import ShowPlan
from daybreak.keeper.operations.prewarm import Prewarm
from daybreak.keeper.operations.restart_service import RestartService
from daybreak.keeper.operations.traffic import FollowTraffic
from daybreak.keeper.operations.versions import ListVersions
from daybreak.keeper.page import KeeperPage
from daybreak.keeper.prepare import Preparation
from daybreak.keeper.recovery import Recovery
from daybreak.keeper.replacing import Replacing
from daybreak.keeper.request import Request
from daybreak.keeper.returning import Returning
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs import Runs
from daybreak.keeper.snapshot import Snapshots
from daybreak.keeper.subscribers import Subscribers
from daybreak.keeper.supervise import Supervisor
from daybreak.keeper.template_control import TemplateControl
from daybreak.keeper.versions.keeping import Versions
from daybreak.keeper.wanted import WantedState
from daybreak.keeper.ways import Ways
from daybreak.paths import ClusterPaths
from daybreak.timeline.board import Board
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Listener, Recorder
from daybreak.timeline.status import Snapshot

Work = Callable[[Request, Operation], Awaitable[Any]]
Recover = Callable[[str, bool], Awaitable[None]]


class Assembly:
    """One of each. `recover` brings a service back, `restart` begins what the page asks for."""

    def __init__(
        self,
        paths: ClusterPaths,
        backends: Backends | None,
        build: Build,
        recover: Recover,
        restart: Callable[[], bool],
    ) -> None:
        self._paths = paths
        listeners: list[Listener] = []
        self.record = Recorder(listeners)
        self.background = Background(self.record)
        state, trouble = _stored_state(paths)
        self.backends = backends or Backends(paths, state)
        self.runner = Runner()
        self.subscribers = Subscribers()
        self.runs = Runs(paths.timeline, self._tell_error)
        desired = Desired(paths, state, self.backends, self._tell_error, build)
        self.followers = self._followers(desired, recover, restart)
        listeners += self._listeners()
        self._snapshots = Snapshots(paths, self.backends, self.followers, self.runner)
        self.measured = MeasuredRuns(
            paths,
            self.backends,
            self.runs,
            self.followers,
            self.subscribers,
            listeners,
            [self.runs.add, self.followers.page.follow, self.followers.template.follow, self.subscribers.follow],
            self._snapshots.now,
        )
        self.keeping = Keeping(self.backends, self.followers, self.runner, self.background, self.record, paths.forks)
        self.recovery = Recovery(self.backends, self.followers, self.runner, self.measured, self.record)
        self.adoption = Adoption(self.backends, self.followers, self.record, self._tell_error, trouble)
        self.operations = self._operations()

    def _followers(self, desired: Desired, recover: Recover, restart: Callable[[], bool]) -> Followers:
        traffic = Traffic(self.background)
        supervisor = Supervisor(
            self.backends, self.record, self.background, recover, self._remember, forks=self._paths.forks
        )
        return Followers(
            desired=desired,
            board=Board(),
            supervisor=supervisor,
            page=KeeperPage(self._paths, self._snapshot, restart, self.background, traffic),
            applications=Applications(self.record, self.background, self.backends),
            template=TemplateControl(self._paths, self.record, self.background),
            gateway=Steering(self.background, PauseBook(self._paths.pause)),
            traffic=traffic,
            draining=Draining(self.backends, supervisor.forget),
        )

    def _listeners(self) -> list[Listener]:
        """Everybody who hears of every event, in this order."""
        followers = self.followers
        return [
            followers.board.apply,
            self.runs.add,
            followers.page.follow,
            followers.applications.follow,
            followers.template.follow,
            followers.gateway.follow,
            followers.supervisor.follow,
            self.subscribers.follow,
        ]

    def _operations(self) -> Mapping[str, Work]:
        paths, backends, followers, runner = self._paths, self.backends, self.followers, self.runner
        measured, recovery, keeping = self.measured, self.recovery, self.keeping
        versions = Versions(paths, followers.desired)
        preparation = Preparation(paths, backends, followers, Ways(followers, self.runs, paths), versions)
        replacing = Replacing(backends, followers, measured, recovery, keeping)
        returning = Returning(backends, followers, versions, replacing)
        apply = Apply(backends, followers, runner, preparation, measured, recovery, versions, replacing, returning)
        down = Down(paths, backends, followers, runner, measured, self.record, self.subscribers, keeping)
        return {
            "apply": apply,
            "rollback": apply,
            "versions": ListVersions(versions),
            "down": down,
            "finish": Finish(backends, followers, runner, measured, apply, down, self.record),
            "prewarm": Prewarm(backends, followers, runner, preparation, measured),
            "replace": RestartService(backends, followers, runner, preparation, measured, recovery, keeping),
            "plan": ShowPlan(backends, preparation),
            "status": Status(self._snapshots.now),
            "watch": Watch(self._snapshots.now, self.subscribers),
            "env": Env(paths.name, followers.desired),
            "page": Page(followers.page),
            "traffic": FollowTraffic(followers, runner, self.subscribers),
            "pause": PauseRequests(paths.name, followers, self.record, self._snapshots.now),
            "resume": Resume(paths.name, followers, self.record, self._snapshots.now),
        }

    def _remember(self) -> None:
        self.followers.remember_given_up()

    def _snapshot(self) -> Snapshot:
        return self._snapshots.now()

    def _tell_error(self, text: str) -> None:
        self.record.emit(Kind.NOTE, text=text, level="error")


def _stored_state(paths: ClusterPaths) -> tuple[WantedState | None, str]:
    """What an earlier keeper has stored; without it, why."""
    try:
        return WantedState.load(paths.wanted), "no stored spec"
    except DaybreakError as error:
        return None, f"the stored spec cannot be used: {error.message}"
