"""Spares: forks made ahead, with Ray imported, against forks that import Ray themselves."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.faithful.programs import SHOW, WAIT, assert_same, script
from tests.integration.faithful.template import CLEAN, Template, gone, line, template, until

ENV = {**CLEAN, "DAYBREAK_SPARES": "1"}
DEPLOY = "programs/deploy/deploy.py"
IMPORTS = "import ray, ray.serve, ray.serve.schema\n"
WHO = """
import json, os, sys
print(json.dumps([os.getpid(), "ray" in sys.modules, os.environ.get("MINE"), os.environ.get("DAYBREAK_INSTANCE")]))
"""


@pytest.fixture(scope="module")
def own() -> Iterator[Template]:
    with template() as made:
        yield made


def spare(own: Template, path: str, **options: Any) -> int:
    """The pid of one that is there for this program, which has run once before."""
    own.run(path, **{"env": ENV, **options})
    before = set(own.order("spares")["spares"])
    return int(until(lambda: set(own.order()["spares"]) - before, "spare").pop())


def who(own: Template, path: str, **env: str) -> list[Any]:
    found: list[Any] = own.run(path, env={**ENV, **env}).value
    return found


def test_it_finds_what_another_fork_would_that_imports_the_same(own: Template) -> None:
    path = script(own.home, IMPORTS + SHOW, DEPLOY)
    options: dict[str, Any] = {"env": ENV, "cwd": own.home}
    spare(own, path, **options)
    made_ahead = own.run(path, "x", **options)
    assert_same(made_ahead, own.run(path, "x", **options))


def test_the_next_one_gets_it_and_nobody_twice(own: Template) -> None:
    path = script(own.home, WHO, DEPLOY)
    pid = spare(own, path)
    assert who(own, path, DAYBREAK_INSTANCE="2") == [pid, True, None, "2"]
    assert who(own, path)[:2] != [pid, True]


def test_another_environment_and_other_code_are_forked_anew(own: Template) -> None:
    path = script(own.home, WHO, DEPLOY)
    pid = spare(own, path)
    assert who(own, path, MINE="1")[1:3] == [False, "1"]
    assert who(own, path, DAYBREAK_DEBUG="1")[1] is False, "it is read before there is a launcher"
    script(own.home, WHO + "\n", DEPLOY)
    assert who(own, path)[1] is False
    until(lambda: gone(pid), "end of the spare, whose code is of before")


def test_one_that_was_killed_is_missed_by_nobody(own: Template) -> None:
    path = script(own.home, WHO, DEPLOY)
    pid = spare(own, path)
    os.kill(pid, signal.SIGKILL)
    assert who(own, path)[1] is False
    assert pid not in own.order()["spares"]


def test_it_ends_with_the_template_that_is_killed_and_its_program_does_not() -> None:
    with template() as own:
        path = script(own.home, WAIT, DEPLOY)
        with own.popen(path, env=ENV) as first:
            assert line(first) == b"up"
            own.order("spares")
            until(lambda: own.order()["spares"], "spare")
            with own.popen(path, env=ENV) as second:
                assert line(second) == b"up"
                own.order("spares")
                [pid] = until(lambda: own.order()["spares"], "another spare")
                own.end(signal.SIGKILL)
                until(lambda: gone(pid), "end of the spare")
                assert first.poll() is None
                assert second.poll() is None
                for each in (first, second):
                    each.terminate()


def test_one_that_lacks_what_the_template_has_imported_since_is_made_anew(own: Template) -> None:
    path = script(own.home, WHO, DEPLOY)
    pid = spare(own, path)
    before = own.order()["modules"]
    assert own.order("import", modules=["mailbox", "sched"])["modules"] > before
    until(lambda: gone(pid), "end of the spare that lacks it")
    [other] = until(lambda: own.order()["spares"], "another one")
    assert who(own, path)[:2] == [other, True]
