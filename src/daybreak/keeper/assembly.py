"""The parts of a keeper, put together: what each of them needs is seen here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.keeper.alerting.alerting import Alerting
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.background import Background
from daybreak.keeper.control.request import Request
from daybreak.keeper.control.subscribers import Subscribers
from daybreak.keeper.followers import Followers
from daybreak.keeper.gateway.pause import PauseBook
from daybreak.keeper.gateway.steering import Steering
from daybreak.keeper.gateway.traffic import Traffic
from daybreak.keeper.generations.kept import Keeping
from daybreak.keeper.generations.replacing import Replacing
from daybreak.keeper.generations.returning import Returning
from daybreak.keeper.hosts.carrying import Carrying
from daybreak.keeper.hosts.hosting import Hosting
from daybreak.keeper.operations.alerts import TellAlerts
from daybreak.keeper.operations.apply import Apply
from daybreak.keeper.operations.down import Down
from daybreak.keeper.operations.env import Env
from daybreak.keeper.operations.finish import Finish
from daybreak.keeper.operations.hosts import HostLogs, Invite, Leave, RemoveHost, StopHere
from daybreak.keeper.operations.look import Page, Status, Watch
from daybreak.keeper.operations.named import Verb
from daybreak.keeper.operations.pause import PauseRequests, Resume
from daybreak.keeper.operations.plan import ShowPlan
from daybreak.keeper.operations.prewarm import Prewarm
from daybreak.keeper.operations.read import ReadSpec
from daybreak.keeper.operations.services import ChangeServices
from daybreak.keeper.operations.traffic import FollowTraffic
from daybreak.keeper.operations.versions import ListVersions
from daybreak.keeper.page.keeper_page import KeeperPage
from daybreak.keeper.planning.prepare import Preparation
from daybreak.keeper.planning.restart_facts import Ways
from daybreak.keeper.ray.applications import Applications
from daybreak.keeper.ray.draining import Draining
from daybreak.keeper.ray.template_control import TemplateControl
from daybreak.keeper.recovery.adoption import Adoption
from daybreak.keeper.recovery.recovery import Recovery
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs.hooks import HookRunner
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.keeper.runs.run_records import Runs
from daybreak.keeper.schedules.book import SCHEDULES, ScheduleBook
from daybreak.keeper.schedules.runs import ScheduledRuns
from daybreak.keeper.schedules.schedules import Schedules
from daybreak.keeper.ssh.hosts import SshHosts
from daybreak.keeper.ssh.supplies import Supplies
from daybreak.keeper.status.answering import Answering
from daybreak.keeper.status.snapshot import Snapshots
from daybreak.keeper.supervision.supervisor import Supervisor
from daybreak.keeper.versions.keeping import Versions
from daybreak.keeper.wanted.desired import Build, Desired
from daybreak.keeper.wanted.wanted_state import WantedState
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
        self.backends = backends or Backends(paths, state.spec if state else None)
        self.runner = Runner()
        self.subscribers = Subscribers()
        self.runs = Runs(paths.timeline, self._tell_error)
        desired = Desired(paths, state, self.backends, self._tell_error, build)
        self.followers = self._followers(desired, recover, restart)
        self.runs_at_times = self._runs_at_times()
        self.schedules = Schedules(self.runs_at_times, self.followers, self.runner, self.background)
        listeners += self._listeners()
        self.hosting, self.by_ssh = self._of_machines()
        self.carrying = Carrying(paths, self.followers, self.background, lambda: self.operations)
        self._snapshots = self._made_snapshots()
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
        self.hooks = HookRunner(paths, self.backends)
        self.adoption = self._adoption(trouble)
        self.operations = self._operations()

    def _followers(self, desired: Desired, recover: Recover, restart: Callable[[], bool]) -> Followers:
        traffic, board = Traffic(self.background), Board()
        supervisor = Supervisor(
            self.backends, self.record, self.background, recover, self._remember, forks=self._paths.forks
        )
        return Followers(
            desired=desired,
            board=board,
            supervisor=supervisor,
            page=KeeperPage(self._paths, self._snapshot, restart, self.background, traffic),
            applications=Applications(self.record, self.background, self.backends),
            template=TemplateControl(self._paths, self.record, self.background),
            gateway=Steering(self.background, PauseBook(self._paths.pause)),
            traffic=traffic,
            draining=Draining(self.backends, supervisor.forget),
            alerting=Alerting(self._paths, desired, board, self.runner, self.record, self.background),
        )

    def _adoption(self, trouble: str) -> Adoption:
        late = (self._tell_error, trouble, self.runs_at_times, self.hooks)
        return Adoption(self.backends, self.followers, self.record, *late)

    def _made_snapshots(self) -> Snapshots:
        answering = Answering(self.followers, self.backends)
        beside = (self.runs_at_times, self.by_ssh, self.carrying.link, answering)
        return Snapshots(self._paths, self.backends, self.followers, self.runner, *beside)

    def _of_machines(self) -> tuple[Hosting, SshHosts]:
        def note(text: str, level: str) -> None:
            self.record.emit(Kind.NOTE, text=text, level=level)

        hosting = Hosting(self._paths, self.followers, self.runner, self.background, self.record)
        own = (hosting, Supplies(self._paths.hosts_book.parent), self.background, note)
        by_ssh = SshHosts(self.followers, hosting.company, hosting.book, *own)
        self.followers.alerting.hosts = by_ssh.rows
        return hosting, by_ssh

    def _runs_at_times(self) -> ScheduledRuns:
        book = ScheduleBook.load(self._paths.root / SCHEDULES)
        made = ScheduledRuns(book, self.backends, self.followers, self.record, self.background)
        self.followers.alerting.failed_runs = made.failed
        return made

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
            followers.alerting.follow,
            followers.supervisor.follow,
            self.schedules.follow,
            self.subscribers.follow,
        ]

    def _operations(self) -> Mapping[str, Work]:
        paths, backends, followers, runner = self._paths, self.backends, self.followers, self.runner
        measured, recovery, keeping = self.measured, self.recovery, self.keeping
        versions = Versions(paths, followers.desired)
        preparation = Preparation(paths, backends, followers, Ways(followers, self.runs, paths), versions)
        replacing = Replacing(backends, followers, measured, recovery, keeping)
        returning = Returning(backends, followers, versions, replacing)
        late = (versions, replacing, returning, self.hooks, self.hosting.company, self.by_ssh)
        apply = Apply(backends, followers, runner, preparation, measured, recovery, *late)
        told = (self.record, self.subscribers, keeping, self.hooks)
        down = self.down = Down(paths, backends, followers, runner, measured, *told)

        def single(verb: Verb) -> ChangeServices:
            return ChangeServices(
                verb, backends, followers, runner, preparation, measured, recovery, keeping, self.schedules
            )

        return {
            "apply": apply,
            "rollback": apply,
            "versions": ListVersions(versions),
            "finish": Finish(backends, followers, runner, measured, apply, down, self.record),
            "prewarm": Prewarm(backends, followers, runner, preparation, measured),
            "replace": single(Verb.RESTART),
            "stop": single(Verb.STOP),
            "start": single(Verb.START),
            "plan": ShowPlan(backends, preparation, self.hosting),
            "read": ReadSpec(),
            "status": Status(self._snapshots.asked),
            "watch": Watch(self._snapshots.now, self.subscribers),
            "env": Env(paths.name, followers.desired),
            "page": Page(followers.page),
            "alerts": TellAlerts(paths.name, followers),
            "traffic": FollowTraffic(followers, runner, self.subscribers),
            **self._of_hosts(down),
            "pause": PauseRequests(paths.name, followers, self.record, self._snapshots.now),
            "resume": Resume(paths.name, followers, self.record, self._snapshots.now),
        }

    def _of_hosts(self, down: Down) -> Mapping[str, Work]:
        return {
            "down": StopHere(down, self.carrying.link),
            "stop_nodes": down,
            "invite": Invite(self.hosting),
            "remove_host": RemoveHost(self.hosting.company),
            "host_logs": HostLogs(self.hosting.company),
            "leave": Leave(self.carrying, down),
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
