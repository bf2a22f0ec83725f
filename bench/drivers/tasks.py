# mypy: disable-error-code="untyped-decorator"
"""3,000 tasks that do nothing; with num_cpus=0.05 a cluster of eight CPUs runs 160 at once, if it has the workers."""

import json
import os
import sys
import time
from pathlib import Path

import ray

COUNT = 3000


@ray.remote(num_cpus=0.05)
def tiny(number: int) -> int:
    return number


def main() -> int:
    ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), log_to_driver=False, logging_level="ERROR")
    began = time.monotonic()
    results = ray.get([tiny.remote(number) for number in range(COUNT)])
    took_s = time.monotonic() - began
    if results != list(range(COUNT)):
        print("the results are wrong", file=sys.stderr)
        return 1
    Path(sys.argv[1]).write_text(json.dumps({"took_s": took_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
