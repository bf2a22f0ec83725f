"""Programs that tests of the template run, and what they say of themselves."""

from __future__ import annotations

import contextlib
import os
import textwrap
from pathlib import Path
from typing import Any

import psutil
from hypothesis import HealthCheck, settings

from tests.integration.faithful.template import Ran, Template

FORKS = 50
RELAXED = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WAIT = "import signal, sys; print('up', flush=True); signal.pause()"
# Ray needs this module, so the template has it, and a fresh interpreter has not.
WHO = "import sys; print('fork' if 'yaml' in sys.modules else 'real')"
FORK, REALLY = b"fork\n", b"real\n"
MIRROR = r"""
import asyncio, gc, io, json, locale, logging, os, resource, signal, socket, subprocess, sys, threading, time, warnings

def stream(made):
    if made is None:
        return None
    buffer, raw = made.buffer, getattr(made.buffer, "raw", made.buffer)
    return [made.name, made.mode, made.encoding, made.errors, made.line_buffering, made.write_through,
            repr(made.newlines), type(buffer).__name__, type(raw).__name__, raw.name, raw.mode, raw.closefd,
            made.isatty(), repr(made), repr(buffer), repr(raw)]

def output_of(command):
    with os.popen(command) as shell:  # not left to the collector, whose turn may come earlier or later
        return shell.read()

status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
main = sys.modules["__main__"]
names = [name for name in vars(main) if name not in ("asyncio",)]
seen = {
    "argv": sys.argv,
    "orig_argv": sys.orig_argv,
    "executable": sys.executable,
    "path": sys.path,
    "path_hooks": len(sys.path_hooks),
    "flags": repr(sys.flags),
    "prefixes": [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, sys._base_executable],
    "switches": [sys.warnoptions, sys._xoptions, sys.pycache_prefix, sys.dont_write_bytecode, sys.platlibdir],
    "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__,
              sys.unraisablehook is sys.__unraisablehook__, threading.excepthook is threading.__excepthook__,
              sys.gettrace(), sys.getprofile(), sys.exc_info() == (None, None, None)],
    "recursion": sys.getrecursionlimit(),
    "switchinterval": sys.getswitchinterval(),
    "gc": [gc.isenabled(), gc.get_threshold(), gc.get_debug()],
    "environ": dict(os.environ),
    "order": list(os.environ),
    "c_environ": subprocess.run(["/usr/bin/env", "-0"], stdout=subprocess.PIPE).stdout.decode("latin-1"),
    "system_environ": None if sys.stdout is None else output_of("/usr/bin/env -0"),
    "cwd": os.getcwd(),
    "umask": os.umask(0o22),
    "limits": open("/proc/self/limits").read(),
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "affinity": sorted(os.sched_getaffinity(0)),
    "oom": open("/proc/self/oom_score_adj").read(),
    "cgroup": open("/proc/self/cgroup").read(),
    "status": {name: status[name] for name in status if name.startswith(("Sig", "Shd", "Cap", "Uid", "Gid", "Groups"))
               and name != "SigQ"},
    "handlers": [repr(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    "timer": signal.getitimer(signal.ITIMER_REAL),
    "comm": open("/proc/self/comm").read(),
    "threads": [threading.active_count(), threading.current_thread().name, threading.main_thread().native_id == os.getpid(),
                threading.get_native_id() == os.getpid()],
    "files": sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")),
    "inherited": [os.get_inheritable(fd) for fd in (0, 1, 2) if os.path.exists(f"/proc/self/fd/{fd}")],
    "streams": [stream(sys.stdin), stream(sys.stdout), stream(sys.stderr)],
    "originals": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
    "main": [names, __name__, __spec__ and [__spec__.name, __spec__.origin], __doc__, __package__,
             globals().get("__file__"), globals().get("__cached__"), type(__builtins__).__name__,
             repr(__loader__).split(" at 0x")[0], getattr(__loader__, "path", None), globals().get("__annotations__")],
    "locale": [locale.getlocale(), locale.setlocale(locale.LC_ALL), locale.getpreferredencoding()],
    "zone": [time.tzname, time.timezone],
    "logging": [logging.getLogger().handlers, logging.getLogger().level, time.time() - logging._startTime / (
                1e9 if isinstance(logging._startTime, int) else 1) < 5],
    "defaults": [socket.getdefaulttimeout(), asyncio.get_event_loop_policy().__class__.__name__],
    "umask_again": os.umask(0o22),
}
"""
SHOW = MIRROR + "open(os.environ.get('SEEN', '/dev/stdout'), 'w').write(json.dumps(seen))\n"


def assert_same(forked: Ran, real: Ran) -> dict[str, Any]:
    """Both programs printed what they saw: compare it piece by piece, for a message that people can read."""
    found, expected = forked.value, real.value
    different = {name: (found[name], expected[name]) for name in expected if found[name] != expected[name]}
    assert not different
    assert forked.err == real.err
    return dict(expected)


def script(folder: Path, text: str, name: str = "prog.py") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return str(path)


def fork_of(warm: Template) -> int:
    [child] = psutil.Process(warm.pid).children()
    return child.pid


def list_files(pid: int) -> list[str]:
    found = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(fd))
    return found
