"""A fork of the warm template against a real interpreter: the same small programs under both, and nothing may differ.

What does differ on purpose: `sys.modules` holds more, the parent is the template, and the process leads a group of its
own. Here: how it ends.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.integration.faithful.programs import (
    script,
)
from tests.integration.faithful.template import (
    CLEAN,
    REAL,
    Ran,
    Template,
    run,
)

ENDS = {
    "nothing": "pass",
    "none": "import sys; sys.exit()",
    "number": "import sys; sys.exit(7)",
    "large": "import sys; sys.exit(256 + 3)",
    "negative": "import sys; sys.exit(-1)",
    "huge": "import sys; sys.exit(1 << 70)",
    "true": "import sys; sys.exit(True)",
    "text": "import sys; sys.exit('that is why: ü')",
    "object": "import sys; sys.exit([1, None])",
    "unprintable": "class X:\n def __str__(self): raise ValueError\nraise SystemExit(X())",
    "two": "raise SystemExit(1, 2)",
    "subclass": "class E(SystemExit): pass\nraise E(9)",
    "no stderr": "import sys; sys.stderr = None; sys.exit('to the file')",
    "own stderr": "import sys; sys.stderr = sys.stdout; sys.exit('elsewhere')",
    "os._exit": "import os; print('lost'); os._exit(5)",
    "error": "def f(n):\n    return 1 / n\n\nf(0)",
    "chain": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e",
    "context": "try:\n    {}['a']\nexcept KeyError:\n    undefined",
    "group": "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])",
    "note": "e = ValueError('x'); e.add_note('more'); raise e",
    "recursion": "def f(): f()\ntry:\n    f()\nexcept RecursionError as e:\n    print(e)",
    "import": "import nothing_of_this_name",
    "syntax": "a = 1\ndef f(:\n",
    "indent": "  a = 1\n b = 2",
    "tokens": "x = '''",
    "inner syntax": "exec('1 +')",
    "null": "print(1)\n# \x00\n",
    "warning": "import sys\nprint(1 is 1)",
    "escape": "print('\\d')",
    "assertion": "assert 1 == 2, 'no'",
    "keyboard": "raise KeyboardInterrupt",
    "keyboard kind": "class K(KeyboardInterrupt): pass\nraise K",
    "generator": "raise GeneratorExit",
    "base": "class B(BaseException): pass\nraise B('x')",
    "abort": "import os; os.abort()",
    "term": "import os, signal; os.kill(os.getpid(), signal.SIGTERM); signal.pause()",
    "kill": "import os, signal; os.kill(os.getpid(), signal.SIGKILL); signal.pause()",
    "segv": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV); signal.pause()",
    "realtime": "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 5); signal.pause()",
    "pipe": "import os, signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGPIPE)",
    "alarm": "import signal; signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()",
    "int": "import os, signal; os.kill(os.getpid(), signal.SIGINT); signal.pause()",
    "int blocked": "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]); raise KeyboardInterrupt",
    "int in atexit": "import atexit\n@atexit.register\ndef f(): raise KeyboardInterrupt",
    "cpu": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (0, 1))\nwhile True: pass",
    "hook": "import sys\nsys.excepthook = lambda kind, e, t: print('hook', kind, e, t.tb_lineno, sys.exc_info())\n1 / 0",
    "hook fails": "import sys\ndef hook(*a): raise ValueError('in hook')\nsys.excepthook = hook\n1 / 0",
    "hook exits": "import sys\ndef hook(*a): sys.exit(44)\nsys.excepthook = hook\n1 / 0",
    "hook missing": "import sys\ndel sys.excepthook\n1 / 0",
    "last": "import atexit, sys\natexit.register(lambda: print(sys.last_type, sys.last_value, sys.last_traceback.tb_lineno))\n1 / 0",
    "full": "import sys; sys.stdout = open('/dev/full', 'w'); print('x')",
    "full and exit": "import sys; sys.stdout = open('/dev/full', 'w'); print('x'); sys.exit(3)",
    "full and error": "import sys; sys.stdout = open('/dev/full', 'w'); print('x'); 1 / 0",
    "full fd": "import os, sys; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); print('x')",
    "full stderr": "import os, sys; os.dup2(os.open('/dev/full', os.O_WRONLY), 2); print('x', file=sys.stderr)",
    "bad flush": "import sys\nclass S:\n closed = False\n def flush(self): 1 / 0\n def write(self, t): pass\nsys.stdout = S()",
    "flush hook": "import sys\nsys.unraisablehook = lambda u: print(u.exc_type, u.exc_value, u.object, file=sys.stderr)\n"
    "sys.stdout = open('/dev/full', 'w'); print('x')",
    "closed stdout": "import sys; sys.stdout.close()",
    "c stdio": "import ctypes; ctypes.CDLL(None).printf(b'from C')",
    "exec": "import os, sys; print('a', flush=True); os.execv('/bin/sh', ['sh', '-c', 'echo b; exit 6'])",
    "again": "import os, sys\nif len(sys.argv) < 2: os.execv(sys.executable, [sys.executable, '-c', 'exit(8)', 'x'])",
    "atexit": """
import atexit, sys
def say(*text): print(*text, sys.exc_info())
atexit.register(say, "first registered")
atexit.register(say, "second", key := "x")
@atexit.register
def fails(): raise ValueError("in atexit")
@atexit.register
def exits(): sys.exit(3)
print("end")
sys.exit("why")
""",
    "threads": """
import atexit, threading, time
def work(name, go):
    go.wait(); print(name, threading.main_thread().is_alive(), flush=True)
go = threading.Event()
for n in range(3): threading.Thread(target=work, args=("thread", go)).start()
threading.Thread(target=lambda: threading.Event().wait(), daemon=True).start()
atexit.register(print, "atexit")
threading._register_atexit(lambda: (print("threading atexit"), go.set()))
print("main")
""",
    "thread fails": "import threading; t = threading.Thread(target=lambda: 1 / 0, name='T'); t.start(); t.join()",
    "executor": "from concurrent.futures import ThreadPoolExecutor as E; e = E(2); f = e.submit(print, 'done')",
    "interrupted join": """
import os, signal, threading
def work(): os.kill(os.getpid(), signal.SIGINT); threading.Event().wait(0.2)
threading.Thread(target=work).start()
""",
    "finalizers": """
import os
class Told:
    def __init__(self, name): self.name = name
    def __del__(self): os.write(1, b"%s %s %s\\n" % (self.name, helper(), repr(type(later)).encode()))
def helper(): return b"help"
_private = Told(b"private")
first = Told(b"first")
held = [Told(b"in a list")]
cycle = Told(b"cycle"); cycle.me = cycle
second = Told(b"second")
later = 1
""",
    "simple finalizers": """
class Told:
    def __init__(self, name): self.name = name
    def __del__(self): print(self.name, flush=True)
a, _b, c = Told("a"), Told("_b"), Told("c")
""",
    "finalizer after error": """
class Told:
    def __del__(self): print("told")
told = Told()
def f(local): raise ValueError
f(Told())
""",
    "finalizer in a handler": """
import logging, os, signal
class Handler(logging.Handler):
    def emit(self, record): pass
    def __del__(self): os.write(1, b"handler gone")
logging.getLogger().addHandler(Handler())
class Told:
    def __del__(self): os.write(1, b"told")
told = Told()
signal.signal(signal.SIGUSR1, lambda *a: told)
""",
    "redirected": """
import io, sys
class Told:
    def __del__(self): print("on the real one")
told = Told()
sys.stdout = io.StringIO()
""",
    "weakref": "import weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'finalized')",
    "temporary": """
import atexit, os, tempfile
d = tempfile.TemporaryDirectory(); f = tempfile.NamedTemporaryFile()
os.fork() or os._exit(0)
atexit.register(lambda: print(os.path.exists(d.name), os.path.exists(f.name)))
import subprocess; subprocess.Popen(["sh", "-c", 'while test -e "$1"; do sleep 0.01; done; echo gone', "-", f.name])
""",
    "unraisable": "class A:\n    def __del__(self): 1 / 0\na = A(); del a",
    "unclosed": "f = open('left', 'w'); f.write('x' * 100)\nimport atexit, os\natexit.register(os.system, 'cat left')",
    "generator left": "def g():\n    try: yield 1\n    finally: print('closed')\nx = g(); next(x)",
    "coroutine left": "async def c(): pass\nx = c()",
    "asyncio": "import asyncio\nasync def main(): await asyncio.sleep(0.01); print('ran'); raise SystemExit(4)\nasyncio.run(main())",
    "input": "print(ascii(input('? ')))",
    "eof": "input(); input()",
}


def without_addresses(ran: Ran) -> Ran:
    return Ran(ran.code, ran.out, re.sub(rb" at 0x[0-9a-f]+", b"", ran.err))


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("kind", ["script", "command", "module"])
def test_a_program_ends_as_it_would_anyway(warm: Template, tmp_path: Path, name: str, kind: str) -> None:
    text = ENDS[name]
    path = script(tmp_path, text)
    if "\0" in text and kind == "command":
        return
    what = {"script": [path], "command": ["-c", text], "module": ["-m", "prog"]}[kind]
    env = CLEAN | {"TMPDIR": str(tmp_path)}
    forked = run([warm.launcher, *what], cwd=tmp_path, env=env, given=b"line\r\n")
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)  # a warning is given when a module is compiled
    real = run([REAL, *what], cwd=tmp_path, env=env, given=b"line\r\n")
    assert without_addresses(forked) == without_addresses(real)
    if name in ("syntax", "indent", "tokens", "null", "warning") and kind != "module":
        assert warm.fallbacks()[-1].startswith("it does not compile without a word")


def test_data_in_open_files_is_not_lost(warm: Template, tmp_path: Path) -> None:
    script(tmp_path, "out = open('of_a_module', 'w'); out.write('x' * 10)\ncache = {'a': [out]}\n", "own.py")
    daemon = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    text = (
        "import own, gzip\nout = open('of_main', 'w'); out.write('x' * 10)\nz = gzip.open('zipped', 'w'); z.write(b'x')"
    )
    for program in ("", daemon):
        sizes = []
        for way in (warm.launcher, REAL):
            assert run([way, "-c", text + "\n" + program], cwd=tmp_path) == Ran(0, b"", b"")
            sizes.append([(tmp_path / name).stat().st_size for name in ("of_a_module", "of_main")])
            if not program:
                sizes[-1].append((tmp_path / "zipped").stat().st_size)
        assert sizes[0] == sizes[1]


def test_finalizers_of_a_programs_own_modules_run(warm: Template, tmp_path: Path) -> None:
    text = """
    import os
    class Told:
        def __init__(self, name): self.name = name
        def __del__(self): os.write(1, self.name)
    told = Told(b"of the module ")
    """
    script(tmp_path, text, "own.py")
    for code in ("import own", "import own; told = own.Told(b'of main '); own.main = told"):
        assert sorted(warm.run("-c", code, cwd=tmp_path).out) == sorted(run([REAL, "-c", code], cwd=tmp_path).out)
