"""`alerts`: what fires now, and a test of whom it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daybreak.errors import NotRunning, UsageError
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.runner import Operation


@dataclass
class TellAlerts:
    """What fires now; with `test` one message to everybody, and what became of it."""

    name: str
    followers: Followers

    async def __call__(self, request: Request, _: Operation) -> dict[str, Any]:
        if self.followers.desired.cluster is None:
            raise NotRunning(self.name)
        alerting = self.followers.alerting
        if not request.test:
            return alerting.to_json()
        if not alerting.telling.destinations():
            raise UsageError(
                f"{self.name} has nobody to tell: its spec has neither alerts.webhook, alerts.webhook_file nor "
                "alerts.command",
                hint="write alerts: {webhook: https://...} into it, then `daybreak up`",
            )
        return {**alerting.to_json(), "tried": await alerting.try_once()}
