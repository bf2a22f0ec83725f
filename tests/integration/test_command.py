"""The command without any cluster: help, wrong usage, plain output, speed of what must be quick."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from daybreak.cli.app import app, run
from daybreak.cli.common.lazy import LazyGroup
from tests.helpers import read_terminal
from tests.integration.conftest import COMMAND, Sandbox


def commands(group: LazyGroup = app, *above: str) -> Iterator[tuple[list[str], click.Command]]:
    """Every command that does something, with the words that call it."""
    for name in group.commands:
        found = group.load(name)
        if not isinstance(found, LazyGroup) or found.invoke_without_command:
            yield [*above, name], found
        if isinstance(found, LazyGroup):
            yield from commands(found, *above, name)


COMMANDS = [words for words, _ in commands()]
DOCS = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=lambda command: " ".join(command) or "daybreak")
def test_help_of_every_command_and_its_place_in_the_docs(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["daybreak", *command, "--help"])
    assert run() == 0
    assert "Usage: daybreak" in capsys.readouterr().out
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


def imported(sandbox: Sandbox, words: list[str], watched: set[str]) -> list[str]:
    """A command's exit code, and which of the watched modules it has imported."""
    code = (
        f"import sys; sys.argv = ['daybreak', *{words!r}]\n"
        "from daybreak.cli.app import run\n"
        "code = run()\n"
        f"print(code, *sorted({watched!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=sandbox.folder,
        env=sandbox.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()


def test_status_imports_neither_pydantic_nor_ray(sandbox: Sandbox) -> None:
    sandbox.write("")
    assert imported(sandbox, ["status"], {"pydantic", "ray", "rich", "asyncio"}) == ["0"]


@pytest.mark.parametrize("words", [["logs"], ["wait", "stopped"], ["down"], ["env"], ["scale", "1"]], ids=" ".join)
def test_what_needs_no_spec_waits_for_no_heavy_import(sandbox: Sandbox, words: list[str]) -> None:
    sandbox.write("")
    _, *modules = imported(sandbox, words, {"pydantic", "ray", "rich", "asyncio", "psutil", "sqlite3"})
    assert modules == []


def test_every_option_is_in_the_docs() -> None:
    text = DOCS.read_text()
    for _, command in commands():
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert any(flag in text for flag in option.opts), (command.name, option.opts)


def test_every_option_that_the_docs_tell_is_there() -> None:
    known = {" ".join(words): command for words, command in commands()}
    usage_lines = r"^    daybreak ([a-z][a-z-]*(?: [a-z][a-z-]*)*)(.*(?:\n {6,}\[.*)*)$"
    for found in re.finditer(usage_lines, DOCS.read_text(), re.MULTILINE):
        words = found[1].split()
        name = next((name for end in (2, 1) if (name := " ".join(words[:end])) in known), "")
        flags = {flag for option in known[name].params for flag in option.opts} if name else {"-h", "--help"}
        usage = re.sub(r" -- .*|  +#.*", "", found[2])
        assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage)) <= flags | {"-h", "--help"}, found[0]


def test_json_can_be_read_by_programs(sandbox: Sandbox) -> None:
    sandbox.write("workers: {count: 0}\n")
    for words in (["status"], ["down"], ["plan"], ["perf", "stats"], ["perf", "history"]):
        json.loads(sandbox.run(*words, "--json").stdout)
    assert json.loads(sandbox.run("schema").stdout)["properties"]


def on_a_terminal(sandbox: Sandbox, env: dict[str, str]) -> str:
    """What `up` with an invalid spec prints on a terminal."""
    ours, theirs = os.openpty()
    environment = {key: value for key, value in sandbox.environment().items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [*COMMAND, "up"],
        cwd=sandbox.folder,
        env=environment | {"TERM": "xterm"} | env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    text = read_terminal(ours)
    assert process.wait() == 2
    return text.decode()


def test_colours_on_a_terminal_unless_they_are_not_wanted(sandbox: Sandbox) -> None:
    sandbox.write("workers: {count: -1}\n")
    assert "\033[" in on_a_terminal(sandbox, {})
    assert "\033" not in on_a_terminal(sandbox, {"NO_COLOR": "1"})
    assert "\033" not in on_a_terminal(sandbox, {"TERM": "dumb"})


def test_a_reader_that_has_seen_enough_is_no_error(sandbox: Sandbox) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as closed:
        done = subprocess.run(
            [*COMMAND, "schema"],
            cwd=sandbox.folder,
            env=sandbox.environment(),
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
