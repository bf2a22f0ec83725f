"""Orphans are collected, and nobody's exit code is stolen: in a process of its own, which becomes a subreaper."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.process import procfs
from daybreak.keeper.supervision import orphans
from tests.helpers import until

# A service that ends with 7, a program that asyncio waits for, and an orphan of a third.
SCRIPT = """
import asyncio, json, os, subprocess
from daybreak.keeper.supervision import orphans

orphans.MOMENT_S = 0.05
assert orphans.adopt()
LATE = ["setsid", "sh", "-c", "sleep 0.1 & echo $!"]

def late():
    return int(subprocess.run(LATE, stdout=subprocess.PIPE, text=True, check=True).stdout)

async def main():
    service = subprocess.Popen(["sh", "-c", "exit 7"], start_new_session=True)
    own = subprocess.Popen(["sh", "-c", "exit 9"])
    collector = orphans.Orphans(lambda: [service.pid])
    collected, collect = [], collector.collect
    collector.collect = lambda: collected.extend(collect())
    collector.follow()
    waits = await asyncio.create_subprocess_exec("sh", "-c", "exit 5", start_new_session=True)
    lost = [late(), late()]
    while set(collected) != set(lost):
        await asyncio.sleep(0.01)
    codes = [await waits.wait(), service.wait(), own.wait()]
    return {"codes": codes, "collected": sorted(collected), "lost": sorted(lost)}

told = asyncio.run(main())
last = late()
while last not in orphans.ended_children():
    pass
orphans.collect_all()
print(json.dumps(told | {"end": list(orphans.ended_children())}))
"""


def test_orphans_are_collected_and_no_exit_code_is_stolen() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True, timeout=60)
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["codes"] == [5, 7, 9]
    assert told["collected"] == told["lost"]
    assert told["end"] == []


def test_where_the_kernel_lists_no_children_all_processes_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child = subprocess.Popen(["true"], start_new_session=True)
    until(lambda: child.pid in orphans.ended_children(), what="it has ended", timeout_s=20.0)
    (tmp_path / str(child.pid)).symlink_to(f"/proc/{child.pid}")
    monkeypatch.setattr(procfs, "PROC", tmp_path)
    assert orphans.ended_children() == {child.pid}
    assert child.wait() == 0
