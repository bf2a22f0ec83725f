"""What stays bounded whatever happens: the keeper's memory, the page's answers, the logs."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.faults.beside import Beside
from bench.faults.target import Target
from daybreak.errors import DaybreakError

EVERY_S = 0.5
MOST_MEMORY_MB = 150
# How long the page may take; longer than it does on a machine whose processors are all busy.
PAGE_S = 10.0
# Each file has its limit, but is looked at every half a minute only.
MOST_LOGS_MB = 400
MB = 1024 * 1024


class Bounds(Beside):
    """Looks for as long as the `with` block lasts; `exceeded` says in words what was passed, once each."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._page = target.status()["urls"].get("page")
        self._worst: dict[str, str] = {}
        self._memory_mb = 0.0
        self._logs_before_mb = logs_mb(target)
        super().__init__()

    @property
    def exceeded(self) -> tuple[str, ...]:
        return tuple(self._worst.values())

    def go_on(self) -> None:
        while not self.over.is_set():
            self._look()
            self.over.wait(EVERY_S)

    def _look(self) -> None:
        self._memory()
        if self._page and (said := silence(self._page)):
            self._worst["page"] = said
        if (grown_mb := logs_mb(self._target) - self._logs_before_mb) > MOST_LOGS_MB:
            self._worst["logs"] = f"logs grew by {grown_mb:.0f} MB"

    def _memory(self) -> None:
        try:
            pid = self._target.status()["keeper_pid"]
        except (DaybreakError, OSError):
            return  # what status does not say is judged apart
        mb = memory_mb(pid)
        if mb > max(MOST_MEMORY_MB, self._memory_mb):
            self._memory_mb = mb
            self._worst["memory"] = f"the keeper had {mb:.0f} MB"


def memory_mb(pid: int) -> float:
    """What a process has in memory; nothing where it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def silence(page: str) -> str:
    """What the page does instead of answering; nothing where it answers."""
    began_s = time.monotonic()
    try:
        with urllib.request.urlopen(f"{page.rstrip('/')}/healthz", timeout=PAGE_S) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        return f"the page answered {error.code}"
    except OSError as error:
        return f"the page did not answer within {time.monotonic() - began_s:.0f} s: {error}"
    return ""


def logs_mb(target: Target) -> float:
    """Of daybreak's and of Ray's."""
    folders = (target.paths.logs, *target.paths.runtime.glob("*/session_latest/logs"))
    return sum(_bytes(file) for folder in folders for file in folder.rglob("*")) / MB


def _bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0
