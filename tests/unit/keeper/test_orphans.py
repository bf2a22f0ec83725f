"""Orphans are collected, and nobody's exit code is stolen: in a process of its own, which becomes a subreaper."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

# A service that ends with 7, a program that asyncio waits for, and an orphan of a third.
SCRIPT = """
import asyncio, json, os, subprocess
from daybreak.keeper import orphans

assert orphans.adopt()
service = subprocess.Popen(["sh", "-c", "exit 7"])
parent = subprocess.Popen(["sh", "-c", "sleep 0.1 & echo $!"], stdout=subprocess.PIPE, text=True)
orphan = int(parent.communicate()[0])

async def main():
    collector = orphans.Orphans(lambda: [service.pid])
    waits = await asyncio.create_subprocess_exec("sh", "-c", "exit 5")
    while not {orphan, service.pid} <= orphans._ended_children():
        await asyncio.sleep(0.01)
    first, second = collector.collect(), collector.collect()
    return {"first": first, "second": second, "left": list(orphans._ended_children()), "waits": await waits.wait()}

told = asyncio.run(main())
told |= {"orphan": orphan, "service": service.pid, "code": service.wait()}
late = subprocess.Popen(["sh", "-c", "sleep 0.1 & echo $!"], stdout=subprocess.PIPE, text=True)
last = int(late.communicate()[0])
while last not in orphans._ended_children():
    pass
orphans.collect_all()
print(json.dumps(told | {"end": list(orphans._ended_children())}))
"""


def test_orphans_are_collected_and_no_exit_code_is_stolen() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True, timeout=60)
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["first"] == []  # somebody may be about to wait for it
    assert told["second"] == [told["orphan"]]
    assert told["left"] == [told["service"]]
    assert (told["code"], told["waits"], told["end"]) == (7, 5, [])
