"""One template for the tests of a module."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest

from daybreak.machine.machine import small_shell
from tests.integration.faithful.template import Template, template, until


@pytest.fixture(scope="session", autouse=True)
def _signals_have_their_meaning() -> Iterator[None]:
    """`nohup` and a shell's `&` let programs ignore signals, and children inherit that: they would never end by one."""
    ignored = [number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT) if _is_ignored(number)]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def _is_ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


@pytest.fixture(scope="module")
def warm() -> Iterator[Template]:
    """One template for all that leave it as it is; at the end nothing of its forks is left."""
    with template() as made:
        yield from _left_as_it_was(made)


@pytest.fixture(scope="module", params=["shell", "interpreter"])
def standing(request: pytest.FixtureRequest) -> Iterator[Template]:
    """As `warm`, in turn with both that a launcher can become while it stands in."""
    if request.param == "shell" and not small_shell():
        pytest.skip("this system has no small shell")
    with template(shell=None if request.param == "shell" else "") as made:
        yield from _left_as_it_was(made)


def _left_as_it_was(made: Template) -> Iterator[Template]:
    yield made
    until(lambda: not psutil.Process(made.pid).children(), "end of all forks")
    assert made.order()["threads"] == 1
    assert made.forks() == []
    assert list(made.folder.glob("exit-*")) == []
