"""`up`, `scale` and `restart`: take over a spec, then make it so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.generations.replacing import Replacing
from daybreak.keeper.generations.returning import Returning
from daybreak.keeper.generations.vetting import vet
from daybreak.keeper.hosts.company import Company
from daybreak.keeper.planning.prepare import Preparation, Prepared
from daybreak.keeper.recovery.recovery import Recovery
from daybreak.keeper.recovery.unfinished import begun
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs.hooks import HookRunner
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.keeper.ssh.hosts import SshHosts
from daybreak.keeper.versions.keeping import Versions
from daybreak.keeper.versions.version import Files
from daybreak.keeper.wanted.desired import Target
from daybreak.names import HEAD, SERVE
from daybreak.spec.model import Spec
from daybreak.states import Stage


def _verb(request: Request) -> str:
    """Whose hooks are run: those of `up` or `restart`. Other changes, and each save in `dev`, have none."""
    other = request.op != "apply" or request.only_running or request.changed_only or request.application
    return "" if other or not request.hooks else "restart" if request.restart else "up"


@dataclass
class Apply:
    """Changes the cluster."""

    backends: Backends
    followers: Followers
    runner: Runner
    preparation: Preparation
    measured: MeasuredRuns
    recovery: Recovery
    versions: Versions
    replacing: Replacing
    returning: Returning
    hooks: HookRunner
    company: Company
    by_ssh: SshHosts

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        done = await self._change(request, operation)
        if not self.by_ssh.concerned:
            return done
        # Out of its turn: who joins waits for one.
        await self.by_ssh.settled(operation)
        return {**done, "status": self.measured.snapshot().to_json()}

    async def _change(self, request: Request, operation: Operation) -> dict[str, Any]:
        async def settle(spec: Spec) -> None:
            await self.backends.settle_on(spec, operation.note)

        async with self.runner.turn(operation):
            if request.op == "rollback":
                request, done = await self.returning(operation, request)
                if done:
                    return done
            prepared = await self.preparation.prepare(request, settle)
            operation.kind = prepared.kind
            told = await self.preparation.check(prepared)
            verb = _verb(request)
            if verb and await self._before(verb, prepared, operation):
                # It may have changed whatever was looked at.
                prepared = await self.preparation.prepare(request, settle)
                told = await self.preparation.check(prepared)
            if not prepared.tries_itself:
                await vet(prepared.steps, prepared.target, self.backends)
            if prepared.choice:
                operation.note(prepared.choice.told)
            for text in told:
                operation.note(f"note: {text}")
            self.by_ssh.hear(request.environment, operation, prepared.target.cluster.spec if verb else None)
            done = await self.carry_out(operation, await self._alone(operation, prepared))
            if verb:
                await self.hooks.after(verb, prepared.target.cluster, operation)
            return done

    async def _before(self, verb: str, prepared: Prepared, operation: Operation) -> bool:
        """The hook has the environment of what it comes before; where it fails that of now counts on."""
        self.backends.inherit(prepared.target.environment)
        try:
            return await self.hooks.before(verb, prepared.target.cluster, operation)
        finally:
            self.backends.inherit(self.followers.desired.environment)

    async def _alone(self, operation: Operation, prepared: Prepared) -> Prepared:
        """What is kept of before ends where anything changes, and stays where nothing does."""
        kept, before = self.replacing.keeping.now, prepared.before
        if not prepared.steps.empty:
            await self.replacing.keeping.end(f"a {prepared.kind} follows", operation)
            kept = None
        without = before and before.with_state(kept=None)
        return replace(prepared, target=prepared.target.with_state(kept=kept), before=without)

    async def carry_out(self, operation: Operation, prepared: Prepared) -> dict[str, Any]:
        """What is prepared, for an operation that has its turn. Raises what it has failed with."""
        prepared = replace(prepared, target=prepared.target.with_state(changed_for=operation.pid))
        files = await self._taken(operation, prepared)
        if files is not None:
            await self.company.bring(await self.versions.deployed_by(prepared.target, files))
        if prepared.steps.new_generation:
            done = await self.replacing(operation, prepared)
        else:
            done = await self._in_its_slot(operation, prepared, files)
        self.followers.desired.change(settled=True, **await self._kept(operation, prepared, files))
        return {**done, "status": self.measured.snapshot().to_json()}

    async def _in_its_slot(self, operation: Operation, prepared: Prepared, files: Files | None) -> dict[str, Any]:
        self.followers.take_over(prepared.target.with_state(under_way=begun(operation, prepared)))
        change = prepared.change
        try:
            return await self.measured.carry_out(
                operation, prepared.kind, prepared.steps, change, prepared.target.cluster
            )
        except Exception as error:
            before, redo = await self._way_back(operation, prepared, files)
            await self.recovery.go_back(operation, before, change.keep_on_failure, error, redo)
            raise

    async def _taken(self, operation: Operation, prepared: Prepared) -> Files | None:
        """What the folder's files are, where applications are to be deployed: of a version, or as something to be
        turned away from."""
        if not prepared.steps.starts(SERVE):
            return None
        try:
            return await self.versions.take(prepared.target.cluster, Path(prepared.target.state.base))
        except DaybreakError as error:
            operation.note(f"note: {error.message}")
            return None

    async def _kept(self, operation: Operation, prepared: Prepared, files: Files | None) -> dict[str, Any]:
        """What the stored state says of the version that was deployed; nothing where that is as before."""
        state = prepared.target.state
        if not prepared.steps.starts(SERVE) or state.rolled_back is not None:
            return {}
        if files is None:
            return {"version": None}
        choice = prepared.choice
        how = " ".join(filter(None, (choice.way, choice.only))) if choice else prepared.kind
        try:
            return {"version": await self.versions.keep(prepared.target, files, str(how))}
        except OSError as error:
            operation.note(f"note: no version is kept: {error.strerror}: {error.filename}")
            return {"version": None}

    async def _way_back(
        self, operation: Operation, prepared: Prepared, files: Files | None
    ) -> tuple[Target | None, frozenset[str]]:
        """What is wanted again after a failure, and what of it must be done again although it is there: Serve, where it
        was told of code that is not good."""
        before, attempted = prepared.before, prepared.target
        if before is None or not prepared.steps.starts(SERVE):
            return before, frozenset()
        try:
            kept = await self.versions.way_back(before, attempted, files)
        except DaybreakError as error:
            operation.note(f"note: {error.message}")
            kept = None
        against = self._against(kept, prepared) if kept else ""
        if kept and against:
            operation.note(f"note: version {kept.state.version} is not deployed again: {against}")
            kept = None
        other = kept is not None or before.state.code_version != attempted.state.code_version
        row = self.followers.board.rows.get(SERVE)
        told = not prepared.serves_on or (row is not None and Stage.SUBMITTED in row.passed)
        return kept or before, frozenset({SERVE} if other and told else ())

    def _against(self, kept: Target, prepared: Prepared) -> str:
        """Why the version would not be what is deployed."""
        return self.preparation.ways.against_version(kept.cluster, head_stays=not prepared.steps.starts(HEAD))
