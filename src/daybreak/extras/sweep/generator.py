"""The load, as a process of its own: `python -m daybreak.extras.sweep.generator`, driven through its standard input.

The first line is the load as JSON (`url`, `method`, `body` in base64 or null, `headers`, `connections`,
`timeout_s`). Requests begin at once. A line `{"measure": SECONDS}` starts a measurement; its result is one line of JSON
on standard output, the fields of `result.Answers`. The end of standard input ends the process.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
import signal
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import aiohttp

# After a connection that failed: a door that is closed must not be knocked at thousands of times a second.
PAUSE_S = 0.05
FIRST_ERROR = 400


class Recorder:
    """Counts while it measures. Times are those of `time.perf_counter`."""

    def __init__(self, began: float, duration_s: float) -> None:
        self._began = began
        self._duration_s = duration_s
        self._latencies = array("d")
        self._errors: Counter[str] = Counter()
        self._per_second = [0] * max(1, math.ceil(duration_s))

    def add(self, sent: float, done: float, error: str | None) -> None:
        """Take one request that has ended; those that end outside of the measurement do not count."""
        passed_s = done - self._began
        if not 0 <= passed_s < self._duration_s:
            return
        if error is not None:
            self._errors[error] += 1
            return
        self._latencies.append((done - sent) * 1000)
        self._per_second[int(passed_s)] += 1

    def result(self, cpu_s: float) -> dict[str, Any]:
        ordered = sorted(self._latencies)
        return {
            "duration_s": self._duration_s,
            "ok": len(ordered),
            "errors": dict(self._errors),
            "p50_ms": percentile(ordered, 50),
            "p95_ms": percentile(ordered, 95),
            "p99_ms": percentile(ordered, 99),
            "max_ms": percentile(ordered, 100),
            "per_second": self._per_second,
            "generator_cpu": round(cpu_s / self._duration_s, 3),
        }


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed; None without values."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)], 3)


class Generator:
    """As many requests at any time as there are connections."""

    def __init__(self, load: dict[str, Any]) -> None:
        self._load = load
        self._body = base64.b64decode(load["body"]) if load["body"] is not None else None
        self._headers: dict[str, str] = load["headers"]
        self._recorder: Recorder | None = None

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Send requests until the orders end."""
        timeout = aiohttp.ClientTimeout(total=self._load["timeout_s"])
        # The server is this machine's: its certificate may be that of a public name, or nobody's.
        connector = aiohttp.TCPConnector(limit=0, ssl=False)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=jar, auto_decompress=False, headers=self._headers
        ) as session:
            clients = [asyncio.create_task(self._client(session)) for _ in range(self._load["connections"])]
            try:
                while order := await orders.readline():
                    answer = await self._measure(float(json.loads(order)["measure"]))
                    sys.stdout.write(json.dumps(answer) + "\n")
                    sys.stdout.flush()
            finally:
                for client in clients:
                    client.cancel()
                await asyncio.gather(*clients, return_exceptions=True)

    async def _measure(self, duration_s: float) -> dict[str, Any]:
        cpu_s = time.process_time()
        self._recorder = recorder = Recorder(time.perf_counter(), duration_s)
        await asyncio.sleep(duration_s)
        self._recorder = None
        return recorder.result(time.process_time() - cpu_s)

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while True:
            sent = time.perf_counter()
            error = await self._request(session)
            if self._recorder:
                self._recorder.add(sent, time.perf_counter(), error)
            if error is not None and not error.isdecimal():
                await asyncio.sleep(PAUSE_S)

    async def _request(self, session: aiohttp.ClientSession) -> str | None:
        """None for a good answer, else the status or the name of what went wrong."""
        load = self._load
        try:
            async with session.request(load["method"], load["url"], data=self._body, allow_redirects=False) as answer:
                await answer.read()
                return str(answer.status) if answer.status >= FIRST_ERROR else None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return type(error).__name__


async def serve() -> None:
    """Read the load and the orders from standard input."""
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    first = await orders.readline()
    if not first:
        return
    working = asyncio.create_task(Generator(json.loads(first)).run(orders))
    await working


def main() -> None:
    # Ctrl-C is for the command that started this; it closes our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(serve())


if __name__ == "__main__":
    main()
