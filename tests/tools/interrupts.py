"""`tests/interrupts N`: `daybreak up` is interrupted N times, each at a random moment of its life.

It ends with 130 and leaves nothing, or it had been done already: then it ends with 0 and the cluster is ready.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.environment import settle
from tests.helpers import DEADLINE_S
from tests.integration.conftest import APP, RAY_RELEASE, Sandbox, make_sandbox

SPEC = "workers: {count: 0}\nserve: {applications: [{import: 'app:main'}], health: /health}\n"


def wrong(sandbox: Sandbox, after_s: float) -> str:
    """What is not as it should be when `up` is interrupted after that time; empty where all is well."""
    starting = sandbox.popen("up")
    time.sleep(after_s)  # the moment is up to chance; that is the point
    starting.send_signal(signal.SIGINT)
    out, said = starting.communicate(timeout=DEADLINE_S)
    state, left = sandbox.status()["state"], sandbox.processes()
    code = starting.returncode
    if code == 0 and sandbox.url in out and state == "ready":
        return ""
    if code == 130 and not left and "Traceback" not in said and "daybreak itself failed" not in said:
        return ""
    return f"exit code {code}, {state}, {len(left)} processes are left: {[one.comm for one in left]}\n{said}"


def rounds(sandbox: Sandbox, number: int, seed: int) -> int:
    """How many of them went wrong."""
    moments = random.Random(seed)
    began = time.monotonic()
    sandbox.run("up")
    whole_s = time.monotonic() - began
    sandbox.run("down")
    failures = 0
    for each in range(1, number + 1):
        after_s = moments.uniform(0.0, whole_s * 1.1)
        told = wrong(sandbox, after_s)
        failures += bool(told)
        print(f"{each}: after {after_s:.3f} s of {whole_s:.1f} s: {told or 'well'}", flush=True)
        sandbox.run("down")
    return failures


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests/interrupts", description=__doc__)
    parser.add_argument("rounds", type=int, metavar="N", help="how often")
    parser.add_argument("--seed", type=int, default=0, help="other moments")
    given = parser.parse_args(words)
    settle()
    folder = Path(tempfile.mkdtemp(prefix="dbi"))
    sandbox = make_sandbox(folder)
    try:
        sandbox.write(SPEC, app_py=APP)
        failures = rounds(sandbox, given.rounds, given.seed)
    finally:
        sandbox.tear_down()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"Ray {RAY_RELEASE[0]}.{RAY_RELEASE[1]}: {failures} of {given.rounds} went wrong")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
