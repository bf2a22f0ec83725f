"""A fork of the warm template against a real interpreter: further processes, and what must differ between forks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from daybreak.programs.warm import skip_modules
from tests.integration.faithful.programs import FORKS, script
from tests.integration.faithful.template import DEADLINE_S, REAL, Template, run

CHILDREN = """
    import multiprocessing, sys

    def who(queue):
        queue.put([multiprocessing.current_process().name, sys.executable, "yaml" in sys.modules])

    if __name__ == "__main__":
        context = multiprocessing.get_context("{method}")
        context.set_forkserver_preload(["{preload}"])
        queue = context.Queue()
        process = context.Process(target=who, args=(queue,))
        process.start()
        print(queue.get())
        process.join()
        sys.exit(process.exitcode)
"""


def test_what_multiprocessing_starts_for_rays_dashboard_comes_from_the_template(warm: Template) -> None:
    """The dashboard's modules are forked from a server of its own."""
    text = CHILDREN.format(method="forkserver", preload="ray.dashboard.subprocesses.module")
    path = script(warm.home, text, f"x{skip_modules.DASHBOARD}")
    before = warm.order()["forks"]
    ran = warm.run(path)
    assert (ran.code, ran.err) == (0, b"")
    assert b"True" in ran.out
    assert warm.order()["forks"] == before + 2


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_multiprocessing_starts_for_others_is_a_process_as_ever(warm: Template, method: str) -> None:
    before = warm.order()["forks"]
    ran = warm.same("-c", CHILDREN.format(method=method, preload="json").replace("\n    ", "\n"))
    assert b"False" in ran.out
    assert warm.order()["forks"] == before + 1


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
    path = script(warm.home, code)
    forked = warm.run(path, str(tmp_path / "made"))
    shutil.rmtree(tmp_path / "made")
    real = run([REAL, path, str(tmp_path / "made")])
    assert forked == real
    assert real.value[0] == REAL


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
