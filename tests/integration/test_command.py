"""The command without any cluster: help, wrong usage, plain output, speed of what must be quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daybreak.cli.app import app, perf
from tests.integration.conftest import Sandbox

COMMANDS = [[name] for name in app.commands if name != "perf"] + [["perf", name] for name in perf.commands]
DOCS = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=lambda command: " ".join(command) or "daybreak")
def test_help_of_every_command_and_its_place_in_the_docs(sandbox: Sandbox, command: list[str]) -> None:
    assert "Usage: daybreak" in sandbox.run(*command, "--help").stdout
    assert f"daybreak {' '.join(command)}".strip() in DOCS.read_text()


def test_wrong_usage_ends_with_2(sandbox: Sandbox) -> None:
    for args in (["frobnicate"], ["up", "--frobnicate"], ["up", "three"], ["scale"], ["wait", "--timeout", "soon"]):
        assert sandbox.run(*args, code=2).stderr


def test_a_cluster_that_never_was_is_stopped_and_cannot_be_scaled(sandbox: Sandbox) -> None:
    sandbox.write("")
    assert sandbox.run("status").stdout.strip() == "it: stopped"
    assert "daybreak up" in sandbox.run("scale", "3", code=1).stderr
    assert "daybreak up" in sandbox.run("env", code=1).stderr
    assert "no log of head" in sandbox.run("logs", "head", code=2).stderr
    sandbox.run("down")
    sandbox.run("wait", "stopped", "--timeout", "5s")
    assert "is not ready after" in sandbox.run("wait", "head", "--timeout", "300ms", code=3).stderr


def test_deleting_needs_an_answer(sandbox: Sandbox) -> None:
    sandbox.write("")
    assert "--yes" in sandbox.run("perf", "clear", code=2).stderr
    sandbox.run("perf", "clear", "--yes")


def test_init_writes_once(sandbox: Sandbox) -> None:
    sandbox.run("init")
    assert (sandbox.folder / "daybreak.yaml").exists()
    assert "app.py" in sandbox.run("init", code=2).stderr


def test_output_off_a_terminal_has_no_escape_codes(sandbox: Sandbox) -> None:
    sandbox.write("")
    for args in (["--help"], ["status"], ["perf", "stats"], ["perf", "history"]):
        done = sandbox.run(*args)
        assert "\033" not in done.stdout + done.stderr


def test_status_and_help_import_neither_pydantic_nor_ray(sandbox: Sandbox) -> None:
    sandbox.write("")
    code = (
        "import sys; sys.argv = ['daybreak', 'status']\n"
        "from daybreak.cli.app import run\n"
        "code = run()\n"
        "print(sorted({'pydantic', 'ray', 'rich', 'asyncio'} & set(sys.modules)), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=sandbox.folder,
        env=sandbox.environment() | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[] 0"
