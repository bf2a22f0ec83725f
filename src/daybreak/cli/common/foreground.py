"""`up --foreground`: a command that stays as long as its cluster runs, and takes it down when it is told to end.

For systemd and other supervisors. The keeper does the work; this one sees to it that there is a keeper.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable

from daybreak import api
from daybreak.cli.common import interrupt
from daybreak.cli.common.change import timed
from daybreak.errors import EXIT_OK, DaybreakError, KeeperError, NotRunning
from daybreak.extras.boot.notify import Notifier
from daybreak.files import read_book
from daybreak.keeper.control import client
from daybreak.naps import naps
from daybreak.paths import ClusterPaths
from daybreak.show.text import harmless, seconds
from daybreak.states import FINE, ClusterState, Health
from daybreak.timeline.status import Snapshot

LOOK_S = 2.0
# A keeper that has nothing to do leaves within so long.
LEAVES_S = 20.0
TERMINATED = 128 + signal.SIGTERM


def foreground(paths: ClusterPaths, start: Callable[[], object], notify: Notifier) -> int:
    """Start it, and stay; returns the exit code. Raises what the start fails with."""
    notify(f"STATUS=starting {paths.name}")
    try:
        start()
        sys.stdout.flush()  # into a journal it would come with the end of this process
        notify("READY=1")
        return _stay(paths, notify)
    except (KeyboardInterrupt, DaybreakError):
        if interrupt.exit_code() is None:
            raise
    interrupt.ignore()
    code = interrupt.exit_code() or EXIT_OK
    _stop(paths, notify)
    return EXIT_OK if code == TERMINATED else code


def is_rolled_back(paths: ClusterPaths) -> bool:
    """Did it serve an earlier version when the machine went off? Its folder has what was turned away from."""
    values = read_book(paths.wanted)
    return bool(values.get("settled")) and values.get("rolled_back") is not None


def _stop(paths: ClusterPaths, notify: Notifier) -> None:
    notify("STOPPING=1", f"STATUS=stopping {paths.name}")
    _, took_s = timed(lambda on_message: api.down(paths.name, on_message=on_message))
    print(f"{paths.name} is down after {seconds(took_s)}", file=sys.stderr)
    for _ in naps(time.monotonic() + LEAVES_S):
        if client.holder(paths) is None:
            return


class SilentKeeper:
    """A keeper that lives and does not answer: after so long without a word it is ended, and another one begins.

    Its services do not notice. `limit_s` is that of systemd's watchdog; without one nobody is ended.
    """

    def __init__(self, paths: ClusterPaths, limit_s: float | None) -> None:
        self._paths = paths
        self._limit_s = limit_s
        self._pid: int | None = None
        self._since = 0.0

    def answered(self) -> None:
        self._pid = None

    def silent(self, now: float) -> int | None:
        """It did not answer: its pid where it has now been ended for it. `now` is in monotonic seconds."""
        pid = client.holder(self._paths)
        if pid is None or pid != self._pid:
            self._pid, self._since = pid, now
        elif self._limit_s is not None and now - self._since >= self._limit_s:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._pid = None
            return pid
        return None


def _stay(paths: ClusterPaths, notify: Notifier) -> int:
    """Until somebody stops the cluster."""
    told, keeper = "", None
    watch = SilentKeeper(paths, notify.watchdog_s)
    while True:
        notify("WATCHDOG=1")
        try:
            snapshot = _look(paths)
        except NotRunning:
            print(f"{paths.name} was stopped", file=sys.stderr)
            return EXIT_OK
        except KeeperError as error:
            line = f"{paths.name}: {error.message}"
            if ended := watch.silent(time.monotonic()):
                print(f"keeper {ended} was silent for too long and was ended", file=sys.stderr)
        else:
            line = headline(snapshot)
            watch.answered()
            if keeper not in (None, snapshot.keeper_pid):
                print(f"keeper {keeper} is gone: keeper {snapshot.keeper_pid} looks after it now", file=sys.stderr)
            keeper = snapshot.keeper_pid
        if line != told:
            told = line
            print(line, file=sys.stderr)
            notify(f"STATUS={line}")
        time.sleep(LOOK_S)


def _look(paths: ClusterPaths) -> Snapshot:
    """Its status, from another keeper where one was killed. Raises NotRunning where it was stopped."""
    values = read_book(paths.wanted)
    wanted = bool(values.get("settled") or values.get("under_way")) or client.anything_recorded(paths)
    with client.request(paths, "status", start=wanted) as asking:
        asking.set_timeout(client.START_DEADLINE_S)
        try:
            snapshot = Snapshot.from_json(asking.result())
        except TimeoutError:
            raise client.unanswered(client.START_DEADLINE_S) from None
    if snapshot.state is ClusterState.STOPPED and not wanted:
        raise NotRunning(paths.name)
    return snapshot


def headline(snapshot: Snapshot) -> str:
    """`shop is ready: http://127.0.0.1:8000`, or what is not as it should be."""
    rows = [row for row in snapshot.services if row.state not in FINE or row.health is Health.UNHEALTHY]
    wrong = [f"{row.name} {row.health if row.state in FINE else row.state} {row.reason}".strip() for row in rows]
    where = next((snapshot.urls[name] for name in ("serve", "page", "dashboard") if name in snapshot.urls), "")
    rest = "; ".join(wrong) if wrong else where
    return harmless(f"{snapshot.name} is {snapshot.state}" + (f": {rest}" if rest else ""))
