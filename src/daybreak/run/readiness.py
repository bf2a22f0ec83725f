"""From a service's process to its last gate."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daybreak.backends.base import Backend, Exit, Handle
from daybreak.errors import ServiceDied
from daybreak.health.checks import attempt
from daybreak.health.tail import complaint, last_words, sizes
from daybreak.health.verdict import NotYet, Verdict
from daybreak.health.wait import Subject, died, wait_until
from daybreak.paths import SECRETS
from daybreak.redact import Redaction
from daybreak.run.gates import Gates
from daybreak.services.service import STARTED, DeployCheck, Gate, Prepare, Service, log_path
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
        result = await self._backend.run(service, prepare.argv, timeout_s=PREPARE_TIMEOUT_S)
        if result.code != 0:
            why = complaint(result.output.splitlines())
            raise ServiceDied(
                f"{service.name}: {prepare.name} failed with exit code {result.code}" + (f": {why}" if why else ""),
                exit_code_of_service=result.code,
                service=service.name,
                tail=result.output.splitlines()[-20:],
            )

    async def wait(self, service: Service, handle: Handle) -> None:
        """Until it is ready. Raises ServiceDied or WaitTimeout."""
        began = self._record.elapsed_s()
        self._gates.passed(service.name, STARTED)
        for gate in service.gates:
            await self._gate(service, gate, handle, began)
        if service.one_shot:
            end = await self._end_of_one_shot(handle)
            if not end.clean:
                raise self.death(service, end)
        self._gates.passed(service.name, None)
        self._record.emit(Kind.READY, service.name, after_s=self._record.elapsed_s() - began)

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
            exited=lambda: self._backend.exited(handle),
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
                return await self._backend.exited(handle)
        except TimeoutError:
            return Exit(None, f"did not end within {ONE_SHOT_END_S:g} s of its work being done")

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
