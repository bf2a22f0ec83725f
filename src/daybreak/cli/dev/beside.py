"""What goes on beside the reloads: the application's own lines, and the requests that come."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.keeper.control import client
from daybreak.names import SERVE
from daybreak.paths import ClusterPaths
from daybreak.redact import Redaction
from daybreak.show.logs.entry import Entry
from daybreak.show.logs.follow import Follower
from daybreak.show.logs.own import is_own
from daybreak.show.logs.selection import Once
from daybreak.show.logs.sources import Sources
from daybreak.show.logs.written import written

CONTROLLER = f"{SERVE}/controller"
RETRIES = "Failed to start RequestProtocol."
# Where there is nobody to tell of requests, or none for now.
AGAIN_S = 3.0
# The gateway's counts come once a second; a keeper that is silent for longer is asked anew.
SILENT_S = 10.0


def follow_logs(paths: ClusterPaths, show: Callable[[list[str]], None], stop: threading.Event) -> None:
    """What the applications write from now on, without the secrets, until `stop`."""
    redact, sources, follower, once = Redaction(paths.secrets), Sources(paths, (SERVE,)), Follower(), Once()
    for source in sources.find():
        follower.add(source, time.time(), _size(source.path))
    for entry in itertools.chain.from_iterable(written(follower, sources, stop)):
        if is_own(entry) and not _is_told(entry) and once.is_new(entry):
            show([f"{entry.source.label} | {redact(line)}" for line in _short(entry)])


def follow_traffic(
    paths: ClusterPaths, show: Callable[[Mapping[str, Any] | None], None], stop: threading.Event
) -> None:
    """What the gateway counts, second by second, until `stop`; None where nobody counts now."""
    while not stop.is_set():
        try:
            with client.request(paths, "traffic", start=False) as connection:
                connection.set_timeout(SILENT_S)
                for message in connection:
                    if stop.is_set():
                        return
                    if "second" in message:
                        show(message["second"])
                    if "error" in message:
                        break
        except (DaybreakError, OSError):
            pass
        show(None)
        stop.wait(AGAIN_S)


def _is_told(entry: Entry) -> bool:
    """Why a deployment has failed is told by whoever waits for it, with the user's own frames alone; and of a replica's
    own port Serve finds another one by itself."""
    first = entry.lines[0]
    return (entry.source.label == SERVE and first.startswith("Traceback ")) or RETRIES in first


def _short(entry: Entry) -> list[str]:
    """Serve's controller gives the whole traceback of each attempt to start a replica: what and why is enough."""
    lines = [line for line in entry.lines if line.strip()]
    is_long = entry.source.label == CONTROLLER and len(lines) > 2
    return [lines[0], lines[-1]] if is_long else entry.lines


def _size(path: Any) -> int:
    try:
        return int(path.stat().st_size)
    except OSError:
        return 0
