"""A cluster that has started once, behind a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.timeline.event import RunKind
from tests.unit.show.page.fake import FakeSource

SERVICES = ("postgres", "head", "worker-1", "worker-2", "serve")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[FakeSource]:
    """Nothing has happened yet."""
    made = FakeSource(tmp_path, *SERVICES)
    yield made
    made.close()


@pytest.fixture
def started(source: FakeSource) -> FakeSource:
    """Everything was started, and runs."""
    source.begin(RunKind.STARTUP)
    source.start("postgres", 0.4)
    source.start("head", 1.5)
    source.start("serve", 2.5, need="head.started")
    source.start("worker-1", 1.2, waited_s=2.0, need="serve")
    source.start("worker-2", 1.4, waited_s=2.0, need="serve")
    source.end()
    return source
