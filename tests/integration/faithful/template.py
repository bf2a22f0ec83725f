"""A warm template for tests, made of the files that daybreak itself would write, and two ways to run a program:
under its launcher and under the real interpreter."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from daybreak.machine.machine import small_shell
from daybreak.machine.ray import find_ray
from daybreak.services.ray import warm
from daybreak.services.site import Site
from daybreak.spec.model import RayExpectation, Spec

REAL = sys.executable
DEADLINE_S = 60.0
NAP_S = 0.005
T = TypeVar("T")
# What the programs get, and nothing else: the shell's own variables would steer the interpreter.
CLEAN = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", "TERM": "dumb"}


def until(look: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Look until there is something, and return it."""
    end = time.monotonic() + deadline_s
    while not (found := look()):
        assert time.monotonic() < end, f"no {what} within {deadline_s:g} s"
        time.sleep(NAP_S)
    return found


@dataclass(frozen=True)
class Ran:
    """What can be seen of a program from outside."""

    code: int
    out: bytes
    err: bytes

    @property
    def value(self) -> Any:
        """What it printed, read as JSON."""
        assert self.code == 0, self
        return json.loads(self.out)


def run(argv: Sequence[str | bytes], *, given: bytes = b"", prepare: str = "", **options: Any) -> Ran:
    """Run to the end; `prepare` is Python that the process does to itself before it becomes the program."""
    rest: dict[str, Any] = {"env": CLEAN, "timeout": DEADLINE_S} | options
    done = subprocess.run(prepared(argv, prepare), input=given, capture_output=True, check=False, **rest)
    return Ran(done.returncode, done.stdout, done.stderr)


def prepared(argv: Sequence[str | bytes], prepare: str) -> list[str | bytes]:
    if not prepare:
        return list(argv)
    code = f"import os, resource, signal, sys\n{prepare}\nos.execv(sys.argv[1], sys.argv[1:])"
    return [REAL, "-IS", "-c", code, *argv]


@dataclass
class Template:
    """One template, its folder and its launcher."""

    place: Path
    modules: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: CLEAN)
    shell: str = field(default_factory=small_shell)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        ray = find_ray(RayExpectation(python=REAL), self.place)
        self.site = Site(
            base=str(self.place),
            root=str(self.place / "r"),
            runtime=str(self.place / "t"),
            logs=str(self.place),
            data=str(self.place),
            secrets_folder=str(self.place),
            ray=ray,
            node_ip="127.0.0.1",
            small_shell=self.shell,
        )
        self.folder = Path(warm.folder(self.site))
        self.launcher = warm.launcher(self.site)
        self.service = warm.template(Spec.model_validate({"name": "t", "warm": {"modules": self.modules}}), self.site)
        self.home = self.place / "own"
        self.home.mkdir()
        self.folder.mkdir(parents=True)
        for file in self.service.files:
            Path(file.path).parent.mkdir(parents=True, exist_ok=True)
            # Programs of the tests' own are forked as Ray's are.
            text = file.text.replace("@INSTANCE@", "test").replace(repr(f"{ray.package}/"), repr(f"{self.home}/"))
            Path(file.path).write_text(text)
            Path(file.path).chmod(file.mode)

    # --- the template -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it and wait until its imports are done."""
        self.begin()
        until(self._is_running, "warm template")

    def begin(self) -> None:
        with open(self.place / "log", "ab") as log:
            self.process = subprocess.Popen(
                self.service.argv,
                cwd=self.service.cwd,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_running(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        with contextlib.suppress(OSError):
            state = self.state()
            return bool(state["stage"] == "running" and state["pid"] == self.pid)
        return False

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def log(self) -> str:
        return (self.place / "log").read_text(errors="replace")

    def order(self, order: str = "state", **rest: Any) -> dict[str, Any]:
        """Have the template do something; returns its state."""
        data = marshal.dumps({"order": order, **rest})
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE_S)
            connection.connect(str(self.folder / "template.socket"))
            connection.sendall(len(data).to_bytes(4, "little") + data)
            with connection.makefile("rb") as answer:
                assert answer.read(1) == b"J"
                found: dict[str, Any] = json.loads(answer.read(int.from_bytes(answer.read(4), "little")))
        return found

    def end(self, number: int = signal.SIGTERM) -> None:
        """End the template itself; its forks stay."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait(DEADLINE_S)
            self.process = None

    def forks(self) -> list[int]:
        return [int(entry.name) for entry in (self.folder / "forks").iterdir()]

    def fallbacks(self) -> list[str]:
        """Why the real interpreter had to do it, one reason a time."""
        with contextlib.suppress(OSError):
            return [line.split("\t")[1] for line in (self.folder / "fallbacks").read_text().splitlines()]
        return []

    # --- programs -----------------------------------------------------------------------------------------------------

    def impatient(self, answer_s: float = 0.3) -> str:
        """A launcher that does not wait long for the template."""
        text = Path(self.launcher).read_text()
        made = Path(self.launcher).with_name("impatient") / "python"
        made.parent.mkdir(exist_ok=True)
        made.write_text(text.replace("launcher.main(", f"launcher.ANSWER_S = {answer_s}; launcher.main("))
        made.chmod(0o700)
        return str(made)

    def argv(self, *args: str | bytes) -> list[str | bytes]:
        """The arguments with a program that is forked for the text behind a `-c`."""
        words = list(args)
        if "-c" in words[:3]:
            place = words.index("-c")
            path = self.home / f"p{zlib.crc32(str(words[place + 1]).encode())}.py"
            if not path.exists():  # others may be about to read it
                path.write_text(str(words[place + 1]))
            words[place : place + 2] = [str(path)]
        return words

    def popen(self, *args: str | bytes, prepare: str = "", **options: Any) -> subprocess.Popen[bytes]:
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        argv = prepared([self.launcher, *self.argv(*args)], prepare)
        return Program(argv, **(pipes | {"env": CLEAN} | options))

    def launch(self, *args: str | bytes, **options: Any) -> Ran:
        """Run it under the launcher, which may have to do without the template."""
        return run([self.launcher, *self.argv(*args)], **options)

    def real(self, *args: str | bytes, **options: Any) -> Ran:
        """The same under the real interpreter."""
        return run([REAL, *self.argv(*args)], **options)

    def run(self, *args: str | bytes, **options: Any) -> Ran:
        """Run it under the launcher, as a fork and not otherwise."""
        before = self.order()["forks"]
        ran = self.launch(*args, **options)
        assert self.order()["forks"] > before, (self.fallbacks(), ran)
        return ran

    def both(self, *args: str | bytes, **options: Any) -> tuple[Ran, Ran]:
        """The same under the launcher and under the real interpreter."""
        return self.run(*args, **options), self.real(*args, **options)

    def same(self, *args: str | bytes, **options: Any) -> Ran:
        """Require that nothing differs."""
        forked, real = self.both(*args, **options)
        assert forked == real
        return real


@contextlib.contextmanager
def template(
    *modules: str, env: Mapping[str, str] = CLEAN, start: bool = True, shell: str | None = None
) -> Iterator[Template]:
    """A template in a folder with a short name; at the end it and its forks are ended.

    `shell` is what launchers become: the system's small shell, or none (empty), where they stay what they are.
    """
    place = Path(tempfile.mkdtemp(prefix="dbw"))
    made = Template(place, modules, env, small_shell() if shell is None else shell)
    try:
        if start:
            made.start()
        yield made
    finally:
        forks = made.forks() if (made.folder / "forks").exists() else []
        made.end()
        for pid in forks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(place)


def state_of(pid: int) -> str:
    """One letter, as in /proc/PID/stat; empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def gone(pid: int) -> bool:
    return state_of(pid) in ("", "Z")


class Program(subprocess.Popen[bytes]):
    """One that a test which fails does not wait for."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, place)


def line(process: subprocess.Popen[bytes]) -> bytes:
    """The next line of its output; fails where none comes."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], DEADLINE_S)
    assert ready, "it says nothing"
    return process.stdout.readline().rstrip(b"\n")
