"""Whose end took the node down."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from daybreak.backends.base import Exit
from daybreak.backends.process.backend import ProcessBackend
from daybreak.backends.process.blame import first_to_end
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service, Tier
from tests.helpers import DEADLINE_S, eventually

START = "2026-11-29 00:35:03 daybreak: starting head (instance ca32f36d6353)\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "Some Ray subprocesses exited unexpectedly: raylet (pid 7) by signal 9. The others are killed.",
            "raylet process (pid 7, killed by SIGKILL)",
        ),
        (
            "Some Ray subprocesses exited unexpectedly: log_monitor (pid 8) by exit code 1. The others are killed.",
            "log_monitor process (pid 8, exit code 1)",
        ),
        (
            "Some Ray subprocesses exited unexpectedly:\n\n----- BEGIN raylet.out tail (exit code(s)=-11) -----\nx",
            "raylet process (killed by SIGSEGV)",
        ),
        ("Ray runtime started.", ""),
    ],
)
def test_the_log_says_who_ended_first(tmp_path: Path, written: str, expected: str) -> None:
    log = tmp_path / "head.log"
    log.write_text(START + written + "\n")
    assert first_to_end(log) == expected
    log.write_text(written + "\n" + START)
    assert first_to_end(log) == "", "that was an earlier instance"


def test_without_a_log_nobody_is_blamed(tmp_path: Path) -> None:
    assert first_to_end(tmp_path / "none.log") == ""


# A node whose raylet has ended already: the other vital process is killed, and that is what a backend sees.
NODE = """
sleep 60 & other=$!
exec 3<> "$1"
until [ "$(cat /proc/$other/comm)" = sleep ]; do :; done
echo ready
read -t 30 -u 3 line
echo "Some Ray subprocesses exited unexpectedly: raylet (pid 7) by signal 9. The others are killed."
kill -9 $other
read -t 30 -u 3 line
exit 1
"""


def test_the_end_that_is_noticed_is_not_blamed_where_the_log_knows_better(tmp_path: Path) -> None:
    paths = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    paths.ensure()
    go = tmp_path / "go"
    os.mkfifo(go)
    node = Service("head", Tier.APP, ("bash", "-c", NODE, "node", str(go)), "/", vital=("sleep",))

    async def story() -> Exit:
        backend = ProcessBackend(paths)
        handle = await backend.start(node, instance="first", generation=1, bound={})
        async with asyncio.timeout(DEADLINE_S):
            await eventually(lambda: "ready" in (paths.logs / "head.log").read_text())
            ended = asyncio.ensure_future(backend.exited(handle))
            await asyncio.sleep(0)
            go.write_text("go\n")
            found = await ended
        await backend.stop(handle)
        return found

    assert asyncio.run(story()) == Exit(None, "lost its raylet process (pid 7, killed by SIGKILL)")
