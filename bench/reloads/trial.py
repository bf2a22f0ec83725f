"""One tool with one application under a load: saves, one after another, and what became of the requests."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.commands import Command, Commands, RunFailed
from bench.measure import HOST, RESPONSE_EVERY_S, SERVE_PORT
from bench.openloop.process import LoopFailed, OpenLoop
from bench.openloop.records import SHORT, Settings
from bench.openloop.report import Report
from bench.reloads.code import Code
from bench.reloads.tools import Tool
from bench.scenarios import Measured

RATE = 20.0
# Nobody saves the next version while the last one is still being replaced.
REST_S = 2.0
# Of many in a row: what is held is looked at, and not how soon each one answers.
SHORT_REST_S = 1.0
# How long a file that is no Python stays as it is.
BROKEN_S = 2.0
START_S = 180.0
SAVE_S = 90.0
ASK_S = 2.0
# Whoever asks for the new version is a load of its own: a hundred requests a second beside the twenty would be another
# measurement, of processors that are busy with it.
ASK_EVERY_S = 0.03
# The first saves fill caches.
SETTLED_SAVES = 5


@dataclass(frozen=True)
class Trial:
    """`broken`: each save comes after one that is no Python. `grows`: what is held after the first saves is compared
    with what is held after the last one."""

    tool: Tool
    code: Code
    saves: int
    broken: bool = False
    grows: bool = False

    def __call__(self, commands: Commands, _workers: int) -> Measured:
        """Raises RunFailed where the tool does not start, or new code is never answered."""
        folder = commands.folder / "app"
        folder.mkdir()
        commands.work_in(folder, self.code.programs)
        self.code.write(folder)
        commands.allow(START_S + self.saves * SAVE_S)
        tool = commands.start(*self.tool.command)
        _answered(commands, "1")
        time.sleep(REST_S)
        try:
            with OpenLoop(Settings(HOST, SERVE_PORT, RATE, kinds=(SHORT,))) as load:
                time.sleep(REST_S)
                began_s = time.monotonic()
                saves, held = self._saves(commands, tool, folder, load)
            report = load.report().since(began_s)
        except LoopFailed as failed:
            raise RunFailed(str(failed)) from None
        return Measured({**values(saves, report), **growth(held)}, details={"saves": saves, "held": held})

    def _saves(
        self, commands: Commands, tool: Command, folder: Path, load: OpenLoop
    ) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
        found, held = [], []
        for number in range(self.saves):
            if self.broken:
                self.code.save(folder, "1", broken=True)
                time.sleep(BROKEN_S)
            found.append(self._save(commands, tool, folder, load, str(number + 2)))
            if self.grows and commands.group and number + 1 >= min(SETTLED_SAVES, self.saves - 1):
                held.append({"memory": float(commands.group.pss_bytes()), "processes": len(commands.group.pids())})
        return found, held

    def _told(self, tool: Command) -> int | None:
        return self.tool.told(tool.output()) if self.tool.told else None

    def _save(self, commands: Commands, tool: Command, folder: Path, load: OpenLoop, version: str) -> dict[str, float]:
        """The seconds after which it was answered, was all that was answered, and was said to be done."""
        before, told = (_pids() if self.code.parts else []), self._told(tool)
        saved_s = time.monotonic()
        self.code.save(folder, version)
        answered_s = _answered(commands, version)
        told_s = None
        rested_s = answered_s + (SHORT_REST_S if self.grows else REST_S)
        # What is saved before the tool is done would be one save with the next one.
        while (
            (now_s := time.monotonic()) < rested_s
            or not _alone(load, now_s, version)
            or (told is not None and told_s is None)
        ):
            commands.check()
            if told_s is None and told is not None and (self._told(tool) or 0) > told:
                told_s = now_s
            time.sleep(RESPONSE_EVERY_S)
        last = [one.done_s for one in load.report().since(saved_s).requests if one.version not in (None, version)]
        times = {"answered": answered_s - saved_s, "replaced": max([answered_s, *last]) - saved_s}
        if told_s is not None:
            times["told"] = told_s - saved_s
        if self.code.parts:
            times["deployments"] = len(set(before) - set(_pids()))
        return {name: round(value, 3) for name, value in times.items()}


def values(saves: list[dict[str, float]], report: Report) -> dict[str, float]:
    """By measure: medians over the saves, and what became of all requests."""
    names = {"answered": "new_code_s", "replaced": "replaced_s", "told": "told_s", "deployments": "deployments_count"}
    found = {
        measure: float(median(times))
        for name, measure in names.items()
        if (times := [save[name] for save in saves if name in save])
    }
    slowest = {} if report.slowest_s is None else {"slowest_s": round(report.slowest_s, 3)}
    return {**found, "requests_count": len(report.requests), "failed_count": report.failed, **slowest}


def growth(held: list[dict[str, float]]) -> dict[str, float]:
    """From the first third to the last one; nothing where nothing was looked at."""
    if len(held) < 2:
        return {}
    part = max(1, len(held) // 3)

    def grown(name: str) -> float:
        first, last = ([each[name] for each in some] for some in (held[:part], held[-part:]))
        return float(median(last) - median(first))

    return {"memory_growth_bytes": grown("memory"), "processes_growth_count": grown("processes")}


def _answered(commands: Commands, version: str) -> float:
    """When that version has answered for the first time. Raises RunFailed at the deadline."""
    while True:
        headers = _ask("/short")[0]
        if headers.get("x-version") == version:
            return time.monotonic()
        commands.check()
        time.sleep(ASK_EVERY_S)


def _alone(load: OpenLoop, now_s: float, version: str) -> bool:
    """Has nothing else answered for a while, and nothing failed?"""
    recent = load.report().where(lambda request: request.done_s >= now_s - 1.0)
    return recent.versions == {version} and not recent.failed


def _pids() -> list[int]:
    found: list[int] = json.loads(_ask("/pids")[1] or "[]")
    return found


def _ask(path: str) -> tuple[Mapping[str, str], bytes]:
    """The headers, with small letters, and the body of an answer; nothing where there is none."""
    connection = http.client.HTTPConnection(HOST, SERVE_PORT, timeout=ASK_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    except (OSError, http.client.HTTPException):
        return {}, b""
    finally:
        connection.close()
