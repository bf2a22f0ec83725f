"""The gateway in front of containers that see the spec's folder: a pause, new code, workers that go, a second app
tier, HTTPS. One cluster, tests in order."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from daybreak.docker.docker_cli import Client
from tests.docker.clusters import Docked, docked
from tests.docker.helpers import Project
from tests.helpers import until
from tests.integration.conftest import GATEWAY
from tests.load import LONG, SHORT, STREAM, OpenLoop, app, steady_load
from tests.tls import certificate_in

pytestmark = pytest.mark.skipif(not GATEWAY, reason="this machine has no HAProxy")

# Only workers have slots, and one worker has room for what the other one leaves.
SPEC = """
backend: docker
docker: {{image: "{image}", mount_code: true}}
workers: {{count: 2, cpus: 2, resources: {{slot: 4}}}}
page: false
gateway: {{hold: 180s, drain: 120s}}
serve: {{applications: [{{import: app:main}}]}}
"""
LASTS_S = 200.0
MOUNTED = 0o755


def code(version: str) -> str:
    """The application of the load, on workers."""
    text, cpus = app(version), '{"num_cpus": 0.1}'
    assert cpus in text
    return text.replace(cpus, '{"num_cpus": 0.1, "resources": {"slot": 1}}')


@pytest.fixture(scope="module")
def made(bare: Project, engine: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docked]:
    folder = tmp_path_factory.mktemp("gateway")
    folder.chmod(MOUNTED)  # the image's own account reads it
    with docked(folder, engine) as found:
        found.sandbox.write(SPEC.format(image=bare.tag), app_py=code("1"))
        found.sandbox.run("up")
        yield found


def test_requests_wait_while_it_is_paused_or_get_the_page(made: Docked) -> None:
    (made.sandbox.folder / "sorry.txt").write_text("back at noon\n")
    made.sandbox.run("pause", "--page", "sorry.txt")
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        made.sandbox.get("/short")
    caught.value.close()
    made.sandbox.run("pause")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(urllib.request.urlopen, made.sandbox.url + "/short", timeout=LASTS_S)
        made.sandbox.run("resume")
        with waiting.result() as answer:
            assert answer.headers["x-version"] == "1"


def test_new_code_in_the_folder_is_redeployed_without_losing_a_request(made: Docked) -> None:
    before = made.containers()
    made.sandbox.write(SPEC.format(image=made.inspect("head")["Config"]["Image"]), app_py=code("2"))
    with steady_load(made.sandbox.url, rate=40, kinds=(SHORT, LONG, STREAM), timeout_s=LASTS_S) as load:
        until(lambda: load.report().versions, what="the first answers")
        assert "restart (redeploy)" in made.sandbox.run("restart", "--require-lossless").stderr
        until(lambda: "2" in load.report().versions, what="the new code answers")
    assert load.report().failed == 0, str(load.report())
    assert made.containers() == before


def test_workers_that_go_are_drained(made: Docked) -> None:
    """Of two workers both have replicas, or the one that goes has none: then the other one is replaced as well."""
    with steady_load(made.sandbox.url, rate=40, kinds=(SHORT, LONG), timeout_s=LASTS_S) as load:
        until(lambda: load.report().versions, what="the first answers")
        told = made.sandbox.run("restart", "worker-1").stderr
        told += made.sandbox.run("scale", "1").stderr
    assert "is drained" in told
    assert "cut off" not in told
    assert load.report().failed == 0, str(load.report())
    assert set(made.containers()) == {"head", "worker-1"}


def test_a_whole_app_tier_replaces_another_one_which_is_kept_and_serves_again(made: Docked) -> None:
    image, gateway = made.inspect("head")["Config"]["Image"], made.sandbox.column("pid")["gateway"]
    before, place = made.containers(), address_of_head(made)
    made.sandbox.write(SPEC.format(image=image), app_py=code("3"))
    with steady_load(made.sandbox.url, rate=30, kinds=(SHORT, LONG, STREAM), timeout_s=LASTS_S) as load:
        until(partial(answered, load, "2"), what="the first answers")
        assert "restart (replace)" in made.sandbox.run("restart", "--keep-old", "30m", "--require-lossless").stderr
        until(partial(answered, load, "3"), what="the new code answers")
        kept = json.loads(made.engine.ask("inspect", *before.values()))
        assert [one["State"]["Status"] for one in kept] == ["paused"] * len(before)
        assert "was kept, and answers after" in made.sandbox.run("rollback").stderr
    assert load.report().failed == 0, str(load.report())
    assert made.containers() == before
    # And without a way back: nothing is left of the old one.
    made.sandbox.write(SPEC.format(image=image), app_py=code("2"))
    with steady_load(made.sandbox.url, rate=30, kinds=(SHORT, LONG, STREAM), timeout_s=LASTS_S) as load:
        until(partial(answered, load), what="the first answers")
        made.sandbox.run("restart", "--replace", "--require-lossless")
    assert load.report().failed == 0, str(load.report())
    after = made.containers()
    assert set(after) == {"head", "worker-1"}
    assert not set(after.values()) & set(before.values())
    assert address_of_head(made) != place
    assert made.sandbox.column("pid")["gateway"] == gateway


def answered(load: OpenLoop, version: str = "") -> bool:
    found = load.report().versions
    return version in found if version else bool(found)


def address_of_head(made: Docked) -> str:
    (found,) = made.inspect("head")["NetworkSettings"]["Networks"].values()
    return str(found["IPAddress"])


def test_https_replaces_the_gateway_alone(made: Docked) -> None:
    before = made.containers()
    certificate, key = certificate_in(made.sandbox.folder)
    spec = SPEC.format(image=made.inspect("head")["Config"]["Image"]).replace("count: 2", "count: 1")
    made.sandbox.write(spec + f"tls: {{certificate: {certificate.name}, key: {key.name}}}\n")
    made.sandbox.run("up")
    trusting = ssl.create_default_context(cafile=str(certificate))
    trusting.check_hostname = False
    url = made.sandbox.url.replace("http:", "https:") + "/short"
    with urllib.request.urlopen(url, timeout=LASTS_S, context=trusting) as answer:
        assert answer.headers["x-version"] == "2"
    assert made.containers() == before
