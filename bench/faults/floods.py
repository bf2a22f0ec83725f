"""What an application can do wrong: print without end, or in one line, or take memory without end."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from bench.faults.target import Target

LINES, LINE_BYTES = 10_000, 80
LONG_LINE_BYTES = 10 * 1024 * 1024
# Beyond what was asked for.
ANSWER_S = 60.0


def asking(path: str, lasts_s: float, **values: float) -> Callable[[Target], contextlib.AbstractContextManager[None]]:
    """The application is asked for this while the block lasts; whatever becomes of that one request."""

    @contextlib.contextmanager
    def during(target: Target) -> Iterator[None]:
        url = f"http://{target.host}:{target.port}{path}?{urlencode(values)}"
        asked = threading.Thread(target=_ask, args=(url, lasts_s + ANSWER_S), daemon=True)
        asked.start()
        yield
        asked.join(lasts_s + ANSWER_S)

    return during


def _ask(url: str, timeout_s: float) -> None:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=timeout_s) as answer:
        answer.read()
