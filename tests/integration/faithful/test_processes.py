"""A fork of the warm template against a real interpreter: the same small programs under both, and nothing may differ.

What does differ on purpose: `sys.modules` holds more, the parent is the template, and the process leads a group of its
own. Here: further processes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.faithful.programs import (
    FORKS,
    script,
)
from tests.integration.faithful.template import (
    DEADLINE_S,
    REAL,
    Template,
    run,
)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_multiprocessing_works(warm: Template, tmp_path: Path, method: str) -> None:
    text = f"""
    import multiprocessing, os, pickle, sys

    class Own:
        def __init__(self, n): self.n = n

    def double(own):
        return Own(own.n * 2)

    def end(code):
        sys.exit(code)

    if __name__ == "__main__":
        context = multiprocessing.get_context("{method}")
        with context.Pool(2) as pool:
            print([own.n for own in pool.map(double, [Own(n) for n in range(5)])])
        process = context.Process(target=end, args=(5,))
        process.start()
        process.join()
        queue = context.Queue()
        writer = context.Process(target=queue.put, args=(Own(3),))
        writer.start()
        print(process.exitcode, queue.get().n, type(queue).__module__, Own.__module__)
        writer.join()
        print(pickle.loads(pickle.dumps(Own(8))).n, multiprocessing.current_process().name, multiprocessing.parent_process())
    """
    script(tmp_path, text)
    warm.same("prog.py", cwd=tmp_path)


def test_a_programs_interpreter_is_the_real_one(warm: Template, tmp_path: Path) -> None:
    """What is made from it, and what is looked for around it, is what a process of its own would make and find."""
    code = """
import json, os, subprocess, sys, sysconfig
from pathlib import Path
made = Path(sys.argv[1])
subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
ask = "import sys; print(sys.prefix, sys.base_prefix, sys.executable)"
around = Path(sys.executable).parent.parent
print(json.dumps([
    sys.executable, sys.orig_argv[0], around == Path(sys.prefix), (around / "pyvenv.cfg").exists(),
    sorted(os.listdir(around)),
    subprocess.run([made / "bin/python", "-c", ask], check=True, capture_output=True, text=True).stdout,
    (made / "pyvenv.cfg").read_text(), os.readlink(made / "bin/python"),
    subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True).stdout,
]))
"""
    path = script(tmp_path, code)
    forked = warm.run(path, str(tmp_path / "made"))
    shutil.rmtree(tmp_path / "made")
    real = run([REAL, path, str(tmp_path / "made")])
    assert forked == real
    assert real.value[0] == REAL


def test_what_multiprocessing_starts_comes_from_the_template(warm: Template, tmp_path: Path) -> None:
    text = """
    import multiprocessing, sys

    def who():
        print(multiprocessing.current_process().name, sys.executable, flush=True)

    if __name__ == "__main__":
        process = multiprocessing.get_context("spawn").Process(target=who)
        process.start()
        process.join()
    """
    path = script(tmp_path, text)
    before = warm.order()["forks"]
    warm.same(path)
    assert warm.order()["forks"] == before + 2


def test_randomness_differs_in_every_fork(warm: Template) -> None:
    pytest.importorskip("numpy")
    code = """
import hashlib, json, multiprocessing, os, random, secrets, ssl, sys, tempfile, uuid
import numpy, numpy.random
name = tempfile.mktemp()
print(json.dumps({
    "random": random.random(), "bits": random.getrandbits(64), "numpy": numpy.random.random(),
    "generator": numpy.random.default_rng().random(), "uuid1": str(uuid.uuid1()), "uuid4": str(uuid.uuid4()),
    "secrets": secrets.token_hex(), "ssl": ssl.RAND_bytes(16).hex(), "urandom": os.urandom(16).hex(), "name": name,
    "authkey": multiprocessing.current_process().authkey.hex(),
    "state": hashlib.sha256(repr(random.getstate()).encode()).hexdigest(),
}))
"""
    processes = [warm.popen("-c", code) for _ in range(FORKS)]
    found = [json.loads(process.communicate(timeout=DEADLINE_S)[0]) for process in processes]
    for what in found[0]:
        assert len({each[what] for each in found}) == FORKS, what


def test_many_at_once(warm: Template) -> None:
    code = "import sys; print(sys.argv[1]); sys.exit(int(sys.argv[1]))"
    processes = [warm.popen("-c", code, str(n)) for n in range(FORKS)]
    for n, process in enumerate(processes):
        assert process.communicate(timeout=DEADLINE_S) == (b"%d\n" % n, b"")
        assert process.returncode == n
