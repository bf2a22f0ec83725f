"""What a host's logs say, as lines of JSON: a program of its own, since reading may take long. Its input is the wish in
one line; when that ends, so does the program."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from daybreak.paths import ClusterPaths
from daybreak.redact import Redaction
from daybreak.show.logs.entry import Entry
from daybreak.show.logs.reading import Reading
from daybreak.show.logs.selection import Selection
from daybreak.timeline.stops import was_asked_to_stop

# A message of keepers is bounded (`door.py`), and JSON may make twelve bytes of a character; what is longer is cut.
MOST_CHARACTERS = 20 * 1024
# So often a word says that it is still at work.
ALIVE_S = 5.0
_one_at_a_time = threading.Lock()


def main(name: str, wish: Mapping[str, Any]) -> None:
    """Tell the past, then that this is all of it, then, where it is wanted, what is written."""
    paths = ClusterPaths.of(name)
    redact = Redaction(paths.secrets)
    asked, everything = partial(was_asked_to_stop, paths.timeline), bool(wish["everything"])
    reading = Reading(paths, wish["services"], Selection.from_json(wish["selection"]), asked, everything=everything)
    for entry in reading.past():
        _tell({"entry": _bounded(entry, redact)})
    _tell({"now": True, "known": reading.sources.known(), "cut_short": reading.cut_short})
    if not wish["follow"]:
        return
    for entries in reading.news():
        for entry in entries:
            _tell({"entry": _bounded(entry, redact)})


def _bounded(entry: Entry, redact: Redaction) -> dict[str, Any]:
    return {**entry.to_json(), "lines": list(_cut(redact(line) for line in entry.lines))}


def _cut(lines: Iterable[str]) -> Iterable[str]:
    left = MOST_CHARACTERS
    for line in lines:
        if left <= 0:
            yield "…"
            return
        yield line if len(line) <= left else f"{line[:left]}…"
        left -= len(line)


def _tell(message: Mapping[str, Any]) -> None:
    with _one_at_a_time:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def _say_so() -> None:
    with contextlib.suppress(BrokenPipeError):
        while True:
            time.sleep(ALIVE_S)
            _tell({})


def _end_with_the_input() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(0)


if __name__ == "__main__":
    wanted = json.loads(sys.stdin.readline())
    for work in (_end_with_the_input, _say_so):
        threading.Thread(target=work, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        main(sys.argv[1], wanted)
    # Everything is written: the threads are not waited for.
    os._exit(0)
