"""Asking Serve, through Ray's dashboard, how its applications are."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

from daybreak.backends.process import procfs
from daybreak.health import http
from daybreak.health.applications import ENDED, HALTED, RUNNING, Serving, as_seen, read
from daybreak.redact import Redaction
from daybreak.services.build import Cluster
from daybreak.services.ray.addresses import dashboard_health_url, own_dashboard_url
from daybreak.services.ray.environment import token

TIMEOUT_S = 5.0
MOST_BYTES = 8 * 1024 * 1024
# What is longer is read in a thread: the keeper answers others meanwhile.
LONG = 100_000
SERVE_PATH, NODES_PATH = "/api/serve/applications/", "/nodes?view=summary"
# What the dashboard answers where Serve's controller fails it.
CONTROLLER_SILENT = 503
NO_CONTROLLER = "Serve's controller does not answer: nothing is scaled, or started anew"
log = logging.getLogger(__name__)


async def ask_dashboard(cluster: Cluster, path: str, most_bytes: int = MOST_BYTES) -> http.Answer:
    """What Ray's dashboard answers to a GET. Raises OSError where it does not; the caller sets the deadline."""
    secret = token(cluster.site)
    given = Path(secret.path).read_text().strip() if secret else None
    return await http.get(own_dashboard_url(cluster.spec, cluster.site) + path, token=given, most_bytes=most_bytes)


class ServeStatus:
    """What Serve tells of one cluster's applications."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._redact = Redaction(Path(cluster.site.secrets_folder))
        self._seen: set[int] = set()

    async def ask(self) -> Serving | str:
        """What Serve tells, or why it does not."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._ask()
        except TimeoutError:
            return await self._whose_silence()
        except OSError as error:
            return error.strerror or str(error)
        except Exception as error:  # an answer of another shape: the next Ray's
            log.exception("the dashboard's answer cannot be read")
            return f"its answer cannot be read: {error}"

    async def _ask(self) -> Serving | str:
        answer = await ask_dashboard(self._cluster, SERVE_PATH)
        if answer.status == CONTROLLER_SILENT:
            return NO_CONTROLLER
        if answer.status != http.OK:
            return f"it answers {answer.status}"
        if len(answer.text) > LONG:
            return await asyncio.to_thread(self._read, answer.text)
        return self._read(answer.text)

    def _read(self, text: str) -> Serving:
        site = self._cluster.site
        serving = read(json.loads(self._redact(text)), site.base)
        # A container's process numbers are not this machine's.
        return serving if site.engine else as_seen(serving, self._state_of)

    def _state_of(self, pid: int) -> str:
        """What a replica's process shows. One that was never seen may be of another namespace."""
        found = procfs.read(pid)
        if found is None or found.zombie:
            return ENDED if pid in self._seen else RUNNING
        self._seen.add(pid)
        return HALTED if found.state == "T" else RUNNING

    async def _whose_silence(self) -> str:
        """The dashboard's, or that of Serve's controller, whom it asks: then it answers other questions."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if (await http.get(dashboard_health_url(self._cluster.spec, self._cluster.site))).status == http.OK:
                    return NO_CONTROLLER
        except (TimeoutError, OSError):
            pass
        return f"no answer within {TIMEOUT_S:g} s"
