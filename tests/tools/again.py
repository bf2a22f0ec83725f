"""`tests/again N --busy K`: all tests N times, K of them beside two busy loops, and a table of what came out."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ALL = ("make", "-k", "test")
LOOPS = 2
# It ends by itself when the one that started it has been killed.
LOOP = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    for _ in range(1_000_000): pass"
ENDED = re.compile(r"^(FAILED|ERROR) (\S+)", re.MULTILINE)
COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")
SUMMARY = re.compile(r"^=*\s*(\d+ (?:passed|failed|error|skipped).* in [\d.]+s.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Round:
    """What one run of the tests came to."""

    number: int
    busy: bool
    code: int
    took_s: float
    output: str

    @property
    def failures(self) -> list[str]:
        """The tests that failed, by name; what failed in both rounds of Ray stands twice."""
        return [name for _, name in ENDED.findall(self.output)]

    def count(self, what: str) -> int:
        told = [COUNT.findall(line) for line in SUMMARY.findall(self.output)]
        return sum(int(number) for counts in told for number, kind in counts if kind.startswith(what))

    def row(self) -> str:
        cells = [
            str(self.number),
            f"{LOOPS} busy loops" if self.busy else "alone",
            "passed" if self.code == 0 else f"FAILED ({self.code})",
            *(str(self.count(what)) for what in ("passed", "failed", "error", "skipped")),
            f"{self.took_s / 60:.1f}",
        ]
        return "| " + " | ".join(cells) + " |"


HEADER = "| round | beside | result | passed | failed | errors | skipped | minutes |\n|---|---|---|---|---|---|---|---|"


def table(rounds: list[Round]) -> str:
    """The rounds as Markdown, and the tests that failed in them."""
    lines = [HEADER, *(each.row() for each in rounds)]
    names = [(each.number, name) for each in rounds for name in each.failures]
    lines += ["", *(f"- round {number}: {name}" for number, name in names)] if names else []
    return "\n".join(lines)


@contextlib.contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Busy loops, as many as `LOOPS`, for the length of the block."""
    command = [sys.executable, "-c", LOOP, str(os.getpid())]
    loops = [subprocess.Popen(command) for _ in range(LOOPS if wanted else 0)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def run(number: int, command: list[str], beside: bool, log: Path) -> Round:
    """One round; its output goes to the log. Whatever ends this program lets the round come to its end first."""
    began = time.monotonic()
    with busy(beside), log.open("wb") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            code = child.wait()
        except BaseException:
            child.send_signal(signal.SIGINT)
            child.wait()
            raise
    return Round(number, beside, code, time.monotonic() - began, log.read_text(errors="replace"))


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/again", description=__doc__, usage="%(prog)s N [options] [-- COMMAND]")
    parser.add_argument("rounds", type=int, metavar="N", help="how often")
    parser.add_argument(
        "--busy", type=int, default=0, metavar="K", help="how many of them, the last, beside busy loops"
    )
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="where the output of each round is kept")
    at = words.index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:at])
    given.command = words[at + 1 :] or list(ALL)
    if not 0 <= given.busy <= given.rounds:
        parser.error("K is one of 0 to N")
    return given


def main(words: list[str]) -> int:
    given = arguments(words)
    logs = given.logs or Path(tempfile.mkdtemp(prefix="daybreak-again-"))
    logs.mkdir(parents=True, exist_ok=True)
    rounds: list[Round] = []
    print(f"the output of each round is in {logs}\n{HEADER}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for number in range(1, given.rounds + 1):
            beside = number > given.rounds - given.busy
            rounds.append(run(number, given.command, beside, logs / f"{number}.log"))
            print(rounds[-1].row(), flush=True)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        (logs / "table.md").write_text(table(rounds) + "\n")
    print("\n".join(table(rounds).splitlines()[2 + len(rounds) :]))
    return int(any(each.code for each in rounds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
