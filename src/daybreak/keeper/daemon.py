"""The keeper: one background process per cluster that owns its services.

It holds the cluster's lock, answers the control API, carries out one run at a time, and restarts what crashes. It may
be killed at any moment: services are found again by their records and markers, and go on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from daybreak import __version__
from daybreak.backends.base import Handle, State
from daybreak.backends.inherited import told_of
from daybreak.errors import (
    DaybreakError,
    EngineError,
    Interrupted,
    NotRunning,
    StepFailed,
    UsageError,
    WaitError,
)
from daybreak.keeper.aftermath import aftermath
from daybreak.keeper.applications import Applications
from daybreak.keeper.control import Client, ControlServer, Nobody
from daybreak.keeper.desired import Desired, Target
from daybreak.keeper.orphans import Orphans
from daybreak.keeper.owner import NOBODY
from daybreak.keeper.page import Cluster, KeeperPage
from daybreak.keeper.place import DOCKER
from daybreak.keeper.preflight import preflight
from daybreak.keeper.room import room_for_objects, room_for_replicas
from daybreak.keeper.rotate import INTERVAL_S, rotate, rotate_printed
from daybreak.keeper.runs import Runs
from daybreak.keeper.sessions import Sessions
from daybreak.keeper.supervise import Supervisor
from daybreak.keeper.tidy import tidy
from daybreak.keeper.vetting import vet
from daybreak.keeper.wanted import WantedState
from daybreak.keeper.warmth import Warmth
from daybreak.paths import ClusterPaths
from daybreak.plan import Goal, Plan, plan
from daybreak.reconcile import Wanted, reconcile
from daybreak.services import ingress
from daybreak.services.base import Joined, MountKind, Restart, Secret, Service, Tier
from daybreak.services.inside import inside
from daybreak.services.ray import HEAD, SERVE, TOKEN, TOKEN_FILE, client_env, node_names, search_paths
from daybreak.services.serve import notes
from daybreak.services.warm import waits_for_serve
from daybreak.services.within import carried, command
from daybreak.spec.model import Spec
from daybreak.timeline.board import FINE, Board
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.recorder import Recorder

IDLE_EXIT_S = 1.0
log = logging.getLogger(__name__)


@dataclass
class Current:
    """The run that is being carried out."""

    kind: RunKind
    task: asyncio.Task[Any]
    since_wall: float
    client_pid: int | None


class Keeper:
    """All state of one keeper."""

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths
        self._desired = Desired(paths, self._tell_error)
        self._backend = self._desired.place
        self._board = Board()
        self._watchers: set[Client] = set()
        self._runs = Runs(paths.timeline)
        self._record = Recorder([self._publish])
        self._warmth = Warmth(paths, self._record)
        self._applications = Applications(self._record, self._backend)
        self._page = KeeperPage(paths, self._snapshot, self._begin_restart)
        self._supervisor = Supervisor(self._backend, self._record, self._recover, self._remember_given_up)
        self._lock = asyncio.Lock()
        self._current: Current | None = None
        self._queue: dict[asyncio.Future[Any], int | None] = {}
        self._recovery: asyncio.Task[None] | None = None
        self._restart: asyncio.Task[None] | None = None
        self._done = asyncio.Event()
        self._server = ControlServer(
            paths.socket,
            {
                "apply": self._apply,
                "down": self._down,
                "prewarm": self._prewarm,
                "plan": self._plan,
                "status": self._status,
                "watch": self._watch,
                "cancel": self._cancel,
                "env": self._env,
                "page": self._page_for,
            },
            self._maybe_leave,
            paths.secrets,
        )

    async def serve(self) -> None:
        """Adopt what runs, then answer until nothing is left to look after."""
        await self._adopt()
        await self._server.start()
        Orphans(self._backend.children).follow()
        rotation = asyncio.create_task(self._rotate())
        self._maybe_leave()
        await self._done.wait()
        rotation.cancel()
        self._supervisor.close()
        self._warmth.close()
        self._applications.close()
        # First, and without waiting for anything before it: who asks from now on asks the next keeper.
        await self._server.close()
        self._page.leave()
        await self._backend.close()
        self._runs.close()

    # --- what it looks after ------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Take over what an earlier keeper left running; what died meanwhile is brought back in the background."""
        try:
            handles = await self._backend.observe()
        except EngineError as error:
            # Whoever asks for something is told the same.
            self._tell_error(f"nothing is looked after: {error.message}")
            return
        if not handles:
            return
        state = self._desired.state
        if state is None:
            self._show_unknown(handles, "no stored spec")
            return
        try:
            target = self._desired.target(state)
            self._desired.become(target)
        except DaybreakError as error:
            self._show_unknown(handles, f"the stored spec cannot be used: {error.message}")
            return
        self._want(target.cluster)
        self._supervisor.given_up |= set(state.given_up)
        running = [handle for handle in handles if handle.state is not State.BROKEN]
        for handle in running:
            # After a run that was cut off nobody knows whether it ever was ready: the next command finds out.
            known = {"pid": handle.pid, "instance": handle.instance, "ready": state.settled, "done": handle.done}
            self._record.emit(Kind.ADOPTED, handle.service, **known)
        self._follow(running)
        self._give_up_ended(handles)
        missing = {service.name for service in target.cluster.services} - {handle.service for handle in running}
        missing -= self._supervisor.given_up
        self._page.open_soon()
        if state.settled and missing:
            # The command that started this keeper is not kept waiting for it.
            self._recovery = asyncio.create_task(self._recover(sorted(missing)[0], replace=False), name="recovery")

    def _show_unknown(self, handles: Sequence[Handle], why: str) -> None:
        """What runs without a usable spec is not looked after, but it is there, and `down` ends it."""
        self._tell_error(why)
        for handle in handles:
            self._record.emit(Kind.ADOPTED, handle.service, pid=handle.pid, instance=handle.instance, ready=False)
        self._board.observe(list(handles))

    def _give_up_ended(self, handles: Sequence[Handle]) -> None:
        """A service that is never to be restarted stays as it ended, also where nobody saw it end."""
        broken = {handle.service for handle in handles if handle.state is State.BROKEN}
        for service in self._desired.cluster.services if self._desired.cluster else ():
            if service.name in broken and service.restart is Restart.NEVER:
                self._supervisor.given_up.add(service.name)
            if service.name in self._supervisor.given_up:
                reason = "ended while it was not watched" if service.name in broken else "ended earlier"
                self._record.emit(Kind.EXITED, service.name, exit_code=None, reason=reason)
        self._remember_given_up()

    def _remember_given_up(self) -> None:
        """Keep what is not to be restarted, so that a new keeper leaves it alone as well."""
        state = self._desired.state
        if state and set(state.given_up) != self._supervisor.given_up:
            self._desired.change(given_up=tuple(sorted(self._supervisor.given_up)))

    def _follow(self, handles: Sequence[Handle]) -> None:
        services = self._desired.cluster.services if self._desired.cluster else ()
        self._supervisor.sync(services, handles)
        self._board.observe(list(handles))

    def _tell_error(self, text: str) -> None:
        self._record.emit(Kind.NOTE, text=text, level="error")

    def _publish(self, event: Event) -> None:
        self._board.apply(event)
        self._runs.add(event)
        self._page.follow(event)
        self._applications.follow(event)
        if self._desired.cluster and self._desired.cluster.spec.warm.enabled:
            alone = waits_for_serve(self._desired.cluster.spec, self._desired.cluster.site)
            self._warmth.follow(event, SERVE if alone else None, dashboard=self._desired.cluster.spec.dashboard)
        if event.kind is Kind.STOPPING and event.service:
            self._supervisor.forget(event.service)
        for client in list(self._watchers):
            if client.gone:
                self._watchers.discard(client)
            client.send({"event": event.to_json()})

    async def _rotate(self) -> None:
        sessions = Sessions(self._paths.runtime)
        while True:
            await asyncio.sleep(INTERVAL_S)
            await asyncio.to_thread(rotate, self._paths.logs)
            await asyncio.to_thread(rotate_printed, self._paths.runtime)
            await asyncio.to_thread(sessions.prune)
            self._warmth.tell_fallbacks()
            await self._warmth.learn()
            if self._current is None:
                self._page.open_soon()  # where its port was taken it may be free by now

    def _maybe_leave(self) -> None:
        """Leave when nothing runs and nobody asks; a moment later, so that the next command of a script finds it."""
        asyncio.get_running_loop().call_later(IDLE_EXIT_S, lambda: asyncio.ensure_future(self._leave_if_idle()))

    async def _leave_if_idle(self) -> None:
        if self._server.busy or self._current or self._lock.locked():
            return
        try:
            running = await self._backend.observe()
        except EngineError:
            running = []  # an engine that is away: the next command looks again
        if not running and not (self._server.busy or self._current):
            self._done.set()

    # --- runs -----------------------------------------------------------------------------------------------------

    async def _run(
        self,
        kind: RunKind,
        wanted: Wanted,
        cluster: Cluster,
        *,
        client: Client | None = None,
        client_pid: int | None = None,
    ) -> dict[str, Any]:
        """Carry out one run; the caller holds the lock. Returns a summary."""
        warm = cluster.spec.warm.enabled and self._warmth.is_warm()
        details = self._runs.describe(cluster.spec, cluster.site, warm=warm)
        run = self._runs.begin(kind, details)
        record = Recorder([self._publish], run)
        if client:
            self._watchers.add(client)
        outcome = Outcome.OK
        error: DaybreakError | None = None
        task = asyncio.ensure_future(
            reconcile(wanted, self._backend, record, self._paths.logs, preflight=self._preflight)
        )
        self._current = Current(kind, task, time.time(), client_pid)
        record.emit(Kind.RUN_BEGAN, None, run_kind=str(kind), workers=cluster.spec.workers.count, **details.to_json())
        try:
            await asyncio.shield(task)
            if kind is not RunKind.STOP:
                await self._page.open()
        except Interrupted as interrupted:
            outcome, error = Outcome.INTERRUPTED, interrupted
        except DaybreakError as failed:
            outcome, error = Outcome.FAILED, failed
        except BaseException:
            outcome = Outcome.FAILED
            raise
        finally:
            self._current = None
            duration_s = record.elapsed_s()
            record.emit(
                Kind.RUN_ENDED, None, outcome=str(outcome), error=error and error.message, duration_s=duration_s
            )
            self._runs.end(run, outcome, duration_s, error.message if error else None)
            observed = await self._backend.observe()
            self._follow(observed)
            if client:
                self._watchers.discard(client)
        if error:
            error.aftermath = aftermath(cluster.services, observed)
            raise error
        return {"run": run, "duration_s": duration_s, "status": self._snapshot()}

    async def _recover(self, service: str, replace: bool) -> None:
        """Bring back what crashed; what cannot be brought back is tried again after its back-off."""
        async with self._lock:
            now = self._desired.before()
            if now is None:
                return
            services = [s for s in now.cluster.services if s.name not in self._supervisor.given_up]
            unproven, again = self._unproven(services)
            goal = Goal(replace_services=again | ({service} if replace else set()))
            wanted = Wanted(services, goal, keep_on_failure=True, generation=now.state.generation, unproven=unproven)
            steps = plan(services, await self._backend.observe(), goal)
            if steps.empty and not any(handle.service in unproven for handle in steps.keep):
                return  # another recovery, or a command, was quicker
            try:
                await self._run(RunKind.RECOVERY, wanted, now.cluster)
            except DaybreakError as error:
                log.warning("recovery of %s failed: %s", service, error.message)
                observed = await self._backend.observe()
                running = {handle.service for handle in observed if handle.state is not State.BROKEN}
                missing = [s.name for s in services if s.name not in running]
                self._supervisor.retry(service if service in missing or not missing else missing[0])

    def _unproven(self, services: Sequence[Service]) -> tuple[frozenset[str], frozenset[str]]:
        """The services that may be running but were never seen ready, and those of them to be done again instead.

        How a one-shot of an earlier keeper ended cannot be known.
        """
        unready = {name for name, row in self._board.rows.items() if row.state not in FINE}
        again = {service.name for service in services if service.one_shot and service.name in unready}
        return frozenset(unready - again), frozenset(again)

    def _preflight(self, steps: Plan) -> None:
        preflight(steps, self._paths.root)

    def _begin_restart(self) -> bool:
        """A restart that the page asks for; False where something else is under way, or nothing runs."""
        if self._lock.locked() or self._current or self._desired.cluster is None:
            return False

        async def restart() -> None:
            try:
                await self._apply({"restart": True, "keep_workers": True, "only_running": True}, Nobody())
            except DaybreakError as error:
                log.warning("the restart that the page asked for failed: %s", error.message)

        self._restart = asyncio.create_task(restart(), name="restart for the page")
        return True

    async def _turn(self, request: dict[str, Any], client: Client) -> None:
        """Wait for the lock; the client is told whom it waits for, and may change its mind."""
        if self._lock.locked() and self._current:
            by = f" by pid {self._current.client_pid}" if self._current.client_pid else ""
            since_s = time.time() - self._current.since_wall
            client.send({"note": f"waiting for another {self._current.kind}{by}, running for {since_s:.0f} s"})
        turn = asyncio.ensure_future(self._lock.acquire())
        self._queue[turn] = request.get("pid")
        await asyncio.wait({turn})
        del self._queue[turn]
        if turn.cancelled():
            raise Interrupted("interrupted while it waited; nothing was changed")

    # --- operations -----------------------------------------------------------------------------------------------

    async def _apply(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """`up`, `scale` and `restart`: take over a spec, then make it so."""
        await self._turn(request, client)
        try:
            state = self._desired.asked_for(request)
            await self._settle_on(state, client)
            observed = await self._backend.observe()
            app_runs = any(h.tier == Tier.APP and h.state is State.RUNNING for h in observed)
            if request.get("only_running") and not app_runs:
                raise NotRunning(self._paths.name)
            restart = bool(request.get("restart"))
            kind = RunKind.RESTART if restart else RunKind.CHANGE if app_runs else RunKind.STARTUP
            new_generation = restart or not app_runs
            state = state.with_changes(generation=state.generation + int(new_generation))
            # What is started anew gets the environment of the command that asks for it.
            target = self._desired.target(state, request.get("environment") if new_generation else None)
            cluster = target.cluster
            unproven, again = self._unproven(cluster.services)
            goal = Goal(frozenset({Tier.APP}) if restart else frozenset(), again)
            keep = bool(request.get("keep"))
            before = self._desired.before()
            wanted = Wanted(
                cluster.services,
                goal,
                keep_on_failure=keep,
                generation=state.generation,
                unproven=unproven,
                before=before.cluster.services if before else (),
            )
            steps = plan(wanted.services, observed, goal)
            preflight(steps, self._paths.root, self._page.claims(cluster), before.cluster.services if before else None)
            told = room_for_objects(steps, observed, cluster.spec)
            told += room_for_replicas(steps, cluster.spec, self._paths.runtime)
            await self._vet(kind, steps, target, request.get("pid"))
            told += notes(cluster.spec, cluster.site) if steps.starts(SERVE) else ()
            for text in told:
                client.send({"note": f"note: {text}"})
            self._take_over(target)
            try:
                done = await self._run(kind, wanted, cluster, client=client, client_pid=request.get("pid"))
            except Exception as error:
                await self._go_back(before, keep, error, client)
                raise
            self._desired.change(settled=True)
            return done
        finally:
            self._lock.release()

    async def _vet(self, kind: RunKind, steps: Plan, target: Target, client_pid: int | None) -> None:
        """Try what is to replace something that works; like a run, the client may cancel it."""
        task = asyncio.ensure_future(vet(steps, target, self._backend))
        self._current = Current(kind, task, time.time(), client_pid)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            self._current = None
        if task.cancelled():
            raise Interrupted("interrupted; nothing was changed")
        task.result()

    async def _prewarm(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """Start the warm template and nothing else; where the cluster runs it has one already."""
        await self._turn(request, client)
        try:
            state = self._desired.asked_for(request)
            if state.spec.get("backend") == DOCKER:
                # In containers each node has a template of its own; what can be had ahead is images.
                await self._backend.fetch(Spec.model_validate(state.spec), lambda text: client.send({"note": text}))
                return {"status": self._snapshot()}
            if not Spec.model_validate(state.spec).warm.enabled:
                raise UsageError("the warm start is switched off in the spec", hint="remove `warm: false`")
            if any(handle.tier != Tier.WARM for handle in await self._backend.observe()):
                return {"status": self._snapshot()}
            target = self._desired.target(state, request.get("environment"))
            cluster = target.cluster
            services = tuple(service for service in cluster.services if service.tier is Tier.WARM)
            self._take_over(replace(target, cluster=Cluster(cluster.spec, cluster.site, services)))
            wanted = Wanted(services, generation=state.generation)
            return await self._run(RunKind.PREWARM, wanted, cluster, client=client, client_pid=request.get("pid"))
        finally:
            self._lock.release()

    async def _settle_on(self, state: WantedState, client: Client) -> None:
        """Choose the backend, and have what it needs there."""
        spec = Spec.model_validate(state.spec)
        await self._backend.settle_on(spec, lambda text: client.send({"note": text}))

    def _take_over(self, target: Target) -> None:
        """A command wants this from now on: nothing is given up any more."""
        self._desired.take_over(target)
        self._supervisor.forgive()
        self._want(target.cluster)

    def _want(self, cluster: Cluster) -> None:
        self._board.want(cluster.services)
        self._page.want(cluster)
        self._applications.want(cluster)
        self._warmth.nodes = tuple(node_names(cluster.spec)) if cluster.site.engine else ()

    async def _go_back(self, before: Target | None, keep: bool, error: Exception, client: Client) -> None:
        """The run failed. With `keep` what came up is looked after; else what was wanted before is wanted again, and
        brought back as far as the run has replaced it."""
        if keep:
            # What never came up is not tried again and again, but with the next command.
            self._supervisor.give_up({name for name, row in self._board.rows.items() if row.state == "failed"})
            self._remember_given_up()
            self._desired.change(settled=True)
            return
        if before is None:
            return
        now = self._desired.cluster
        tried = {service.name: service.fingerprint() for service in now.services} if now else {}
        generation = self._desired.state.generation if self._desired.state else before.state.generation
        self._desired.become(before.with_state(generation=generation, settled=False))
        self._want(before.cluster)
        wanted = before.cluster.services
        if not isinstance(error, Interrupted):
            # What has just failed as it was wanted before would fail once more.
            failures = error.failures if isinstance(error, StepFailed) else ()
            failed = {failure.service for failure in failures if isinstance(failure, WaitError)}
            alike = {service.name for service in wanted if tried.get(service.name) == service.fingerprint()}
            await self._bring_back(before.cluster, failed & alike, client)
        observed = await self._backend.observe()
        self._follow(observed)
        # Whatever is not there now is left alone until the next command.
        if isinstance(error, DaybreakError):
            error.aftermath = aftermath(wanted, observed)
        there = {handle.service for handle in observed if handle.state is not State.BROKEN}
        self._supervisor.give_up({service.name for service in wanted} - there)
        self._remember_given_up()
        self._desired.change(settled=True)

    async def _bring_back(self, cluster: Cluster, hopeless: AbstractSet[str], client: Client) -> None:
        """Start again what a failed run has replaced; the run's own error is the one that is told."""
        services = [service for service in cluster.services if service.name not in hopeless]
        unproven, again = self._unproven(services)
        goal = Goal(replace_services=again)
        steps = plan(services, await self._backend.observe(), goal)
        if not steps.start and not any(handle.service in unproven for handle in steps.keep):
            return
        client.send({"note": "the change failed: going back to what ran before"})
        generation = self._desired.state.generation if self._desired.state else 1
        wanted = Wanted(services, goal, keep_on_failure=True, generation=generation, unproven=unproven)
        try:
            await self._run(RunKind.RECOVERY, wanted, cluster, client=client)
        except DaybreakError as error:
            client.send({"note": f"not all of it came back: {error.message}"})

    async def _down(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """Stop everything; with `volumes` delete the databases' data too."""
        await self._turn(request, client)
        try:
            self._supervisor.forgive()
            self._desired.change(settled=False)
            if self._desired.state and not self._desired.cluster:
                with contextlib.suppress(DaybreakError):
                    self._desired.cluster = self._desired.target(self._desired.state).cluster
            done: dict[str, Any] = {}
            if await self._backend.observe():
                done = await self._stop_everything(request, client)
            if request.get("volumes"):
                names = [folder.name for folder in self._paths.data.iterdir()]
                names += [name for name in self._stored_in_volumes() if name not in names]
                await self._backend.purge(names)
                done["deleted"] = names
                NOBODY.save(self._paths)
            self._page.end()
            self._desired.end()
            self._board = Board()
            await asyncio.to_thread(tidy, self._paths.runtime, frozenset([self._paths.socket.name]))
            return done
        finally:
            self._lock.release()

    def _stored_in_volumes(self) -> list[str]:
        """The services of the last spec whose data a Docker engine keeps."""
        services = self._desired.cluster.services if self._desired.cluster else ()
        containers = [(service.name, service.container.mounts) for service in services if service.container]
        return [name for name, mounts in containers if any(mount.kind is MountKind.VOLUME for mount in mounts)]

    async def _stop_everything(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """A measured run; where the stored spec cannot be used any more, everything is stopped all the same."""
        if self._desired.cluster:
            return await self._run(
                RunKind.STOP, Wanted(()), self._desired.cluster, client=client, client_pid=request.get("pid")
            )
        self._watchers.add(client)
        try:
            await reconcile(Wanted(()), self._backend, self._record, self._paths.logs)
        finally:
            self._watchers.discard(client)
        return {}

    async def _plan(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """What `up` (or `restart`) would do; changes nothing."""
        cluster = self._desired.target(self._desired.asked_for(request), only_look=True).cluster
        goal = Goal(replace_tiers=frozenset({Tier.APP}) if request.get("restart") else frozenset())
        steps = plan(cluster.services, await self._backend.observe(), goal)
        said = notes(cluster.spec, cluster.site) if steps.starts(SERVE) else ()
        return {**steps.to_json(), "notes": list(said)}

    async def _status(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        return self._snapshot()

    async def _watch(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """Send a snapshot, then every event, until the client goes away."""
        client.send({"snapshot": self._snapshot()})
        self._watchers.add(client)
        try:
            await client.until_gone()
        finally:
            self._watchers.discard(client)
        return {}

    async def _cancel(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """End the current run as Ctrl-C does, or the wait for it: only what the client that asks has begun."""
        current, pid = self._current, request.get("pid")
        for turn in [turn for turn, waiting in self._queue.items() if waiting == pid]:
            turn.cancel()
            return {"cancelled": True}
        if current is None or current.client_pid != pid:
            return {"cancelled": False}
        current.task.cancel()
        return {"cancelled": True}

    async def _env(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """Variables for a shell: plain values, and files for what must not be printed."""
        if self._desired.cluster is None:
            raise NotRunning(self._paths.name)
        env = client_env(self._desired.cluster.spec, self._desired.cluster.site)
        return {
            "values": {name: value for name, value in env.items() if isinstance(value, str)} | told_of(env),
            "files": {name: value.path for name, value in env.items() if isinstance(value, Secret)},
            "joined": {
                name: [value.value, value.separator] for name, value in env.items() if isinstance(value, Joined)
            },
            # A token of the shell's own would come before the file.
            "unset": [TOKEN] if TOKEN_FILE in env else [],
            "autoscaler_monitor": self._desired.cluster.spec.ray.autoscaler_monitor,
            "base": self._desired.cluster.site.base,
            "python": self._desired.cluster.site.ray.python,
            **self._within(self._desired.cluster),
        }

    def _within(self, cluster: Cluster) -> dict[str, Any]:
        """`within`, the command by which a program is run where the cluster is, if that is a container: its last word
        is the request, whose `argv` is still empty. `carried` is the environment that the program gets there. Nothing
        where any program of this machine can reach the cluster."""
        if cluster.site.engine is None:
            return {}
        inner = inside(cluster.site, HEAD)
        env = {**client_env(cluster.spec, inner), **search_paths(inner)}
        return {"within": command(cluster.site, (), inner.base), "carried": carried(cluster.site, env)}

    async def _page_for(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """Where the page is served; with `login` an address that logs in once."""
        await self._page.open()
        return {**self._page.state(), "login": self._page.login() if request.get("login") else None}

    def _snapshot(self) -> dict[str, Any]:
        """What `status --json` prints."""
        cluster = self._desired.cluster
        rows = self._board.to_json()
        page = self._page.state()
        urls = {key: url for row in rows if row["state"] == "ready" for key, url in row["urls"].items()}
        if page["state"] == "listening":
            urls["page"] = page["url"]
        return {
            "name": self._paths.name,
            "state": self._state(rows),
            "keeper_pid": os.getpid(),
            "daybreak": __version__,
            "generation": self._desired.state.generation if self._desired.state else 0,
            "workers": cluster.spec.workers.count if cluster else 0,
            "ray": cluster.site.ray.version if cluster else None,
            "backend": self._backend.kind,
            "root": str(self._paths.root),
            "run": str(self._current.kind) if self._current else None,
            "urls": urls,
            "page": page,
            "absent": dict(cluster.site.absent) if cluster else {},
            "notes": list(ingress.notes(cluster.spec, cluster.site)) if cluster else [],
            "services": rows,
            "serving": self._applications.to_json(),
        }

    def _state(self, rows: list[dict[str, Any]]) -> str:
        """One word for the whole cluster."""
        states = {row["state"] for row in rows}
        if self._current:
            return "stopping" if self._current.kind is RunKind.STOP else "starting"
        if not any(row["state"] != "stopped" and (row["state"] != "failed" or row["instance"]) for row in rows):
            return "stopped"  # what has failed keeps its row, with the reason
        if states <= set(FINE):
            healthy = all(row["health"] in ("", "healthy") for row in rows)
            return "ready" if healthy else "degraded"
        return "degraded"
