"""`python -m bench.openloop SETTINGS FILE`: requests until standard input ends, a line for each one into FILE."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.openloop.generator import until_input_ends
from bench.openloop.records import Settings


def main(arguments: Sequence[str]) -> int:
    """SETTINGS is that of `Settings.to_json`."""
    settings, file = Settings.from_json(arguments[0]), Path(arguments[1])
    # While nothing answers, requests wait, each with its socket.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.freeze()  # what was imported is not looked through again while requests are due
    # By line: whoever measures reads while it is written.
    with file.open("w", buffering=1) as out:
        asyncio.run(until_input_ends(settings, out))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
