"""`daybreak pause` and `resume`: which files are pages, and what is said of a pause."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from daybreak import api
from daybreak.api.pausing import _page
from daybreak.cli.status import table
from daybreak.errors import NotRunning, UsageError
from daybreak.keeper.gateway.pause import MOST_PAGE_BYTES, Page
from daybreak.show.page.cluster_view import headline
from daybreak.states import ClusterState
from daybreak.timeline.status import PauseStatus, ServiceStatus, Snapshot


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("sorry.html", b"<p>\xc3\xbc", "text/html; charset=utf-8"),
        ("sorry.html", b"<p>\xfc", "text/html"),
        ("sorry", b"", "text/html; charset=utf-8"),
        ("sorry.json", b"{}", "application/json"),
        ("sorry.txt", b"x" * MOST_PAGE_BYTES, "text/plain; charset=utf-8"),
        ("sorry.html.gz", b"", "application/octet-stream"),
    ],
)
def test_a_page_has_its_type_by_its_name(name: str, content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    sent = _page(tmp_path / name)
    assert sent == {"content_type": kind, "content": base64.b64encode(content).decode()}
    assert Page.from_json(sent) == Page(kind, content)


def test_what_is_no_page_is_refused_with_its_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"x" * (MOST_PAGE_BYTES + 1))
    for name, why in (("absent", "No such file"), ("pipe", "no regular file"), (".", "no regular"), ("long", "larger")):
        with pytest.raises(UsageError, match=why):
            _page(tmp_path / name)


def test_a_cluster_that_does_not_run_is_neither_paused_nor_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "runtime"))
    with pytest.raises(NotRunning):
        api.pause(name="absent")
    with pytest.raises(NotRunning):
        api.resume("absent")


@pytest.mark.parametrize(("page", "what"), [(False, "requests wait"), (True, "requests get a page")])
def test_status_says_what_becomes_of_requests_and_since_when(page: bool, what: str) -> None:
    snapshot = Snapshot("shop", ClusterState.READY, services=(ServiceStatus("head"),), pause=PauseStatus(100.0, page))
    assert Snapshot.from_json(snapshot.to_json()) == snapshot
    assert headline(snapshot) == (f"paused: {what}", "busy")
    first, *lines = table(snapshot, 160.0)
    assert first.startswith("shop: ready, paused  (")
    assert f"paused       60 s ago; {what} until `daybreak resume`" in lines
