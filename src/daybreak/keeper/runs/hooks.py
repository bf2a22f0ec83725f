"""The user's commands before and after what changes the cluster: run in the spec's folder, with its environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from daybreak.backends.base import Exit, Handle
from daybreak.errors import DaybreakError, ServiceDied, WaitTimeout
from daybreak.health.tail import tail
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.runner import Operation
from daybreak.paths import ClusterPaths
from daybreak.redact import Redaction
from daybreak.run.uninterrupted import uninterrupted
from daybreak.services.build import Cluster
from daybreak.services.ray.environment import search_paths, shell_env
from daybreak.services.service import EnvValue, Restart, Run, Secret, Service, Tier, log_path
from daybreak.spec.hooks import Hook

HOOKS = "hooks"
LOOK_S = 0.1
TAIL = 10
HINT = "daybreak logs hooks; `--no-hooks` leaves hooks out"


@dataclass
class HookRunner:
    """Runs one cluster's, each with a deadline."""

    paths: ClusterPaths
    backends: Backends

    async def before(self, verb: str, cluster: Cluster | None, operation: Operation) -> bool:
        """Whether there was one. Raises ServiceDied or WaitTimeout where it has failed: then nothing is to change."""
        return await self._run(f"before_{verb}", cluster, operation, "nothing was changed")

    async def after(self, verb: str, cluster: Cluster | None, operation: Operation) -> None:
        """Raises DaybreakError where it has failed: what was asked for is done all the same."""
        try:
            await self._run(f"after_{verb}", cluster, operation, f"`{verb}` itself is done")
        except WaitTimeout as error:
            raise DaybreakError(error.message, hint=HINT) from error

    async def end_left(self, handles: Sequence[Handle]) -> list[Handle]:
        """End what a killed keeper has left of one. Returns the other handles."""
        for handle in handles:
            if handle.service == HOOKS:
                await self.backends.stop(handle)
        return [handle for handle in handles if handle.service != HOOKS]

    async def _run(self, moment: str, cluster: Cluster | None, operation: Operation, changed: str) -> bool:
        hooks = cluster.spec.hooks.of(moment) if cluster else ()
        if cluster is None:
            return False
        for hook in hooks:
            await self._run_one(moment, hook, cluster, operation, changed)
        return bool(hooks)

    async def _run_one(self, moment: str, hook: Hook, cluster: Cluster, operation: Operation, changed: str) -> None:
        operation.note(f"{moment}: {' '.join(hook.command)}")
        offset = _size(log_path(self.paths.logs, HOOKS))
        try:
            service = _service(moment, hook, cluster)
            handle = await self.backends.start(service, instance=uuid.uuid4().hex[:12], generation=0, bound={})
        except ServiceDied as error:
            raise ServiceDied(f"the {moment} hook: {error.message}; {changed}", service=HOOKS, hint=HINT) from error
        try:
            async with asyncio.timeout(hook.timeout):
                end = await self._follow(handle, offset, operation)
        except TimeoutError:
            end = None
        finally:
            await uninterrupted(self.backends.stop(handle))
        if end is None or not end.clean:
            raise self._failure(moment, hook, end, changed, offset)

    async def _follow(self, handle: Handle, offset: int, operation: Operation) -> Exit:
        """Until it has ended; what it prints is told as it does."""
        ended = asyncio.ensure_future(self.backends.exited(handle))
        log, redact = log_path(self.paths.logs, HOOKS), Redaction(self.paths.secrets)
        try:
            while True:
                over = ended.done()
                offset = _tell(log, offset, lambda line: operation.note(f"hooks | {redact(line)}"), last=over)
                if over:
                    return ended.result()
                await asyncio.wait({ended}, timeout=LOOK_S)
        finally:
            ended.cancel()

    def _failure(self, moment: str, hook: Hook, end: Exit | None, changed: str, offset: int) -> DaybreakError:
        log = log_path(self.paths.logs, HOOKS)
        lines = tuple(tail(log, TAIL, since_start=True, offset=offset))
        told: dict[str, object] = {"service": HOOKS, "log": str(log), "tail": lines, "hint": HINT}
        if end is None:
            message = f"the {moment} hook did not end within {hook.timeout:.3g} s; {changed}"
            return WaitTimeout(message, reason="it still ran", **told)
        return ServiceDied(f"the {moment} hook {end.reason}; {changed}", exit_code_of_service=end.code, **told)


def _service(moment: str, hook: Hook, cluster: Cluster) -> Service:
    site = cluster.site
    env: dict[str, EnvValue] = {**shell_env(cluster.spec, site), **({} if site.engine else search_paths(site))}
    # Before the first start there are no addresses of databases yet.
    known = {key: value for key, value in env.items() if not isinstance(value, Secret) or os.path.exists(value.path)}
    return Service(
        name=HOOKS,
        tier=Tier.OBSERVE,
        argv=hook.command,
        cwd=site.base,
        env=known | {"DAYBREAK_HOOK": moment},
        run=Run.ONCE,
        restart=Restart.NEVER,
    )


def _size(log: Path) -> int:
    with contextlib.suppress(OSError):
        return log.stat().st_size
    return 0


def _tell(log: Path, offset: int, tell: Callable[[str], None], *, last: bool) -> int:
    """Tell the whole lines from there on; returns where the next one begins."""
    try:
        with log.open("rb") as file:
            file.seek(offset)
            text = file.read()
    except OSError:
        return offset
    whole = text if last else text[: text.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        if " daybreak: starting hooks " not in line:
            tell(line)
    return offset + len(whole)
