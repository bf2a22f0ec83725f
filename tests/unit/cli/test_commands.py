"""Every command is a module of its own: it is listed as it says, and takes the options that it declares."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import click
import pytest

from daybreak.cli.app import app
from daybreak.cli.common import counts
from daybreak.cli.common.lazy import LazyGroup


def commands(group: LazyGroup = app, *above: str) -> Iterator[tuple[list[str], click.Command, click.Command]]:
    """The words that call each command, how its group lists it, and the command itself."""
    for name, listed in group.commands.items():
        found = group.load(name)
        yield [*above, name], listed, found
        if isinstance(found, LazyGroup):
            yield from commands(found, *above, name)


COMMANDS = [pytest.param(listed, found, id=" ".join(words)) for words, listed, found in commands()]
LEAVES = [command for command in COMMANDS if not isinstance(command.values[1], LazyGroup)]


@pytest.mark.parametrize(("listed", "found"), COMMANDS)
def test_what_is_listed_is_the_first_line_of_its_help(listed: click.Command, found: click.Command) -> None:
    assert listed.name == found.name
    assert listed.get_short_help_str(500) == found.get_short_help_str(500)


@pytest.mark.parametrize(("listed", "found"), LEAVES)
def test_a_command_takes_what_its_options_give(listed: click.Command, found: click.Command) -> None:
    assert found.callback
    hints = get_type_hints(inspect.unwrap(found.callback))
    hints.pop("return")
    options = {option.name or "": option for option in found.params if option.expose_value}
    if hasattr(found.callback, "__wrapped__"):
        options.pop("verbose")  # for what is around the command
    assert set(hints) == set(options)
    needed = [word for option in found.params if option.required for word in (*dashes(option), "1")]
    absent = found.make_context("it", needed).params
    for name, option in options.items():
        assert isinstance(absent[name], plain(hints[name])), name
        assert kind(option) in str(hints[name]), name


def dashes(option: click.Parameter) -> list[str]:
    return option.opts[:1] if isinstance(option, click.Option) else []


def plain(hint: Any) -> tuple[Any, ...]:
    """What a value is an instance of; for `tuple[str, str] | None` a tuple, or None."""
    several = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return tuple(get_origin(each) or each for each in several)


def kind(option: click.Parameter) -> str:
    """What the option's values are, as the function's types say it."""
    if isinstance(option, click.Option) and option.is_flag:
        return "bool"
    if option.callback is counts.parse:
        return "int"
    numbers = {click.IntRange: "int", click.FloatRange: "float"}
    of_one = numbers.get(type(option.type), "str")
    return f"tuple[{of_one}" if option.nargs != 1 or option.multiple else of_one


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("words", [["--help"], ["perf", "--help"]], ids=" ".join)
def test_help_imports_no_command(words: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['daybreak', *{words!r}]\n"
        "from daybreak.cli.app import run\n"
        "run()\n"
        "print(sorted(name for name in sys.modules if name.startswith('daybreak.') and '.common' not in name))"
    )
    imported = python(code).splitlines()[-1]
    assert imported == str(
        ["daybreak.cli", "daybreak.cli.app", *(["daybreak.cli.perf"] if words[0] == "perf" else []), "daybreak.errors"]
    )


def completed(words: str, incomplete: str = "") -> list[str]:
    """What the shell is offered for `words`, as the entry point answers it."""
    environment: dict[str, Any] = {
        "_DAYBREAK_COMPLETE": "bash_complete",
        "COMP_WORDS": f"daybreak {words} {incomplete}",
        "COMP_CWORD": str(len(words.split()) + 1),
    }
    lines = python("from daybreak.cli import main; main()", **environment).splitlines()
    return [line.partition(",")[2] for line in lines]


def test_commands_and_their_options_are_completed() -> None:
    assert completed("", "rest") == ["restart", "restore"]
    assert completed("perf", "st") == ["startup", "stats"]
    assert completed("up", "--ba") == ["--backend"]
    assert completed("doctor", "sh") == ["shm"]


def test_a_misspelt_command_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.UsageError) as caught:
        app.main(["stauts"], standalone_mode=False)
    caught.value.show()
    assert "status" in capsys.readouterr().err
