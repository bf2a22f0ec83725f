"""What is told of steps, schedules, checks and hooks that cannot be."""

from __future__ import annotations

import pytest
from tests.unit.spec.conftest import Load, Problems

from daybreak.spec.model import Spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {a: {command: [x], needs: {b: doen}}, b: {command: [x]}}", "not b: doen"),
        ("services: {a: {command: [x], needs: {head: done}}}", "head goes on, so it is never done"),
        ("services: {a: {command: [x], run: once, check: {tcp: 5}}}", "which is when it is ready"),
        ("services: {a: {command: [x], run: once, tier: data}}", "steps belong to the app tier"),
        ("services: {a: {command: [x], run: once, restart: always}}", "is not started again when that fails"),
        ("services: {a: {command: [x], needs: {b: done}}, b: {command: [x], needs: [a]}}", "a -> b -> a"),
        (
            "serve: {applications: [{import: 'a:b'}], needs: [c]}\nservices: {c: {command: [x]}}",
            "c is replaced after the applications",
        ),
        (
            "serve: {applications: [{import: 'a:b'}], needs: {c: done}}\n"
            "services: {c: {command: [x], needs: [workers]}}",
            "circle",
        ),
        ("services: {a: {command: [x], schedule: 0 25 * * *}}", "'0 25 * * *' is no cron line: bad hour"),
        ("services: {a: {command: [x], schedule: '@reboot'}}", "'@reboot' is none of @hourly"),
        ("services: {a: {command: [x], schedule: {cron: '@daily', timezone: Mars/X}}}", "no time zone 'Mars/X'"),
        ("services: {a: {command: [x], schedule: '@daily', check: {tcp: 5}}}", "nothing asks whether it is ready"),
        (
            "services: {a: {command: [x], schedule: '@daily'}, b: {command: [x], needs: [a]}}",
            "a is scheduled: it may not have run",
        ),
        ("services: {a: {command: [x], check: {grpc: x}}}", "must be a host and a port"),
        (
            "{backend: docker, services: {a: {image: x, check: {grpc: 'x:1'}}}}",
            "needs Ray's Python, which a container of another image has not",
        ),
        ("hooks: {before_up: ./x.sh}", "must be a list, such as [./x.sh]"),
        ("hooks: {before_up: {timeout: 5s}}", "is required"),
        ("hooks: {before_up: {command: [x], timeot: 5s}}", "unknown key"),
        ("services: {a: {command: [x], schedule: {cron: '@daily', timeout: soon}}}", "give a duration such as 5s"),
        ("services: {hooks: {command: [x]}}", "is the name of something that daybreak starts itself"),
    ],
)
def test_messages(problems: Problems, text: str, message: str) -> None:
    (problem,) = problems(text)
    assert message in problem.message


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("[x, y]", [("x", "y")]),
        ("{command: [x]}", [("x",)]),
        ("[[x, y], {command: [z], timeout: 5m}]", [("x", "y"), ("z",)]),
        ("", []),
    ],
)
def test_a_moment_has_a_command_or_several(load: Load, text: str, commands: list[tuple[str, ...]]) -> None:
    spec = load(f"hooks:\n  before_up: {text}\n").spec
    assert [hook.command for hook in spec.hooks.before_up] == commands
    assert Spec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec


@pytest.mark.parametrize(
    ("word", "meant"), [("unless-stopped", "always"), ("no", "never"), ("'no'", "never"), ("never", "never")]
)
def test_words_of_compose_for_what_becomes_of_an_end(load: Load, word: str, meant: str) -> None:
    assert load(f"services: {{a: {{command: [x], restart: {word}}}}}").spec.services["a"].restart == meant
