# mypy: disable-error-code="untyped-decorator"
"""3,000 tiny tasks; with num_cpus=0.05 a cluster of eight CPUs runs 160 at once, if it has the workers.

Each draws from random, uuid and numpy, and no two may draw the same: processes that were forked must not share a state.
"""

import json
import os
import random
import sys
import time
import uuid
from pathlib import Path

import ray

COUNT = 3000


@ray.remote(num_cpus=0.05)
def draw(number: int) -> tuple[int, float, str, float]:
    import numpy

    return number, random.random(), uuid.uuid4().hex, float(numpy.random.random())


def main() -> int:
    ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), log_to_driver=False, logging_level="ERROR")
    began = time.monotonic()
    results = ray.get([draw.remote(number) for number in range(COUNT)])
    took_s = time.monotonic() - began
    numbers, *draws = zip(*results, strict=True)
    if list(numbers) != list(range(COUNT)):
        print("the results are wrong", file=sys.stderr)
        return 1
    if any(len(set(values)) != COUNT for values in draws):
        print("two tasks have drawn the same", file=sys.stderr)
        return 1
    Path(sys.argv[1]).write_text(json.dumps({"took_s": took_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
