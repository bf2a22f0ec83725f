"""A fork of the warm template against a real interpreter: how programs end, by the code or the signal that they say, with
what they have registered done and nothing lost that was written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.faithful.template import CLEAN, Ran, Template

ENDS = {
    "nothing": "pass",
    "none": "import sys; sys.exit()",
    "number": "import sys; sys.exit(256 + 7)",
    "text": "import sys; sys.exit('that is why: ü')",
    "error": "def f(n):\n    return 1 / n\n\ntry:\n    f(0)\nexcept ZeroDivisionError as e:\n    raise ValueError('b') from e",
    "base": "class B(BaseException): pass\nraise B('x')",
    "hook": "import sys\nsys.excepthook = lambda kind, e, t: print('hook', kind, e, t.tb_lineno)\n1 / 0",
    "import": "import nothing_of_this_name",
    "keyboard": "raise KeyboardInterrupt",
    "abort": "import os; os.abort()",
    "os._exit": "import os; print('lost'); os._exit(5)",
    "term": "import os, signal; os.kill(os.getpid(), signal.SIGTERM); signal.pause()",
    "kill": "import os, signal; os.kill(os.getpid(), signal.SIGKILL); signal.pause()",
    "segv": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV); signal.pause()",
    "realtime": "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 5); signal.pause()",
    "c stdio": "import ctypes; ctypes.CDLL(None).printf(b'from C')",
    "exec": "import os, sys; print('a', flush=True); os.execv('/bin/sh', ['sh', '-c', 'echo b; exit 6'])",
    "atexit": "import atexit, sys\natexit.register(print, 'one')\natexit.register(print, 'two')\nprint('end')\nsys.exit(9)",
    "threads": """
import atexit, threading
def work(name, go):
    go.wait(); print(name, threading.main_thread().is_alive(), flush=True)
go = threading.Event()
for n in range(3): threading.Thread(target=work, args=("thread", go)).start()
threading.Thread(target=lambda: threading.Event().wait(), daemon=True).start()
atexit.register(print, "atexit")
threading._register_atexit(lambda: (print("threading atexit"), go.set()))
print("main")
""",
    "executor": "from concurrent.futures import ThreadPoolExecutor as E; e = E(2); f = e.submit(print, 'done')",
    "weakref": "import weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'finalized')",
    "asyncio": "import asyncio\nasync def main(): await asyncio.sleep(0.01); print('ran'); raise SystemExit(4)\nasyncio.run(main())",
}


def without_addresses(ran: Ran) -> Ran:
    return Ran(ran.code, ran.out, re.sub(rb" at 0x[0-9a-f]+", b"", ran.err))


@pytest.mark.parametrize("name", ENDS)
def test_a_program_ends_as_it_would_anyway(warm: Template, tmp_path: Path, name: str) -> None:
    forked, real = warm.both("-c", ENDS[name], cwd=tmp_path, env=CLEAN | {"TMPDIR": str(tmp_path)})
    assert without_addresses(forked) == without_addresses(real)


@pytest.mark.parametrize("threads", ["", "import threading as t; t.Thread(target=t.Event().wait, daemon=True).start()"])
def test_data_in_open_files_is_not_lost(warm: Template, tmp_path: Path, threads: str) -> None:
    code = f"out = open('kept', 'w'); out.write('x' * 10)\ncache = {{'a': [open('text', 'wb')]}}\n{threads}\n"
    assert warm.run("-c", code + "cache['a'][0].write(b'y' * 5)", cwd=tmp_path) == Ran(0, b"", b"")
    assert [(tmp_path / name).stat().st_size for name in ("kept", "text")] == [10, 5]


def test_a_program_that_does_not_compile_is_left_to_the_real_interpreter(warm: Template) -> None:
    assert warm.launch("-c", "a = 1\ndef f(:\n") == warm.real("-c", "a = 1\ndef f(:\n")
    assert warm.fallbacks()[-1] == "it does not compile: SyntaxError"
