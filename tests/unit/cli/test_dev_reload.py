"""What `daybreak dev` says of one save."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from daybreak import api
from daybreak.cli.dev import reload
from daybreak.cli.dev.reload import MENDED, NOTHING, Reload
from daybreak.cli.dev.screen import Screen
from daybreak.errors import UsageError
from daybreak.names import SERVE
from daybreak.states import ClusterState
from daybreak.timeline.event import Event, Kind


class Keeper:
    """Stands in for it: what the next change starts and stops, and what goes wrong."""

    def __init__(self) -> None:
        self.start: Sequence[str] = ()
        self.stop: Sequence[str] = ()
        self.error: UsageError | None = None

    def bring_up(self, tell: api.OnMessage) -> api.Cluster:
        events = [
            Event(Kind.PLANNED, 0.0, 0.0, data={"start": list(self.start), "stop": list(self.stop), "keep": []}),
            *(Event(Kind.STARTING, 0.1, 0.1, name, data={}) for name in self.start),
        ]
        for event in events:
            tell({"event": event.to_json()})
        if self.error:
            raise self.error
        return api.Cluster("shop", ClusterState.READY)


@pytest.fixture(name="keeper")
def _keeper() -> Keeper:
    return Keeper()


@pytest.fixture(name="save")
def _save(keeper: Keeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    (tmp_path / "app.py").write_text("x = 1\n")
    one = Reload(tmp_path, Screen(), keeper.bring_up, serves=True)

    def save() -> str:
        one([tmp_path / "app.py"])
        return capsys.readouterr().out

    return save


def test_what_is_not_wanted_any_more_is_told(keeper: Keeper, save: Any) -> None:
    keeper.stop = ["ticker"]
    assert "app.py: ticker stopped" in save()
    keeper.start, keeper.stop = ["clock"], ["clock", "ticker"]
    assert "app.py: clock started anew, ticker stopped" in save()
    keeper.start, keeper.stop = [], []
    assert f"app.py: {NOTHING}" in save()


def test_a_mistake_that_is_taken_back_is_no_mistake_any_more(
    keeper: Keeper, save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All replicas are those that ran before.
    monkeypatch.setattr(reload, "replaced", lambda before, after: [])
    keeper.start, keeper.error = [SERVE], UsageError("app:main cannot be imported")
    save()
    keeper.error = None
    assert MENDED in save()
    assert f"app.py: {NOTHING}" in save()
