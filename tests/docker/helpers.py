"""What the tests with Docker share: a project whose image is built by the real command, and containers of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daybreak.docker.connect import connect
from daybreak.docker.docker_cli import Client
from daybreak.errors import DaybreakError
from tests.environment import proxies

DEADLINE_S = 120.0
BASE = "python:3.11-slim-bookworm"
HOW = "as root, `.ci/engine start` starts an engine and makes the images"
HEALTH = ("/opt/ray/bin/python", "-IS", "/opt/daybreak/health.py")


@dataclass(frozen=True)
class Project:
    """A folder, and the image of it."""

    folder: Path
    engine: Client
    tag: str
    constraints: Path

    def build(self, *options: str, constraints: str = "ray-2.60.0.txt") -> dict[str, Any]:
        """Run `daybreak image build`; what it prints as JSON. The time it took is printed, for who reads the log."""
        words = ["image", "build", "--json", "--tag", self.tag, *options]
        if constraints:
            words += ["--constraints", str(self.constraints / constraints)]
        before = self._id()
        began = time.monotonic()
        found: dict[str, Any] = json.loads(daybreak(self.folder, *words))
        print(f"{self.tag}: {found['bytes'] / 1e6:.1f} MB, built in {time.monotonic() - began:.1f} s")
        if before and before != found["id"]:
            self.engine.ask("image", "rm", before)
        return found

    def _id(self) -> str | None:
        """The image that has the name now."""
        try:
            return str(self.engine.inspect(self.tag)["Id"])
        except DaybreakError:
            return None

    def layers(self) -> list[str]:
        """The digests of the image's layers, the lowest first."""
        found: list[str] = self.engine.inspect(self.tag)["RootFS"]["Layers"]
        return found

    def run(self, *argv: str) -> str:
        """The output of a command in a container of the image, with standard error where it fails."""
        command = [self.engine.program, "run", "--rm", "--network", "none", self.tag, *argv]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def remove(self) -> None:
        self.engine.ask("image", "rm", self.tag)


def require_engine(*images: str) -> None:
    """Skip the test, and say why, where no engine answers or one of the images (the base image, too) is missing."""
    try:
        client = connect()
        try:
            for image in (BASE, *images):
                client.images.inspect(image)
        finally:
            client.close()
    except DaybreakError as error:
        pytest.skip(f"{error.message} ({HOW})")


@dataclass(frozen=True)
class Composer:
    """`docker compose`; `config` is a folder with its plugin, None where the command has it."""

    program: str
    config: Path | None

    def run(self, folder: Path, *words: str) -> str:
        """What it prints on stdout; it must succeed."""
        done = self._run(folder, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, folder: Path, *words: str) -> str:
        """What it prints on stderr; it must fail."""
        done = self._run(folder, *words)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def version(self) -> str | None:
        done = self._run(Path.cwd(), "version", "--short")
        return done.stdout.strip() if done.returncode == 0 else None

    def _run(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **({"DOCKER_CONFIG": str(self.config)} if self.config else {})}
        command = [self.program, "compose", *words]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=folder, env=env, timeout=2 * DEADLINE_S
        )


def daybreak(folder: Path, *words: str) -> str:
    """What the command prints; it must succeed."""
    command = [str(Path(sys.executable).with_name("daybreak")), *words]
    env = os.environ | proxies
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=env, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tag(name: str) -> str:
    """A name for an image of these tests; others that run at the same time, on the same engine, have their own."""
    return f"daybreak-test/{name}-{os.getpid()}:latest"


@contextmanager
def container(engine: Client, image: str, *argv: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """A container that runs, by its id; gone afterwards."""
    # In two steps: one that cannot be started is there all the same.
    identity = engine.ask("create", *options, image, *argv)
    try:
        engine.ask("start", identity)
        yield identity
    finally:
        engine.ask("rm", "--force", "--volumes", identity)


def succeeds(engine: Client, identity: str, *argv: str) -> bool:
    """Whether a command in a container ends with 0."""
    try:
        engine.ask("exec", identity, *argv)
    except DaybreakError:
        return False
    return True
