"""`versions`: what was deployed with success, and which of it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daybreak.keeper.control.request import Request
from daybreak.keeper.runner import Operation
from daybreak.keeper.versions.keeping import Versions


@dataclass
class ListVersions:
    """Looks, and tells."""

    versions: Versions

    async def __call__(self, _request: Request, _: Operation) -> dict[str, Any]:
        return {"versions": await self.versions.listed()}
