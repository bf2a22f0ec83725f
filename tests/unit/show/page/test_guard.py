"""Who gets in: known hosts, no other sites, the token where it is needed; and what every answer says to a browser."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from daybreak.hosts import host_name, is_loopback
from daybreak.show.page.access import SESSION_S, TICKET_S, Access
from daybreak.show.page.guard import HEADERS
from tests.unit.show.page.fake import PORT, SCRAPE_TOKEN, TOKEN, FakeSource, page

HOST = f"127.0.0.1:{PORT}"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def client_of(source: FakeSource, listen: str = "127.0.0.1", names: tuple[str, ...] = ()) -> tuple[TestClient, Access]:
    app, access = page(source, listen=listen, names=names)
    return TestClient(app, base_url=f"http://{HOST}", follow_redirects=False), access


@pytest.fixture
def local(started: FakeSource) -> TestClient:
    """A page on the loopback address."""
    return client_of(started)[0]


@pytest.fixture
def public(started: FakeSource) -> tuple[TestClient, Access]:
    """A page that other machines reach."""
    return client_of(started, "0.0.0.0", ("ray.example.com",))


@pytest.mark.parametrize(
    "host", [HOST, "localhost:8080", "LOCALHOST", "[::1]:8080", "127.0.0.1", "localhost:9999", "ray.example.com:80"]
)
def test_known_hosts(started: FakeSource, host: str) -> None:
    client, _ = client_of(started, names=("Ray.Example.com",))
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8080",
        "evil.example@127.0.0.1",
        "10.0.0.1",
        "[::2]",
        "localhost:x",
        "",
        "/",
    ],
)
@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/sd/ray"])
def test_foreign_hosts_are_refused(local: TestClient, host: str, path: str) -> None:
    assert local.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_requests_of_other_sites_are_refused(local: TestClient, site: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert local.get("/metrics", headers=headers).status_code == 403
    assert local.get("/healthz", headers={"Sec-Fetch-Site": site, **NAVIGATION}).status_code == 200
    framed = {**NAVIGATION, "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": site}
    assert local.get("/healthz", headers=framed).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:3000", "null"])
def test_other_origins_are_refused_even_with_the_token(local: TestClient, origin: str) -> None:
    assert local.get("/metrics", headers={"Origin": origin}).status_code == 403
    assert local.post("/actions/restart", headers={"Origin": origin, **BEARER}).status_code == 403


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/nothing", "/healthz?token=wrong"])
def test_every_answer_is_safe_in_a_browser(local: TestClient, path: str) -> None:
    headers = local.get(path).headers
    assert {key: headers[key] for key in HEADERS} == HEADERS
    assert headers["cache-control"] == "no-store"
    assert "unsafe-inline" not in headers["content-security-policy"]


def test_only_metrics_and_health_are_open_where_others_reach_it(public: tuple[TestClient, Access]) -> None:
    client, access = public
    assert client.get("/healthz").status_code == 200
    assert client.get("/metrics").status_code == 200
    for path in ("/", "/sd/ray", "/api/status", "/api/logs/head", "/logs/head", "/api/events", "/nothing"):
        assert client.get(path).status_code == 401, path
        assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401, path
        asked = client.get(path, headers={"Accept": "text/html"})
        assert (asked.status_code, asked.headers["location"]) == (303, "/login")
    assert client.get("/sd/ray", headers=BEARER).status_code == 200
    cookie = {"Cookie": f"{access.cookie}={access.session()}"}
    assert client.get("/sd/ray", headers=cookie).status_code == 200


def test_the_scrape_token_opens_nothing_but_the_list_of_endpoints(
    public: tuple[TestClient, Access], started: FakeSource
) -> None:
    client, _ = public
    headers = {"Authorization": f"Bearer {SCRAPE_TOKEN}"}
    assert client.get("/sd/ray", headers=headers).status_code == 200
    for path in ("/", "/api/status", "/api/logs/head", "/logs/head", "/api/events", "/sd/ray/", "/nothing"):
        assert client.get(path, headers=headers).status_code == 401, path
    assert client.post("/actions/restart", headers=headers).status_code == 401
    assert client.post("/sd/ray", headers=headers).status_code == 405
    assert not Access(TOKEN, PORT).may_scrape({"authorization": "Bearer "})
    assert started.restarts == 0


def test_a_word_in_the_address_opens_nothing_but_a_session(public: tuple[TestClient, Access]) -> None:
    client, access = public
    for path in ("/sd/ray", "/api/status", "/login", "/static/page.css", "/metrics"):
        assert client.get(f"{path}?token=wrong").status_code == 401, path
        assert client.get(f"{path}?token={TOKEN}").status_code == 401, path
    ticket = access.ticket()
    answer = client.get(f"//evil.example/?token={ticket}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"daybreak-{PORT}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert client.get("/sd/ray", headers={"Cookie": cookie.partition(";")[0]}).status_code == 200
    assert client.get(f"/?token={ticket}").status_code == 401


def test_nothing_changes_without_the_token(local: TestClient, started: FakeSource) -> None:
    for method in ("post", "put", "delete", "patch"):
        assert getattr(local, method)("/actions/restart").status_code == 401
    assert started.restarts == 0


def test_tickets_and_sessions_end() -> None:
    now = [1000.0]
    access = Access(TOKEN, PORT, clock=lambda: now[0])
    used, unused, session = access.ticket(), access.ticket(), access.session()
    assert access.redeem(used)
    assert not access.redeem(used)
    assert access.is_session(session)
    assert Access(TOKEN, PORT, clock=lambda: now[0]).is_session(session)
    assert not Access("another", PORT, clock=lambda: now[0]).is_session(session)
    now[0] += TICKET_S
    assert not access.redeem(unused)
    now[0] += SESSION_S
    assert not access.is_session(session)


@pytest.mark.parametrize("value", ["", ".", "..", "99999999999.aa.bb", "٩٩٩٩.aa.bb", "x" * 5000, "é.ü.ö", "\ud800"])
def test_made_up_sessions(value: str) -> None:
    access = Access(TOKEN, PORT)
    assert not access.is_session(value)
    assert not access.is_token(value)
    assert not access.is_form_key(access.session(), value)


def test_hosts_and_addresses() -> None:
    assert host_name("LocalHost.:80") == "localhost"
    assert host_name("[::1]:80") == "::1"
    assert host_name("a:b") is None
    assert host_name("a/b") is None
    assert is_loopback("127.0.0.2")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("example.com")


def test_other_accounts_of_this_machine_need_the_token(started: FakeSource) -> None:
    app, access = page(started, ours=False)
    other = TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)
    for path in ("/", "/api/status", "/api/runs"):
        assert other.get(path).status_code == 401, path
        assert other.get(path, headers={"Accept": "text/html"}).headers["location"] == "/login"
        assert other.get(path, headers=BEARER).status_code == 200, path
    for path in ("/metrics", "/healthz", "/sd/ray", "/login"):
        assert other.get(path).status_code == 200, path
    other.cookies.set(access.cookie, access.session())
    assert other.get("/").status_code == 200


def test_whoever_asks_over_a_public_address_needs_the_token(public: tuple[TestClient, Access]) -> None:
    assert public[0].get("/api/status").status_code == 401, "also this account: whoever forwards it is one, too"
