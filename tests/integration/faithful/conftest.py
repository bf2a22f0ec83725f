"""One template for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from daybreak.survey.machine import small_shell
from tests.integration.faithful.template import Template, template, until


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
