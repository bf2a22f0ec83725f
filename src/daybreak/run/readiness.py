"""From a service's process to its last gate."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daybreak.backends.base import Backend, Exit, Handle, State
from daybreak.errors import ServiceDied, WaitError, WaitTimeout
from daybreak.health.checks import attempt
from daybreak.health.tail import complaint, last_words, sizes
from daybreak.health.verdict import NotYet, Verdict
from daybreak.health.wait import Subject, died, wait_until
from daybreak.paths import SECRETS
from daybreak.redact import Redaction
from daybreak.run import settling
from daybreak.run.gates import Gates
from daybreak.services.service import STARTED, DeployCheck, Gate, Prepare, Run, Service, log_path
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

PREPARE_TIMEOUT_S = 120.0
ONE_SHOT_END_S = 15.0


class Readiness:
    """Waits for the gates of services, and passes them on."""

    def __init__(self, backend: Backend, record: Recorder, logs: Path, gates: Gates) -> None:
        self._backend = backend
        self._record = record
        self._logs = logs
        self._gates = gates
        self._logs_before: dict[str, dict[str, int]] = {}
        self.redact = Redaction(logs.parent / SECRETS)

    async def prepare(self, service: Service) -> None:
        """Everything that must have been done before its first start."""
        for step in service.prepare:
            if not Path(step.creates).exists():
                await self._prepare(service, step)
        self._logs_before[service.name] = sizes(service.logs)

    async def _prepare(self, service: Service, prepare: Prepare) -> None:
        self._record.emit(Kind.PREPARING, service.name, name=prepare.name)
        timeout_s = max(PREPARE_TIMEOUT_S, prepare.timeout_s or 0.0)
        result = await self._backend.run(service, prepare.argv, timeout_s=timeout_s)
        if result.code != 0:
            why = complaint(result.output.splitlines())
            raise ServiceDied(
                f"{service.name}: {prepare.name} failed with exit code {result.code}" + (f": {why}" if why else ""),
                exit_code_of_service=result.code,
                service=service.name,
                tail=result.output.splitlines()[-20:],
            )

    async def settle(self, service: Service) -> None:
        """Bring a service that goes on up to what is wanted of it now, where that is due. Raises WaitError."""
        settle = service.settle
        if settle is None or not settling.is_due(settle):
            return
        self._record.emit(Kind.PREPARING, service.name, name=settle.name)
        result = await self._backend.run(service, settle.argv, timeout_s=PREPARE_TIMEOUT_S)
        if result.code != 0:
            lines = result.output.splitlines()
            why = complaint(lines)
            raise WaitError(
                f"{service.name}: {settle.name} failed with exit code {result.code}, the server runs on"
                + (f": {why}" if why else ""),
                service=service.name,
                tail=lines[-20:],
            )
        settling.note(settle)

    async def wait(self, service: Service, handle: Handle) -> None:
        """Until it is ready. Raises ServiceDied or WaitTimeout."""
        began = self._record.elapsed_s()
        self._gates.passed(service.name, STARTED)
        for gate in service.gates:
            await self._gate(service, gate, handle, began)
        if service.run is Run.ONCE:
            await self._to_its_end(service, handle)
        if service.one_shot:
            end = await self._end_of_one_shot(handle)
            if not end.clean:
                raise self.death(service, end)
        if service.settle:
            settling.note(service.settle)
        self._gates.passed(service.name, None)
        after_s = self._record.elapsed_s() - began
        self._record.emit(Kind.READY, service.name, after_s=after_s)
        if service.run is Run.ONCE:
            self._record.emit(Kind.COMPLETED, service.name, after_s=after_s)

    async def _to_its_end(self, service: Service, handle: Handle) -> None:
        """What runs once is ready when it has ended well."""
        try:
            async with asyncio.timeout(service.start_timeout_s):
                end = await self._exited(handle)
        except TimeoutError:
            subject = self._subject(service, "")
            words = subject.last_words()
            raise WaitTimeout(
                f"{service.name} did not end within {service.start_timeout_s:.3g} s",
                reason="it still runs",
                service=service.name,
                log=subject.log,
                tail=words.lines,
                whole=words.whole,
                hint=f"daybreak logs {service.name}; services.{service.name}.start_timeout gives it longer",
            ) from None
        if not end.clean:
            raise self.death(service, end)

    async def _gate(self, service: Service, gate: Gate, handle: Handle, began: float) -> None:
        async def once() -> Verdict:
            return await attempt(
                gate.check, service, self._backend, instance=handle.instance, timeout_s=service.health.timeout_s
            )

        def not_yet(said: NotYet) -> None:
            stage = {"stage": said.stage} if said.stage else {}
            self._record.emit(Kind.NOT_YET, service.name, gate=gate.name, reason=self.redact(said.reason), **stage)

        waited = await wait_until(
            once,
            self._subject(service, gate.name, result=isinstance(gate.check, DeployCheck)),
            exited=lambda: self._exited(handle),
            deadline_s=max(0.0, service.start_timeout_s - (self._record.elapsed_s() - began)),
            on_reason=not_yet,
        )
        self._gates.passed(service.name, gate.name)
        self._record.emit(
            Kind.GATE_PASSED,
            service.name,
            gate=gate.name,
            attempts=waited.attempts,
            after_s=self._record.elapsed_s() - began,
            poll_s=waited.poll_s,
        )

    async def _end_of_one_shot(self, handle: Handle) -> Exit:
        """A one-shot that has done its work ends; one that hangs instead has failed."""
        try:
            async with asyncio.timeout(ONE_SHOT_END_S):
                return await self._exited(handle)
        except TimeoutError:
            return Exit(None, f"did not end within {ONE_SHOT_END_S:g} s of its work being done")

    async def _exited(self, handle: Handle) -> Exit:
        """What has ended well has, also where it was a child of an earlier keeper."""
        return Exit(0, "exited with code 0") if handle.state is State.COMPLETED else await self._backend.exited(handle)

    def death(self, service: Service, end: Exit) -> ServiceDied:
        """The error for a service that has ended by itself."""
        return died(self._subject(service, ""), end)

    def _subject(self, service: Service, gate: str, *, result: bool = False) -> Subject:
        log = log_path(self._logs, service.name)
        before = self._logs_before.get(service.name)
        return Subject(
            service.name,
            gate,
            str(log),
            lambda: last_words(log, service.logs, service.cwd, before=before),
            one_shot=service.one_shot,
            result=result,
            given_s=service.start_timeout_s,
        )
