"""What the page is told by the keeper, and the one thing that it may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from daybreak.paths import ClusterPaths

if TYPE_CHECKING:
    from daybreak.page.discovery import Target
    from daybreak.page.traffic import Traffic


@dataclass(frozen=True)
class Site:
    """Where the page is served: its address, its port, and the host names that it may be reached by besides."""

    listen: str
    port: int
    names: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The page's address as people open it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.listen, self.listen)
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"


class Source(Protocol):
    """The keeper, as the page sees it. Every method is called in the keeper's event loop and returns at once."""

    @property
    def paths(self) -> ClusterPaths:
        """Where the timeline and the logs are."""

    def snapshot(self) -> Mapping[str, Any]:
        """What `daybreak status --json` prints."""

    def checks(self) -> Mapping[str, str]:
        """The kind of health check (`http`, `tcp`, `command` ...) of every service that has one."""

    def routes(self) -> Sequence[str]:
        """The route prefixes of the Serve applications."""

    def targets(self) -> list[Target]:
        """Every metrics endpoint of Ray that is there now."""

    async def traffic(self) -> Traffic | None:
        """What went through Serve's HAProxy; None where there is none, or where it does not answer."""

    def restart(self) -> bool:
        """Begin a restart; False where another run is under way, or nothing runs."""
