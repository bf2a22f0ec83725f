"""The pages and the API as the server answers them, without a browser: content, escaping, forms."""

from __future__ import annotations

import json
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.testclient import TestClient

from daybreak.show.logs.lines import LONGEST_BYTES
from daybreak.show.page import cluster_view
from daybreak.show.page.access import Access
from daybreak.show.page.event_text import clean, sentence
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.status import KeptStatus, VersionStatus
from tests.unit.show.page.fake import PORT, TOKEN, FakeSource, page

BASE = f"http://127.0.0.1:{PORT}"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}"


class Outline(HTMLParser):
    """What a program that reads pages aloud would find: tags, headings, landmarks, text; and what must not be there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def client_of(source: FakeSource) -> tuple[TestClient, Access]:
    app, access = page(source)
    return TestClient(app, base_url=BASE, follow_redirects=False), access


def look(source: FakeSource, path: str = "/") -> Outline:
    answer = client_of(source)[0].get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return Outline(answer.text)


@pytest.mark.parametrize("path", ["/", "/runs/1", "/logs/head", "/login"])
def test_every_page_can_be_read_and_walked_through(started: FakeSource, path: str) -> None:
    started.write_log("head", "hello\n")
    found = look(started, path)
    assert found.all("html")[0]["lang"] == "en"
    assert len(found.all("main")) == len(found.all("h1")) == 1
    assert found.all("title")
    ids = [attributes["id"] for _, attributes in found.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for name, attributes in found.tags:
        # Nothing that the policy forbids, and nothing from elsewhere.
        assert "style" not in attributes, name
        assert not any(key.startswith("on") for key in attributes), name
        for key in ("src", "href"):
            url = attributes.get(key) or ""
            assert not url.startswith(("//", "javascript:")), url
    assert all((script.get("src") or "").startswith("/static/") for script in found.all("script"))
    for label in ("aria-labelledby", "aria-describedby", "for"):
        for _, attributes in found.tags:
            if attributes.get(label):
                assert attributes[label] in ids
    assert all(header.get("scope") for header in found.all("th"))


def test_what_runs_and_where_the_time_went(started: FakeSource) -> None:
    found = look(started)
    for text in ("postgres", "worker-2", "Ray and applications", "Databases", "first response 4.40 s", "startup"):
        assert text in found.text, text
    # worker-2 was last, and had waited for serve, which takes from its own start at 1.9 s of 7 s to 4.4 s.
    marks = [rect for rect in found.all("rect") if rect.get("class") == "chain" and "%" in (rect.get("x") or "")]
    assert len(marks) >= 2
    assert "Critical chain" in found.text


def test_where_the_cluster_answers(started: FakeSource) -> None:
    found = look(started)
    urls = [link.get("href") for link in found.all("a")]
    assert {"http://127.0.0.1:8000/", "http://127.0.0.1:8000/admin"} <= set(urls)
    started.tell(Kind.STOPPING, "serve", why="restart")
    away = look(started)
    assert "http://127.0.0.1:8000/" not in [link.get("href") for link in away.all("a")]
    assert "Application /admin" in away.text


def test_which_version_serves_is_in_every_pages_head(started: FakeSource) -> None:
    assert "version" not in look(started).text
    started.version = VersionStatus(3, rolled_back=True)
    assert "version 3, rolled back" in look(started).text
    started.kept = KeptStatus(4, time.time(), 612 * 2**20)
    assert "version 4 is kept until " in look(started).text
    assert "version 3, rolled back" in look(started, "/runs/1").text


def test_a_service_that_runs_again_tells_of_its_last_crash(started: FakeSource) -> None:
    started.tell(Kind.EXITED, "worker-2", exit_code=-9, reason="killed by SIGKILL")
    started.begin(RunKind.RECOVERY)
    started.start("worker-2", 1.0)
    started.end()
    assert "killed by SIGKILL" in told(started)["worker-2"]
    assert "crashed" not in told(started)["head"]
    started.begin(RunKind.RESTART)
    started.start("worker-2", 1.0)
    started.end()
    assert "crashed" not in told(started)["worker-2"]


def told(source: FakeSource) -> dict[str, str]:
    """What stands beside each service's state."""
    lines = source.store.recent(100, (Kind.EXITED,))
    crashes = cluster_view.crashes(lines, source.store.runs(), source.wall)
    found = cluster_view.groups(source.snapshot(), [], source.wall, crashes)
    return {row.name: row.reason for group in found for row in group.rows}


def test_events_in_passing_are_on_the_page_of_their_run_alone(started: FakeSource) -> None:
    started.begin(RunKind.RESTART)
    started.tell(Kind.NOT_YET, "head", 0.1, gate="gcs", reason="nothing listens yet")
    started.tell(Kind.READY, "head", 0.1, after_s=0.2)
    started.end()
    assert "waiting for gcs: nothing listens yet" in look(started, f"/runs/{started.store.runs()[0].id}").text
    overview = look(started).text
    assert "nothing listens yet" not in overview
    assert "ready after 200 ms" in overview


def test_up_counts_from_the_last_start(started: FakeSource) -> None:
    started.know("head", started=started.wall - 3600)  # the process before
    started.start("head", 1.0)
    begun = cluster_view.groups(started.snapshot(), [], started.wall + 30)
    heads = [found for group in begun for found in group.rows if found.name == "head"]
    assert [found.up for found in heads] == ["31 s"]
    started.know("head", ready_after_s=None, started=started.wall - 7200)  # taken over by a new keeper
    again = cluster_view.groups(started.snapshot(), [], started.wall)
    assert [found.up for group in again for found in group.rows if found.name == "head"] == ["2 h"]


def test_a_run_under_way_has_no_critical_chain_yet(started: FakeSource) -> None:
    started.begin(RunKind.RESTART)
    started.start("head", 1.0)
    found = look(started)
    assert "Under way: restart" in found.text
    assert "Critical chain" not in found.text
    started.end()
    assert "Critical chain" in look(started).text


def test_an_empty_history(source: FakeSource) -> None:
    found = look(source)
    for text in ("No start was recorded yet", "No runs were recorded yet", "Nothing has happened yet"):
        assert text in found.text, text


def test_hostile_text_stays_text(started: FakeSource) -> None:
    started.write_log("head", f"{HOSTILE}\n")
    started.begin(RunKind.RECOVERY)
    started.tell(Kind.FAILED, "head", reason=HOSTILE, exit_code=1, log="", tail=[])
    started.tell(Kind.NOTE, text=HOSTILE, level="error")
    started.end(Outcome.FAILED, HOSTILE)
    for path in ("/", "/runs/2", "/logs/head"):
        found = look(started, path)
        assert HOSTILE in found.text, path
        assert not found.all("img"), path
        assert all("src" in script for script in found.all("script")), path


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil.example\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\text", "text"),
        ("10%\r50%\r100%", "100%"),
        ("line\r", "line"),
        ("a\x00b\x08c", "a\ufffdb\ufffdc"),
        ("abc\u202egnp.exe", "abc\ufffdgnp.exe"),
        ("tab\tstays", "tab\tstays"),
        ("unfinished \x1b", "unfinished \ufffd"),
    ],
)
def test_what_a_terminal_would_act_on_is_taken_out(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_a_very_long_line_is_cut(started: FakeSource) -> None:
    started.write_log("head", "x" * 1_000_000 + "\nlast\n")
    answer = client_of(started)[0].get("/api/logs/head").json()["lines"]
    assert answer[-1] == {"label": "", "text": "last"}
    assert all(len(line["text"]) < LONGEST_BYTES + 100 for line in answer)


def test_logs_of_unknown_services_are_not_found(started: FakeSource) -> None:
    client, _ = client_of(started)
    (started.paths.root / "other.log").write_text("secret\n")
    for name in ("nothing", "..%2fother", "%2e%2e%2fother"):
        for base in ("/logs", "/api/logs"):
            assert client.get(f"{base}/{name}").status_code == 404, name
    for path in ("/runs/99", f"/runs/{10**30}", "/api/runs/99", "/static/app.py", "/static/..%2fapp.py"):
        assert client.get(path).status_code == 404, path


def test_many_workers_stand_in_one_line_while_all_is_well(tmp_path: Any) -> None:
    names = [f"worker-{number}" for number in range(1, 33)]
    source = FakeSource(tmp_path, "head", *names)
    source.begin(RunKind.STARTUP)
    for name in ("head", *names):
        source.start(name, 0.5)
    source.end()
    assert "32 workers ready" in look(source).text
    source.tell(Kind.EXITED, "worker-7", exit_code=1, reason="exit code 1")
    found = look(source)
    assert "32 workers ready" not in found.text
    assert "degraded: worker-7" in found.text
    source.close()


def test_the_status_and_the_runs_for_programs(started: FakeSource) -> None:
    client, _ = client_of(started)
    assert client.get("/api/status").json() == json.loads(json.dumps(started.snapshot().to_json()))
    runs = client.get("/api/runs?limit=1").json()["runs"]
    assert [run["id"] for run in runs] == [1]
    assert client.get("/api/runs?limit=x").status_code == 200
    run = client.get("/api/runs/1").json()
    assert set(run) == {"run", "chain", "phases", "events"}
    assert run["events"][0]["kind"] == "run_began"


def test_a_restart_needs_the_token_or_its_form(started: FakeSource) -> None:
    client, access = client_of(started)
    session = access.session()
    cookie = {"Cookie": f"{access.cookie}={session}"}
    page_text = client.get("/", headers=cookie).text
    assert access.form_key(session) in page_text
    assert access.form_key(session) not in client.get("/").text
    assert client.post("/actions/restart", headers=cookie).status_code == 403
    wrong = {"key": access.form_key(access.session())}
    assert client.post("/actions/restart", headers=cookie, data=wrong).status_code == 403
    assert started.restarts == 0
    html = {**cookie, "Accept": "text/html", "Origin": BASE, "Sec-Fetch-Site": "same-origin"}
    done = client.post("/actions/restart", headers=html, data={"key": access.form_key(session)})
    assert (done.status_code, done.headers["location"], started.restarts) == (303, "/", 1)
    answer = client.post("/actions/restart", headers=BEARER)
    assert (answer.status_code, answer.json(), started.restarts) == (202, {"begun": True}, 2)
    started.begin(RunKind.RESTART)
    assert client.post("/actions/restart", headers=BEARER).status_code == 409


def test_logging_in(started: FakeSource) -> None:
    client, access = client_of(started)
    assert client.post("/login", data={"token": "wrong"}).status_code == 401
    assert client.post("/login", data={"token": "x" * 10_000}).status_code == 401
    assert client.post("/login", content=b"\xff\xfe=%%%").status_code == 401
    done = client.post("/login", data={"token": f" {TOKEN}\n"})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    value = done.headers["set-cookie"].partition(";")[0].partition("=")[2]
    assert access.is_session(value)
    assert TOKEN not in done.headers["set-cookie"]


def test_static_files_are_cached_until_they_change(started: FakeSource) -> None:
    client, _ = client_of(started)
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        first = client.get(f"/static/{name}")
        assert first.headers["content-type"].startswith(kind)
        again = client.get(f"/static/{name}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_words_for_every_kind_of_event() -> None:
    for kind in Kind:
        assert sentence(Event(kind, 0.0, 0.0, "head", 1, {"text": "a note"}))


def test_deployments_stand_below_the_services_and_their_messages_are_harmless(started: FakeSource) -> None:
    sick = {"name": "App", "status": "UNHEALTHY", "wanted": 3, "running": 1, "message": HOSTILE, "lines": []}
    app = {"name": "shop", "route": "/", "status": "UNHEALTHY", "message": "", "deployments": [sick]}
    started.serving = {"unknown": "", "applications": [app]}
    found = look(started)
    assert "shop / App" in found.text
    assert "1 of 3" in found.text
    assert HOSTILE in found.text
    assert not [tag for tag in found.all("img") if tag.get("src") == "x"]
    started.serving = {"unknown": "the dashboard is off", "applications": []}
    assert "is not known: the dashboard is off" in look(started).text


def test_other_machines_stand_below_them(started: FakeSource) -> None:
    assert not [one for one in look(started).all("table") if one.get("class") == "hosts"]
    far = {"name": "far", "address": "10.0.0.7", "state": "lost", "reason": f"not heard of: {HOSTILE}"}
    nodes = [{"name": "worker-1", "state": "ready"}, {"name": "worker-2", "state": "failed"}]
    started.hosts = [{**far, "nodes": nodes, "latency_s": 0.0021, "clock_ahead_s": 1.5}]
    found = look(started)
    for words in ("far", "lost", "1 of 2", "2.1 ms", "+1.50 s", HOSTILE):
        assert words in found.text
    assert not [tag for tag in found.all("img") if tag.get("src") == "x"]


def test_what_fires_is_shown_and_what_reaches_nobody(started: FakeSource) -> None:
    shown = look(started)
    assert next(one for one in shown.all("section") if one["id"] == "alerts").get("hidden", "shown") is None
    alert = {"id": "1", "what": "head-down", "service": "head", "folder": None, "title": "Ray's head is down"}
    away = {"to": "the webhook at hooks", "trouble": "alerts do not reach the webhook at hooks: HTTP 500", "waiting": 2}
    started.alerts = {
        "firing": [{**alert, "reason": f"crashed: {HOSTILE}", "since": started.wall}],
        "destinations": [away],
    }
    shown = look(started)
    assert "hidden" not in next(one for one in shown.all("section") if one["id"] == "alerts")
    assert f"Ray's head is down: crashed: {clean(HOSTILE)}" in " ".join(shown.text.split())
    assert "alerts do not reach the webhook at hooks: HTTP 500; 2 messages waiting" in shown.text
    assert not [one for one in shown.all("img") if one.get("src") == "x"]
