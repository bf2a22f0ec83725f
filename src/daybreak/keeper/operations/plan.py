"""`plan`: what `up` (or `restart`) would do, and what it would refuse; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daybreak.errors import PreflightError
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control.request import Request
from daybreak.keeper.hosts.hosting import Hosting
from daybreak.keeper.planning.prepare import Preparation, Prepared
from daybreak.keeper.runner import Operation
from daybreak.keeper.ssh.changes import named, plan_lines
from daybreak.keeper.status.snapshot import kept_status
from daybreak.show.kept import kept_line


@dataclass
class ShowPlan:
    """Looks, and tells."""

    backends: Backends
    preparation: Preparation
    hosting: Hosting

    async def __call__(self, request: Request, _: Operation) -> dict[str, Any]:
        """The plan's steps, `notes` (what there is to know about them), and `way` where what runs is replaced."""
        prepared = await self.preparation.prepare(request, self.backends.require, only_look=True)
        try:
            said = await self.preparation.check(prepared)
        except PreflightError as error:
            said = [f"this would be refused: {problem}" for problem in error.problems]
        proven = [name for name in sorted(prepared.change.unproven) if name in {h.service for h in prepared.steps.keep}]
        said += [f"{name} runs, but was not seen ready: it is waited for" for name in proven]
        said += self._of_hosts(prepared)
        kept = kept_status(self.preparation.followers.desired.state)
        if kept:
            said.append(kept_line(kept) + ("" if prepared.steps.empty else "; this would end it"))
        way = {"way": prepared.choice.to_json()} if prepared.choice else {}
        told = [prepared.choice.told] if prepared.choice else []
        return {**prepared.steps.to_json(), "notes": told + said} | way

    def _of_hosts(self, prepared: Prepared) -> list[str]:
        wanted = named(prepared.target.cluster.spec)
        return list(plan_lines(wanted, self.hosting.book.hosts, self.hosting.company.has()))
