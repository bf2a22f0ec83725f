"""A steady load on an application while a test does something to it.

    from tests.load import app, steady_load

    sandbox.write("serve: {applications: [{import: 'app:main'}]}", app_py=app(version="1"))
    sandbox.run("up", "1")
    with steady_load(sandbox.url, rate=50) as load:
        sandbox.write(..., app_py=app(version="2"))
        sandbox.run("restart")
        until(lambda: "2" in load.report().versions, what="the new code answers")
    report = load.report()
    assert not report.failed, report
    assert report.of("websocket").outcomes["closed"] <= 1

`app` is the text of an application with the four routes that are asked; each answer carries its version. The load is an
open loop in a process of its own: a request begins when it is due, whatever became of those before, nothing is tried
again, and latency counts from when it was due. When the block ends, what is under way is waited for (where the block
raises it is not), and `load.report()` tells of every request: `.failed`, `.failures` (with `.due_s` and `.done_s` in
monotonic seconds, comparable with `time.monotonic()`), `.outcomes`, `.versions`, `.first_answer_s("2")`, `.slowest_s`,
`.of("short")`, `.before(moment_s)`, `.since(moment_s)`. Printed, a report shows a line for each kind and the first
failures.

Kinds: SHORT, LONG (2 s), STREAM (chunks over 2 s) and WEBSOCKET (a message each 100 ms on connections that are kept).
Another application takes kinds of its own: `Kind("index", "/", 1)`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from bench.openloop.process import OpenLoop
from bench.openloop.records import KINDS, LONG, SHORT, STREAM, WEBSOCKET, Kind, Outcome, Request, Settings
from bench.openloop.report import Report
from bench.restarts.code import app

__all__ = [
    "KINDS",
    "LONG",
    "SHORT",
    "STREAM",
    "WEBSOCKET",
    "Kind",
    "OpenLoop",
    "Outcome",
    "Report",
    "Request",
    "app",
    "steady_load",
]


def steady_load(url: str, *, rate: float = 50.0, kinds: tuple[Kind, ...] = KINDS, timeout_s: float = 40.0) -> OpenLoop:
    """A load of `rate` requests a second over all kinds, as a context manager; it has begun when the block begins."""
    parts = urlsplit(url)
    assert parts.scheme == "http", f"{url} is no plain HTTP"
    assert parts.hostname, url
    return OpenLoop(Settings(parts.hostname, parts.port or 80, rate, kinds, timeout_s))
