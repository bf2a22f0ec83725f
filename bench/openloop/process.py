"""The loop as a process of its own: started, read while it runs, ended in order."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.machine import ROOT
from bench.openloop.records import Request, Settings
from bench.openloop.report import Report

START_S = 60.0
LOOK_EVERY_S = 0.05
# Beyond the deadline of the last request.
GRACE_S = 10.0


class LoopFailed(Exception):
    """The loop has not measured what it was to: it did not start, or broke."""


class OpenLoop:
    """Requests for as long as the `with` block lasts; what is under way at its end is waited for.

    `report()` tells of what has ended so far, and after the block of everything. Times are monotonic seconds.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="openloop-")
        self._records = Path(self._folder.name) / "requests"
        self._errors = Path(self._folder.name) / "errors"
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: list[Request] = []
        self._read_bytes = 0

    def __enter__(self) -> Self:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-E", "-m", "bench.openloop", self.settings.to_json(), str(self._records)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                process_group=0,  # Ctrl-C is for whoever measures
            )
        try:
            self._wait_for_start()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Where the block failed, what is under way is not waited for."""
        try:
            if kind is None:
                self.stop()
        finally:
            self._kill()

    @property
    def pid(self) -> int | None:
        """The loop's own process, from its start on."""
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """Nothing more is asked; returns when every request has ended. Raises LoopFailed."""
        process = self._running()
        assert process.stdin
        process.stdin.close()
        lasts_s = max(kind.lasts_s for kind in self.settings.kinds)
        try:
            process.wait(self.settings.timeout_s + lasts_s + GRACE_S)
        except subprocess.TimeoutExpired:
            raise LoopFailed("the loop did not end") from None
        self._read()
        if process.returncode:
            raise self._failed()

    def report(self) -> Report:
        """Raises LoopFailed where the loop has broken, since then there are no records of what followed."""
        self._read()
        process = self._process
        if process and process.poll():
            raise self._failed()
        return Report(tuple(self._requests), self.settings.kinds)

    def _wait_for_start(self) -> None:
        """Until a first request has ended, in whichever way."""
        deadline_s = time.monotonic() + START_S + self.settings.timeout_s
        while not self.report().requests:
            if time.monotonic() > deadline_s:
                raise LoopFailed("no request has ended; is the loop of any rate?")
            time.sleep(LOOK_EVERY_S)

    def _read(self) -> None:
        """Whole lines that were not read before."""
        if not self._records.is_file():
            return
        with self._records.open("rb") as file:
            file.seek(self._read_bytes)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        self._requests += map(Request.from_line, whole.decode().splitlines())

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise LoopFailed("the loop was not started")
        return self._process

    def _failed(self) -> LoopFailed:
        return LoopFailed(f"the loop broke: {self._errors.read_text(errors='replace')[-2000:]}")

    def _kill(self) -> None:
        """Nothing is left behind but what was read."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()
        self._read()
        self._folder.cleanup()
