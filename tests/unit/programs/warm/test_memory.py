"""The template's memory, measured in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from daybreak.programs.warm import memory

# Gaps in pools and in the heap, some megabytes; then a fork makes as much as would fit into them.
PROGRAM = """
import gc, json, os, sys
sys.path.insert(0, {folder!r})
import memory

def private_kb():
    fd = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
    text = os.read(fd, 4096)
    os.close(fd)
    return int(text.split(b"Private_Dirty:")[1].split()[0])

held = [bytes(size) for _ in range(20000) for size in (40, 100, 300, 900)]
held = [each for number, each in enumerate(held) if number % 60 > 3]
kept = memory.Memory()
if sys.argv[1] == "filled":
    kept.fill_gaps()
gc.freeze()
read, write = os.pipe()
if not os.fork():
    made = [bytes(size) for _ in range(300) for size in (40, 100, 300, 900)]
    os.write(write, json.dumps(private_kb()).encode())
    os._exit(0)
print(os.read(read, 100).decode())
os.wait()
"""


def private_kb(way: str) -> int:
    folder = memory.__file__.rpartition("/")[0]
    argv = [sys.executable, "-IS", "-c", PROGRAM.format(folder=folder), way]
    return int(json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout))


def test_a_forks_objects_lie_together() -> None:
    assert private_kb("filled") + 100 < private_kb("gaps")


def test_libraries_that_were_let_go_still_work() -> None:
    code = f"""
import sys
sys.path.insert(0, {memory.__file__.rpartition("/")[0]!r})
import memory, ssl, sqlite3
def file_kb():
    return int(open("/proc/self/smaps_rollup").read().split("Pss_File:")[1].split()[0])
before = file_kb()
memory.unmap_files()
after = file_kb()
ssl.create_default_context()
assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
print(before, after)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    before, after = map(int, done.stdout.split())
    assert after < before
