"""The `docker` command. BuildKit's secrets and cache mounts cannot be had through Docker's Python package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from daybreak.docker import refusals
from daybreak.errors import EngineError

ASK_S = 60.0
# Images of this machine are what is built on: only the engine's own builder sees them.
ENVIRONMENT = {"DOCKER_BUILDKIT": "1", "BUILDX_BUILDER": "default", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
# From this version on the command needs a plugin to build with BuildKit.
NEEDS_PLUGIN = 23


class Client:
    """One `docker` program. Every method raises EngineError with a message for people."""

    def __init__(self, program: str, timeout_s: float = ASK_S) -> None:
        self.program = program
        self._timeout_s = timeout_s

    def ask(self, *words: str, stdin: bytes | None = None) -> str:
        """The output of a short command."""
        return self.ask_bytes(*words, stdin=stdin).decode(errors="replace").strip()

    def ask_bytes(self, *words: str, stdin: bytes | None = None) -> bytes:
        try:
            done = subprocess.run(
                [self.program, *words], check=False, capture_output=True, timeout=self._timeout_s, input=stdin or b""
            )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"docker {words[0]}: no answer within {self._timeout_s:g} s") from error
        except OSError as error:
            raise EngineError(f"{self.program}: {error.strerror}") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace")
            raise refusals.of_text(said, otherwise=f"docker {words[0]}: exit code {done.returncode}")
        return done.stdout

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine knows of an image."""
        try:
            found: list[dict[str, Any]] = json.loads(self.ask("image", "inspect", image))
        except EngineError as error:
            if "no such image" not in error.message.lower():
                raise
            raise EngineError(f"there is no image {image}", hint="daybreak image build, or docker image ls") from None
        return found[0]

    def has(self, image: str) -> bool:
        """Is there such an image?"""
        return bool(self.ask("image", "ls", "--quiet", image))

    def build(self, words: Sequence[str], context: IO[bytes], on_line: Callable[[str], None]) -> int:
        """Run `docker build` with a tar file; its plain progress goes to `on_line`, line by line. The exit code."""
        command = [self.program, "build", "--progress", "plain", *words, "-"]
        with subprocess.Popen(
            command,
            stdin=context,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT},
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout
            try:
                for line in process.stdout:
                    on_line(line.rstrip())
            except BaseException:
                process.terminate()
                raise
        return process.returncode


def find() -> Client:
    """A command that builds with BuildKit, and whose engine answers.

    Raises EngineError where Docker is not installed, its engine does not run or is not permitted, or every command
    in PATH lacks the plugin that it needs.
    """
    programs = _programs(os.environ)
    if not programs:
        raise refusals.not_installed()
    Client(programs[0]).ask("version", "--format", "{{.Server.Version}}")
    for program in programs:
        if _builds(Client(program)):
            return Client(program)
    raise EngineError(
        f"{programs[0]} cannot build with BuildKit: its plugin buildx is missing",
        hint="install the package docker-buildx-plugin (docker-buildx in Debian)",
    )


def _programs(env: Mapping[str, str]) -> list[str]:
    """Every `docker` in PATH; a machine may have more than one, and not all can build."""
    folders = env.get("PATH", os.defpath).split(os.pathsep)
    found = [path for folder in folders if folder and (path := shutil.which("docker", path=folder))]
    return list({os.path.realpath(path): path for path in reversed(found)}.values())[::-1]


def _builds(client: Client) -> bool:
    try:
        client.ask("buildx", "version")
    except EngineError:
        version = client.ask("version", "--format", "{{.Client.Version}}")
        return int(version.partition(".")[0] or 0) < NEEDS_PLUGIN
    return True
