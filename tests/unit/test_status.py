"""What `status` prints."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from daybreak import api
from daybreak.cli.observe import table
from daybreak.paths import ClusterPaths
from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.store import Store


def ended(outcome: Outcome, error: str | None) -> None:
    """A start of the cluster `mine` that ended so, a minute ago."""
    paths = ClusterPaths.of("mine")
    paths.ensure()
    with Store(paths.timeline) as store:
        run = store.begin_run(
            RunKind.STARTUP, workers=0, warm=False, versions={}, machine={}, spec_digest="", wall=time.time() - 60
        )
        store.end_run(run, outcome, 1.0, error=error)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "runtime"))


def test_a_stopped_cluster_says_why_its_last_start_failed() -> None:
    ended(Outcome.FAILED, "serve failed: ModuleNotFoundError: No module named 'app'")
    first, second, *_ = table(api.status("mine").raw, time.time())
    assert first == "mine: stopped"
    assert second.startswith("the last startup failed ")
    assert second.endswith(" ago: serve failed: ModuleNotFoundError: No module named 'app'")


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.INTERRUPTED])
def test_a_stopped_cluster_of_which_nothing_failed_says_no_more(outcome: Outcome) -> None:
    ended(outcome, None)
    assert table(api.status("mine").raw, time.time()) == ["mine: stopped"]
