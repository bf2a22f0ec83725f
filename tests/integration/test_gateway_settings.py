"""What people ask of the gateway of a real cluster: a pause, HTTPS, an access log. Tests in order."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.helpers import until
from tests.integration.conftest import APP, GATEWAY, Sandbox
from tests.integration.test_crashes import kill, kill_keeper, until_back
from tests.tls import certificate_in

pytestmark = [pytest.mark.ray, pytest.mark.skipif(not GATEWAY, reason="this machine has no HAProxy")]

SPEC = """
workers: {count: 0}
page: false
gateway: {hold: 180s, access_log: true}
serve: {applications: [{import: app:main}]}
"""
LASTS_S = 200.0


def page_of(cluster: Sandbox) -> str:
    """What clients get instead of the application."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        cluster.get("/health")
    assert caught.value.code == 503
    return f"{caught.value.headers['content-type']} {caught.value.headers['retry-after']}"


def test_a_page_is_answered_through_a_restart_a_crash_of_the_gateway_and_the_keepers_end(shared: Sandbox) -> None:
    shared.run("pause", code=1)
    shared.write(SPEC, app_py=APP)
    shared.run("up")
    (shared.folder / "sorry.txt").write_text("back at noon\n")
    assert "no regular file" in shared.run("pause", "--page", ".", code=2).stderr
    assert "until `daybreak resume`" in shared.run("pause", "--page", "sorry.txt").stderr
    assert page_of(shared) == "text/plain; charset=utf-8 30"
    assert "note: still paused" in shared.run("restart", "--in-place").stderr
    assert page_of(shared).startswith("text/plain")
    before = shared.column("instance")
    kill_keeper(shared)
    assert page_of(shared).startswith("text/plain")
    assert shared.status()["pause"]["page"] is True
    kill(shared.pid_of("gateway", "haproxy"))
    until_back(shared, before, "gateway")
    until(lambda: "text/plain" in page_of(shared), what="the gateway answers the page again")


def test_requests_wait_until_resume(shared: Sandbox) -> None:
    shared.run("pause")
    assert "requests wait until `daybreak resume`" in shared.run("status").stdout
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(urllib.request.urlopen, shared.url + "/health", timeout=LASTS_S)
        assert "note: still paused" in shared.run("up").stderr
        assert not waiting.done()
        assert json.loads(shared.run("resume", "--json").stdout)["pause"] is None
        with waiting.result() as answer:
            assert json.load(answer) == {"ok": True}
    shared.run("resume")


def test_down_ends_it(shared: Sandbox) -> None:
    shared.run("pause")
    shared.run("down")
    assert "paused" not in shared.run("up").stderr
    assert shared.get("/health") == {"ok": True}
    until(lambda: '"path": "/health"' in shared.run("logs", "gateway").stdout, what="the request in the access log")


def test_https_and_another_certificate(shared: Sandbox) -> None:
    shared.write(SPEC + "tls: {certificate: cert.pem, key: absent.pem}\n", app_py=APP)
    certificate, key = certificate_in(shared.folder)
    assert "absent.pem cannot be read" in shared.run("up", code=2).stderr
    shared.write(SPEC + f"tls: {{certificate: {certificate.name}, key: {key.name}}}\n")
    url = shared.url.replace("http:", "https:")
    assert url in shared.run("up").stdout
    assert well_known(shared, certificate.read_text())
    before = shared.column("instance")
    first = certificate.read_text()
    certificate_in(shared.folder)
    shared.run("up")
    until(lambda: well_known(shared, certificate.read_text()), what="the new certificate")
    assert not well_known(shared, first)
    assert shared.column("instance") == before
    assert "PRIVATE KEY" not in (shared.root / "wanted.json").read_text()


def well_known(cluster: Sandbox, certificate: str) -> bool:
    """Does the application answer clients that trust this certificate alone?"""
    context = ssl.create_default_context(cadata=certificate)
    context.check_hostname = False
    url = f"https://127.0.0.1:{8000 + cluster.offset}/health"
    try:
        with urllib.request.urlopen(url, timeout=LASTS_S, context=context) as answer:
            return bool(json.load(answer) == {"ok": True})
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            return False
        raise
