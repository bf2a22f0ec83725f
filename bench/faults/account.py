"""A second account of the machine looks at a cluster: `python -m bench.faults.account NAME` prints what is open to it.

NAME is a cluster of this account; DAYBREAK_HOME and DAYBREAK_RUNTIME say where it is. Needs root, to become somebody
else. The exit code is 1 where something is open that docs/safety.md does not name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.faults.target import Look, Target
from daybreak.paths import ClusterPaths

# No account has this number: as root PostgreSQL may run as one that there is.
STRANGER = 61234
PROGRAM = Path(__file__).with_name("stranger.py")
# What everybody may know of everybody's processes, where /proc is mounted as usual.
KNOWN_OF_ALL = {"cmdline", "comm", "stat", "status", "wchan"}
# What needs a token, by what serves it.
GUARDED = {
    "page": ("/", "/api/status", "/api/runs", "/api/events", "/api/logs/head"),
    "dashboard": ("/api/jobs/", "/api/v0/nodes", "/api/serve/applications/", "/nodes?view=summary"),
}
DEADLINE_S = 120.0


@dataclass(frozen=True)
class Seen:
    """What is open to the account; `beyond` of it is more than is told in docs/safety.md."""

    rows: tuple[tuple[str, str, str], ...]
    beyond: tuple[str, ...]


def why_not() -> str:
    if os.geteuid() != 0:
        return "only root can become somebody else"
    return "" if shutil.which("setpriv") else "this machine has no setpriv"


def look(target: Target, account: int = STRANGER) -> Seen:
    """Try everything as that account. Raises CalledProcessError, TimeoutExpired."""
    wanted = asked(target)
    # Out of the way of folders that it may not enter; the interpreter of the system, which it may use.
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    words = ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups", python, "-I", "-c"]
    done = subprocess.run(
        [*words, PROGRAM.read_text()],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        timeout=DEADLINE_S,
    )
    return judged(json.loads(done.stdout), secrets(target.paths))


def asked(target: Target) -> dict[str, Any]:
    """All that there is of the cluster."""
    look = target.look()
    pids = sorted({one.pid for one in look.processes} | {look.status["keeper_pid"]})
    return {
        "files": sorted(_files(target.paths, pids)),
        "sockets": sorted(_sockets(pids)),
        "ports": sorted(_ports(pids)),
        "urls": [url.rstrip("/") + path for name, url in _urls(look).items() for path in GUARDED[name]],
        "pids": pids,
    }


def judged(found: dict[str, dict[str, str]], secrets: set[str]) -> Seen:
    """Pure. Ports are open to all of the machine, protected as docs/safety.md says; files and sockets are not."""
    rows, beyond = [], []
    for kind in ("files", "sockets"):
        for name, way in found[kind].items():
            rows.append((kind[:-1], name, way))
            beyond.append(f"{name}: {way}")
    rows += [("port", name, way) for name, way in found["ports"].items()]
    for url, status in found["urls"].items():
        rows.append(("url", url, status))
        if status.startswith("2"):
            beyond.append(f"{url}: {status}")
    for name, text in found["processes"].items():
        entry = name.partition("/")[2]
        rows.append(("process", name, "read"))
        if entry not in KNOWN_OF_ALL and text:
            beyond.append(f"/proc/{name}: read")
        if any(secret in text for secret in secrets):
            beyond.append(f"/proc/{name}: holds a secret")
    return Seen(tuple(rows), tuple(beyond))


def secrets(paths: ClusterPaths) -> set[str]:
    """Long enough not to be found anywhere by chance."""
    words = {word for file in paths.secrets.iterdir() if file.is_file() for word in [file.read_text().strip()]}
    return {word for word in words if len(word) >= 12}


def _files(paths: ClusterPaths, pids: list[int]) -> Iterator[str]:
    """Below its folders, and whatever its processes have open or mapped elsewhere that belongs to this account and is
    no program."""
    for folder in (paths.root, paths.runtime):
        yield str(folder)
        yield from map(str, folder.rglob("*"))
    for pid in pids:
        for name in _opened(pid):
            if name.startswith(("/dev/shm/", "/tmp/", "/var/tmp/", "/run/")) and os.path.exists(name):
                yield name


def _urls(look: Look) -> dict[str, str]:
    return {name: url for name, url in look.status["urls"].items() if name in GUARDED}


def _opened(pid: int) -> Iterator[str]:
    try:
        process = psutil.Process(pid)
        yield from (each.path for each in process.memory_maps())
        yield from (each.path for each in process.open_files())
    except (psutil.Error, OSError):
        return


def _sockets(pids: list[int]) -> Iterator[str]:
    """Where they listen: in files, and under names without a file."""
    for pid in pids:
        try:
            for each in psutil.Process(pid).net_connections("unix"):
                if isinstance(each.laddr, str) and each.laddr:
                    yield each.laddr
        except (psutil.Error, OSError):
            continue


def _ports(pids: list[int]) -> set[tuple[str, int]]:
    found = set()
    for pid in pids:
        try:
            for each in psutil.Process(pid).net_connections("tcp"):
                if each.status == psutil.CONN_LISTEN:
                    found.add((each.laddr.ip, each.laddr.port))
        except (psutil.Error, OSError):
            continue
    return found


def main() -> int:
    if reason := why_not():
        print(f"bench: {reason}", file=sys.stderr)
        return 2
    target = Target(ClusterPaths.of(sys.argv[1]), "", 0, dict)
    seen = look(target)
    for row in seen.rows:
        if row[0] != "process":
            print(*row, sep="  ")
    print(*(f"BEYOND  {one}" for one in seen.beyond), sep="\n")
    return 1 if seen.beyond else 0


if __name__ == "__main__":
    sys.exit(main())
