"""What goes on while something else is wanted of it: brought up to date once, and left running where that fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from daybreak.backends.base import CommandResult
from daybreak.backends.fake import FakeBackend, Script
from daybreak.errors import StepFailed
from daybreak.run.change import Change
from daybreak.run.settling import is_due
from daybreak.services.service import Need, Service, Settle, Tier
from tests.unit.helpers import service
from tests.unit.run.test_reconcile import tell


def database(folder: Path, text: str) -> Service:
    settle = Settle("setup", (f"set up {text}",), str(folder / "config/postgres.setup"), text)
    return replace(service("postgres", Tier.DATA, "ready"), settle=settle)


def due(one: Service) -> bool:
    assert one.settle
    return is_due(one.settle)


def test_a_server_that_has_just_started_is_up_to_date(tmp_path: Path) -> None:
    backend, one = FakeBackend(), database(tmp_path, "one")
    tell(backend, Change((one,)), tmp_path)
    assert not due(one)
    tell(backend, Change((one,)), tmp_path)
    assert "run postgres: set up one" not in backend.log


def test_one_that_goes_on_is_brought_up_to_date_before_what_needs_it_starts(tmp_path: Path) -> None:
    backend = FakeBackend()
    tell(backend, Change((database(tmp_path, "one"),)), tmp_path)
    two = database(tmp_path, "two")
    api = service("api", needs=(Need("postgres"),))
    result = tell(backend, Change((two, api)), tmp_path)
    assert [handle.service for handle in result.started] == ["api"]
    assert backend.log.index("run postgres: set up two") < backend.log.index("start api")
    assert not due(two)


def test_where_that_fails_it_runs_on_and_it_is_tried_again(tmp_path: Path) -> None:
    said = CommandResult(1, 'ERROR:  extension "no" is not available')
    backend = FakeBackend({"postgres": Script(commands={"set up two": said})})
    tell(backend, Change((database(tmp_path, "one"),)), tmp_path)
    two = database(tmp_path, "two")
    api = service("api")
    for keep in (False, True):
        with pytest.raises(StepFailed, match='the server runs on: ERROR:  extension "no" is not available'):
            tell(backend, Change((two, api), keep_on_failure=keep), tmp_path)
    assert "stop postgres" not in backend.log
    assert "start api" not in backend.log, "nothing else is touched"
    assert due(two)
