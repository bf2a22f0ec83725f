"""What is done now and then: logs are rotated, old sessions deleted, the template learns."""

from __future__ import annotations

import asyncio

from daybreak.keeper.housekeeping.log_rotation import INTERVAL_S as INTERVAL_S
from daybreak.keeper.housekeeping.log_rotation import rotate, rotate_printed
from daybreak.keeper.page.keeper_page import KeeperPage
from daybreak.keeper.ray.sessions import Sessions
from daybreak.keeper.ray.template_control import TemplateControl
from daybreak.keeper.runner import Runner
from daybreak.paths import ClusterPaths


class Housekeeping:
    """One cluster's."""

    def __init__(self, paths: ClusterPaths, page: KeeperPage, template: TemplateControl, runner: Runner) -> None:
        self._paths = paths
        self._page = page
        self._template = template
        self._runner = runner
        self._sessions = Sessions(paths.runtime)

    async def once(self) -> None:
        """All of it."""
        await asyncio.to_thread(rotate, self._paths.logs)
        await asyncio.to_thread(rotate_printed, self._paths.runtime)
        await asyncio.to_thread(self._sessions.prune)
        await self._template.tell_fallbacks()
        await self._template.learn()
        if not self._runner.busy:
            self._page.open_soon()  # where its port was taken it may be free by now
