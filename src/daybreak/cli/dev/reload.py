"""One save: from the files that were written to the answer of the new code, or to what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daybreak import api
from daybreak.cli.common.output import print_error
from daybreak.cli.common.receipt_listener import ReceiptListener
from daybreak.cli.dev.screen import GREEN, RED, Screen, clock
from daybreak.errors import DaybreakError, Interrupted
from daybreak.extras.dev.browser.door import Door
from daybreak.extras.dev.browser.notices import Notices
from daybreak.extras.dev.mistakes import mistakes
from daybreak.extras.dev.replaced import replaced, versions
from daybreak.names import SERVE
from daybreak.show.text import plural, seconds
from daybreak.timeline.event import Event, Kind, is_first_response

MOST_NAMES = 3
NOTHING = "nothing had to be replaced"
MENDED = f"nothing is wrong any more, and {NOTHING}"
# A file that was copied with its time was not saved then.
OLDEST_S = 5.0


@dataclass
class _Progress:
    """What the keeper tells of one change."""

    started: list[str] = field(default_factory=list)
    # What is not wanted any more.
    ended: list[str] = field(default_factory=list)
    answered_at: float | None = None

    def message(self, message: dict[str, Any]) -> None:
        if "event" not in message:
            return
        event = Event.from_json(message["event"])
        if event.kind is Kind.PLANNED:
            self.ended = [name for name in event.data["stop"] if name not in event.data["start"]]
        if event.kind is Kind.STARTING and event.service:
            self.started.append(event.service)
        if is_first_response(event):
            self.answered_at = time.time()


@dataclass
class Reload:
    """Makes what runs equal to what was saved. `bring_up` is `up` as `dev` was asked for it; `compiles`: what this
    interpreter cannot compile is wrong. `serves`: something came up; `last_s` is how long the last save took until it
    was answered; `failed`: the last save is not what serves. `deploys`: there are applications, which any file may be
    part of; `named` are the files that count for the cluster itself; `alone`: nothing but them is made of files.
    `notices` is what pages are told, `door` where they are opened, if anywhere; `books` tell what is deployed."""

    folder: Path
    screen: Screen
    bring_up: Callable[[api.OnMessage], api.Cluster]
    compiles: bool = True
    deploys: bool = True
    named: frozenset[Path] = frozenset()
    alone: bool = True
    notices: Notices = field(default_factory=Notices)
    door: Door | None = None
    books: Sequence[Path] = ()
    serves: bool = False
    last_s: float | None = None
    failed: bool = False
    # What was saved since all was well.
    _wrong: set[Path] = field(default_factory=set)

    def __call__(self, saved: Sequence[Path]) -> bool:
        """Is what was saved Python, and something up? Raises Interrupted; whatever else goes wrong is shown, and what
        serves goes on."""
        names = _names(saved, self.folder)
        began = _saved_at(saved)
        wrong = mistakes(saved) if self.compiles else []
        if wrong:
            self._is_wrong(saved)
            lines = [line for one in wrong for line in one.lines(self.folder)]
            what = "the version before goes on" if self.serves else "nothing was started"
            told = f"{plural(len(wrong), 'syntax error')}; {what}"
            self.screen.tell("mistakes", f"{clock()}  {told}", *lines, style=RED, files=names, mistakes=lines)
            self.notices.wrong(told, lines)
            return False
        if self.deploys or not self.serves or self.named.intersection(saved):
            self._bring_up(saved, names, began)
        return self.serves

    def _bring_up(self, saved: Sequence[Path], names: Sequence[str], began: float) -> None:
        progress, receipts, before = _Progress(), ReceiptListener(), versions(self.books)
        doing = f"{'reloading' if self.serves else 'starting'}: {', '.join(names)}"
        try:
            with self.screen.doing(doing):
                cluster = self.bring_up(receipts.beside(progress.message))
        except Interrupted:
            raise
        except DaybreakError as error:
            self._is_wrong(saved)
            self._failed(names, error)
            return
        self.came_up(cluster)
        self.deploys = self.deploys or SERVE in progress.started
        if not progress.started and not progress.ended:
            self._nothing(saved, names)
            return
        was_wrong, self.failed = self.failed, False
        self._wrong.clear()
        anew = replaced(before, versions(self.books))
        if progress.started == [SERVE] and anew == []:
            self.notices.mended()
            told = f"{', '.join(names)}: {MENDED if was_wrong else NOTHING}"
            self.screen.tell("nothing", f"{clock()}  {told}", files=names)
            return
        self._done(names, began, progress, receipts, cluster, anew)

    def _is_wrong(self, saved: Sequence[Path]) -> None:
        self.failed = True
        self._wrong.update(saved)

    def _nothing(self, saved: Sequence[Path], names: Sequence[str]) -> None:
        """What was saved makes no difference to what runs. What is wrong is so until all its files are as they were."""
        told, before = NOTHING, self.failed
        self._wrong.difference_update(saved)
        self.failed = bool(self._wrong)
        if before and not self.failed:
            told = MENDED
            self.notices.mended()
        elif before:
            told = f"nothing to replace; {', '.join(_names(sorted(self._wrong), self.folder))} is not what serves"
        lines = [f"{clock()}  {', '.join(names)}: {told}"] if self.alone or before else []
        self.screen.tell("nothing", *lines, files=names)

    def came_up(self, cluster: api.Cluster) -> None:
        """Something serves, and where."""
        self.serves = True
        if self.door:
            self.door.upstream = cluster.urls.get(SERVE)

    def _failed(self, names: Sequence[str], error: DaybreakError) -> None:
        self.notices.wrong(error.message, error.details())
        if self.screen.as_json:
            self.screen.tell("failed", files=names, message=error.message, details=error.details())
            return
        with self.screen.aside():
            print(f"{clock()}  {', '.join(names)}", flush=True)
            print_error(error)

    def _done(
        self,
        names: Sequence[str],
        began: float,
        progress: _Progress,
        receipts: ReceiptListener,
        cluster: api.Cluster,
        anew: Sequence[str] | None,
    ) -> None:
        what = ", ".join(names)
        self.notices.replaced()
        receipt = cluster.receipt.to_json() if cluster.receipt else None
        data = {"files": names, "started": progress.started, "ended": progress.ended, "receipt": receipt}
        if progress.answered_at is None:
            changes = ((progress.started, "started anew"), (progress.ended, "stopped"))
            told = f"{what}: " + ", ".join(f"{', '.join(some)} {how}" for some, how in changes if some)
            self.screen.tell("changed", f"{clock()}  {told}", style=GREEN, **data)
            return
        self.last_s = max(0.0, progress.answered_at - began)
        told = f"{what}: answered by new code after {seconds(self.last_s)}"
        if anew is not None:
            told += f" ({', '.join(some(anew))})"
            data["replaced"] = list(anew)
        counted = [f"          {receipts.line}"] if cluster.receipt and cluster.receipt.requests else []
        line = f"{clock()}  {told}"
        self.screen.tell("reloaded", line, *counted, style=GREEN, answered_after_s=round(self.last_s, 3), **data)


def _names(saved: Sequence[Path], folder: Path) -> list[str]:
    return some([str(path.relative_to(folder) if path.is_relative_to(folder) else path) for path in saved])


def some(names: Sequence[str]) -> list[str]:
    """The first ones, and how many more there are."""
    rest = len(names) - MOST_NAMES
    return list(names) if rest <= 0 else [*names[:MOST_NAMES], f"{rest} more"]


def _saved_at(saved: Sequence[Path]) -> float:
    """When the last of them was written (seconds since 1970); now where nobody can tell."""
    now = time.time()
    times = [found for path in saved if (found := _written_at(path)) is not None]
    last = max(times, default=now)
    return last if now - OLDEST_S <= last <= now else now


def _written_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
