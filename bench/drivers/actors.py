# mypy: disable-error-code="untyped-decorator, attr-defined"
"""24 actors with Ray's default options, each called once; every actor is a process of its own."""

import json
import os
import sys
import time
from pathlib import Path

import ray

COUNT = 24


@ray.remote
class Named:
    def pid(self) -> int:
        return os.getpid()


def main() -> int:
    ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), log_to_driver=False, logging_level="ERROR")
    began = time.monotonic()
    actors = [Named.remote() for _ in range(COUNT)]
    pids = ray.get([actor.pid.remote() for actor in actors])
    took_s = time.monotonic() - began
    if len(set(pids)) != COUNT:
        print(f"{COUNT} actors are in {len(set(pids))} processes", file=sys.stderr)
        return 1
    Path(sys.argv[1]).write_text(json.dumps({"took_s": took_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
