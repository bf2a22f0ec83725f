"""One template for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.integration.faithful.template import Template, template, until


@pytest.fixture(scope="module")
def warm() -> Iterator[Template]:
    """One template for all that leave it as it is; at the end nothing of its forks is left."""
    with template() as made:
        yield made
        until(lambda: not psutil.Process(made.pid).children(), "end of all forks")
        assert made.order()["threads"] == 1
        assert made.forks() == []
        assert list(made.folder.glob("exit-*")) == []
