"""What is photographed: a real cluster in a folder of its own, and a browser that looks at its page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from daybreak.backends.process.members import Scan

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

COMMAND = str(Path(sys.executable).parent / "daybreak")
EXAMPLE = Path(__file__).parents[1] / "examples" / "visits"
# Beside other clusters of this machine, and away from the default ports.
OFFSET = 470
DEADLINE_S = 300.0
COLOURS = 96
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


@dataclass(frozen=True)
class Cluster:
    """The example of the README, in a folder and with a state of its own."""

    folder: Path
    home: Path
    runtime: Path

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{8080 + OFFSET}/"

    @property
    def serve(self) -> str:
        return f"http://127.0.0.1:{8000 + OFFSET}"

    @property
    def env(self) -> dict[str, str]:
        return {"DAYBREAK_HOME": str(self.home), "DAYBREAK_RUNTIME": str(self.runtime)}

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command; what it prints is kept until somebody asks."""
        return subprocess.Popen(
            [COMMAND, *words],
            cwd=self.folder,
            env=os.environ | self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str) -> str:
        """Run a command, which must not fail."""
        return ended(self.begin(*words))

    def pids(self) -> dict[str, int]:
        """The first process of every service, and that of the keeper."""
        status: dict[str, Any] = json.loads(self.run("status", "--json"))
        found = {row["name"]: int(row["pid"]) for row in status["services"] if row["pid"]}
        return found | {"keeper": int(status["keeper_pid"])}

    def pid_of(self, comm: str) -> int:
        """A process of the head with this name, such as `raylet`."""
        handle = json.loads(next(self.home.glob("visits/services/head.*.json")).read_text())
        members = Scan().members(handle["instance"], handle["pid"], handle["started_ticks"])
        return next(process.pid for process in members if process.comm == comm)

    def runs(self) -> list[dict[str, Any]]:
        """The runs that are recorded, newest first."""
        found: list[dict[str, Any]] = json.loads(self.run("perf", "history", "--json"))["runs"]
        return found

    def answers(self, url: str) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False


def ask(url: str, body: bytes | None = None) -> str:
    """The text of an answer, also of one that says no; a POST where there is a body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def ended(process: subprocess.Popen[str]) -> str:
    """What a command printed, once it has ended well."""
    printed, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, printed
    return printed


@contextmanager
def cluster(more: str) -> Iterator[Cluster]:
    """A cluster that is taken down, and forgotten, at the end. `more` is written below the example's spec."""
    with tempfile.TemporaryDirectory(prefix="dbp", dir="/tmp") as place:
        root = Path(place)
        made = Cluster(root / "visits", root / "home", root / "run")
        shutil.copytree(EXAMPLE, made.folder)
        with open(made.folder / "daybreak.yaml", "a") as spec:
            spec.write(f"\nports: {{offset: {OFFSET}}}\n{more}")
        try:
            yield made
        finally:
            made.run("down")


@contextmanager
def browser() -> Iterator[Browser]:
    """The machine's Chromium, `$DAYBREAK_CHROMIUM` or `chromium`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = os.environ.get("DAYBREAK_CHROMIUM") or shutil.which("chromium")
        # Its sandbox needs rights that containers do not have; the pages are our own.
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


def until(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Ask again and again, up to a deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.05)


def shows(page: Page, text: str) -> None:
    """Wait until the page's state has this in it."""
    page.wait_for_function("text => document.querySelector('.state')?.textContent.includes(text)", arg=text)


def keep(page: Page, file: Path, *, whole: bool = False) -> None:
    """A picture of the page, or of what of it is seen."""
    page.screenshot(path=file, full_page=whole)
    keep_few_colours(file)


def keep_few_colours(file: Path) -> None:
    """It is a fifth of the size, and looks the same."""
    with Image.open(file) as shot:
        few = shot.convert("RGB").quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(file, optimize=True)
