"""What the page is told by the keeper, and the one thing that it may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from daybreak.hosts import reachable
from daybreak.paths import ClusterPaths
from daybreak.timeline.status import Snapshot

if TYPE_CHECKING:
    from daybreak.show.page.application_requests import ApplicationRequests
    from daybreak.show.page.discovery import Target
    from daybreak.show.page.haproxy_stats import Traffic


@dataclass(frozen=True)
class Address:
    """Where the page is served: its address, its port, and the host names that it may be reached by besides."""

    listen: str
    port: int
    names: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The page's address as people open it."""
        return f"http://{reachable(self.listen)}:{self.port}/"


class Source(Protocol):
    """The keeper, as the page sees it. Every method is called in the keeper's event loop and returns at once."""

    @property
    def paths(self) -> ClusterPaths:
        """Where the timeline and the logs are."""

    def snapshot(self) -> Snapshot:
        """The cluster at this moment."""

    def checks(self) -> Mapping[str, str]:
        """The kind of health check (`http`, `tcp`, `command` ...) of every service that has one."""

    def routes(self) -> Sequence[str]:
        """The route prefixes of the Serve applications."""

    def targets(self) -> list[Target]:
        """Every metrics endpoint of Ray that is there now."""

    async def traffic(self) -> Traffic | None:
        """What went through Serve's HAProxy; None where there is none, or where it does not answer."""

    def requests(self) -> Sequence[ApplicationRequests]:
        """What the gateway has counted of each application; none where there is no gateway."""

    def seconds(self, count: int) -> Sequence[Mapping[str, Any]]:
        """The last whole seconds as the gateway has counted them: `at` (since 1970), `all`, and by application."""

    def restart(self) -> bool:
        """Begin a restart; False where another run is under way, or nothing runs."""
