"""`dev` from its first line to its last: who tells of something, and what is done about it, one after another."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daybreak.cli.dev import beside
from daybreak.cli.dev.acting import Acting
from daybreak.cli.dev.keys import KEYS, Keyboard
from daybreak.cli.dev.reload import Reload
from daybreak.cli.dev.screen import Screen
from daybreak.cli.dev.stopping import Stopping
from daybreak.extras.dev.packages import Packages
from daybreak.extras.dev.tree import Moment, Tree
from daybreak.extras.dev.watching import saves
from daybreak.paths import ClusterPaths
from daybreak.show.text import seconds
from daybreak.show.traffic import rate

# A save that comes so soon after another one belongs to it.
TOGETHER_S = 0.02


@dataclass(frozen=True)
class Pressed:
    key: str


@dataclass(frozen=True)
class Broken:
    """A thread has ended with that."""

    error: BaseException


@dataclass(frozen=True)
class Installed:
    """Packages of Ray's interpreter have changed."""

    names: Sequence[str]


Told = Sequence[Path] | Pressed | Broken | Installed


@dataclass
class Session:
    """One `dev`. `stopping`: programs of the cluster may stop, and are talked to here."""

    paths: ClusterPaths
    tree: Tree
    screen: Screen
    reload: Reload
    acting: Acting
    poll: bool = False
    packages: Packages = Packages(frozenset())
    stopping: Stopping | None = None
    _told: queue.Queue[Told] = field(default_factory=queue.Queue)
    _stop: threading.Event = field(default_factory=threading.Event)
    _second: Mapping[str, Any] | None = None
    _seen: Moment | None = None

    def run(self) -> None:
        """Until `q` or an interrupt. Raises what a thread has ended with."""
        keyboard = Keyboard(lambda key: self._told.put(Pressed(key)))
        with keyboard.read(), self.acting.until_the_end(self._draw), self._running(self._threads()):
            if self.stopping:
                self.stopping.open(keyboard)
            if keyboard.there:
                self.screen.say("keys: r restart, o page, l logs on and off, d doctor, q quit")
            if self.reload.serves:
                self.acting.run_script()
            self._draw()
            while True:
                told = self._told.get()
                if isinstance(told, Broken):
                    raise told.error
                if isinstance(told, Installed):
                    self.acting.installed(told.names)
                elif isinstance(told, Pressed):
                    if not self.acting.press(KEYS.get(told.key, "")):
                        return
                elif self.reload(self._with_what_follows(told)):
                    self.acting.run_script()
                self._draw()

    def listen(self) -> None:
        """From now on a save counts, and programs of the cluster may tell that they stop: both come during the first
        start already."""
        self._seen = self.tree.now()
        if self.stopping:
            stopping = self.stopping
            self._thread(stopping.attaching.run).start()
            self._thread(lambda: stopping.run(self._stop)).start()

    def _threads(self) -> Iterator[threading.Thread]:
        yield self._thread(self._watch)
        yield self._thread(lambda: beside.follow_logs(self.paths, self._log, self._stop))
        yield self._thread(lambda: beside.follow_traffic(self.paths, self._counted, self._stop))
        if self.packages.folders:
            yield self._thread(self._watch_packages)
        if self.reload.door:
            yield self._thread(self.reload.door.run)

    @contextlib.contextmanager
    def _running(self, threads: Iterator[threading.Thread]) -> Iterator[None]:
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            if self.reload.door:
                self.reload.door.close()
            self.screen.close()

    def _thread(self, work: Callable[[], None]) -> threading.Thread:
        """A thread whose end in an error is told: without it nothing would be reloaded, and nobody would know."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                self._told.put(Broken(error))

        return threading.Thread(target=guarded, daemon=True)

    def _watch(self) -> None:
        for saved in saves(self.tree, self._stop, self._seen or self.tree.now(), poll=self.poll):
            self._told.put(saved)

    def _watch_packages(self) -> None:
        for names in self.packages.changes(self._stop):
            self._told.put(Installed(names))

    def _with_what_follows(self, saved: Sequence[Path]) -> list[Path]:
        """The save, with those that have come meanwhile: they are answered by one reload."""
        found, later = set(saved), []
        with contextlib.suppress(queue.Empty):
            while True:
                told = self._told.get(timeout=TOGETHER_S)
                if isinstance(told, Pressed | Broken | Installed):
                    later.append(told)
                else:
                    found.update(told)
        for one in later:
            self._told.put(one)
        return sorted(found)

    def _log(self, lines: list[str]) -> None:
        if self.acting.logs:
            self.screen.say(*lines)

    def _counted(self, second: Mapping[str, Any] | None) -> None:
        self._second = second
        self._draw()

    def _draw(self) -> None:
        last = self.reload.last_s
        parts = [
            self.paths.name,
            "the last save is not what serves" if self.reload.failed else "",
            f"last reload {seconds(last)}" if last is not None else "",
            self.acting.script.state if self.acting.script else "",
            _requests(self._second) if self.reload.deploys else "",
        ]
        self.screen.status(" · ".join(part for part in parts if part))


def _requests(second: Mapping[str, Any] | None) -> str:
    if second is None:
        return ""
    counts = second["all"]
    return f"{rate(counts['requests'])} requests/s, {counts['failed'] + counts['errors']} errors"
