"""The main story with a real engine: up, requests, restart under load, scale, crashes, down. One cluster, in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import redis as redis_client

from daybreak.docker.docker_cli import Client
from daybreak.machine.engine import prefix_of
from daybreak.paths import ClusterPaths
from daybreak.timeline.event import Kind
from daybreak.timeline.reader import Reader
from tests.docker.clusters import STARTER, Docked, docked
from tests.docker.conftest import ROOT
from tests.docker.helpers import Project, require_engine, tag
from tests.helpers import until
from tests.integration.conftest import GATEWAY
from tests.integration.starter import visit, visits

IMAGE = tag("cluster")
REQUIREMENTS = "psycopg[binary]\n"
KEY = "swordfish of the file"
NODES = ("head", "worker-1", "worker-2")
PROMETHEUS = "prom/prometheus:v3.5.0"
# A worker's own need is added to what it offers; see services/ray/containers.py.
LIMIT_MIB = 100 + 80 + 768
# The raylet becomes what the kernel kills first; then memory is used up.
HOG = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    if open(f"/proc/{pid}/comm").read() == "raylet\\n":
        open(f"/proc/{pid}/oom_score_adj", "w").write("1000")
hog = []
while True:
    hog.append(b"x" * 2**24)
"""
KILL_RAYLET = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    if open(f"/proc/{pid}/comm").read() == "raylet\\n":
        os.kill(int(pid), 9)
"""


def spec(made: Docked, *, workers: str = "{count: 2}", image: str = IMAGE) -> str:
    web, cache = 9100 + made.sandbox.offset, 9101 + made.sandbox.offset
    return f"""
backend: docker
docker: {{image: "{image}"}}
workers: {workers}
serve: {{applications: [{{import: "app:main"}}], health: /health}}
databases: {{postgres: {{databases: [orders]}}, redis: }}
secrets: {{key: {{file: key.txt}}, note: {{file: note.txt}}}}
head: {{secrets: [{{name: key, env: HEAD_KEY}}]}}
services:
  web:
    command: [python, -m, http.server, "{web}", --bind, 0.0.0.0]
    secrets: [key, note, {{name: key, env: WEB_KEY}}]
    ports: [{web}]
    check: {{tcp: {web}}}
  cache:
    image: redis:7
    command: [sh, -c, 'echo "a key of $${{#CACHE_KEY}}"; exec redis-server --port {cache}']
    volumes: ["cache:/data"]
    secrets: [key, {{name: key, env: CACHE_KEY}}]
    memory: 256MiB
    ports: [{cache}]
    check: {{tcp: {cache}}}
"""


@pytest.fixture(scope="module")
def made(engine: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docked]:
    """A cluster and its image; the engine needs PostgreSQL and Redis, too."""
    require_engine("postgres:15", "redis:7")
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "app.py").write_text(STARTER.read_text())
    (folder / "requirements.txt").write_text(REQUIREMENTS)
    (folder / "key.txt").write_text(KEY)
    (folder / "note.txt").write_text("first")
    project = Project(folder, engine, IMAGE, ROOT / "constraints")
    project.build("--ray-version", "2.60.0")
    try:
        with docked(folder, engine) as found:
            yield found
    finally:
        project.remove()


def test_up_brings_everything_up(made: Docked) -> None:
    made.sandbox.write(spec(made))
    done = made.sandbox.run("up")
    assert f"serve        {made.sandbox.url}" in done.stdout
    status = made.sandbox.status()
    assert (status["state"], status["backend"]) == ("ready", "docker")
    assert list(made.sandbox.services()) == ["postgres", "redis", *GATEWAY, *NODES, "serve", "web", "cache"]
    assert set(made.containers()) == {"postgres", "redis", *NODES, "cache"}
    assert made.sandbox.get("/health")
    assert visit(made.sandbox) == 1
    for port in (9100, 9101):
        assert made.engine.ask("ps", "--quiet", "--filter", f"publish={port + made.sandbox.offset}")
    assert made.sandbox.get("/", base=f"http://127.0.0.1:{9100 + made.sandbox.offset}"), "the user's own service"


def test_nothing_is_reachable_from_elsewhere(made: Docked) -> None:
    for service in made.containers():
        for ports in made.inspect(service)["NetworkSettings"]["Ports"].values():
            assert {port["HostIp"] for port in ports or ()} <= {"127.0.0.1"}


def test_the_users_secrets_are_handed_to_who_lists_them(made: Docked) -> None:
    cache = made.containers()["cache"]
    log = made.sandbox.root / "logs" / "cache.log"
    until(lambda: f"a key of {len(KEY)}\n" in log.read_text(), what="the variable in cache.log")
    assert made.engine.ask("exec", cache, "cat", "/run/secrets/key") == KEY
    code = "import os, sys; print(os.environ['HEAD_KEY'], open('/run/secrets/key').read(), sep='|')"
    head = made.sandbox.run("run", "--", "python", "-c", code).stdout
    assert head.strip() == f"{KEY}|{KEY}"
    worker = made.engine.ask("exec", made.containers()["worker-1"], "sh", "-c", "ls /run/secrets || true")
    assert "key" not in worker.split()
    for service in made.containers():
        assert KEY not in json.dumps(made.inspect(service))


def test_secrets_are_in_no_listing(made: Docked) -> None:
    for name in ("postgres", "ray-token"):
        secret = (made.sandbox.root / "secrets" / name).read_text().strip()
        for service in made.containers():
            assert secret not in json.dumps(made.inspect(service))


def test_the_engine_sees_them_healthy(made: Docked) -> None:
    for service in ("postgres", *NODES):
        until(lambda s=service: made.inspect(s)["State"]["Health"]["Status"] == "healthy", what=f"{service} is healthy")  # type: ignore[misc]


def test_the_doctor_finds_nothing_wrong_with_it(made: Docked) -> None:
    with made.sandbox.popen("doctor", "--json") as process:
        said, _ = process.communicate(timeout=120)
    found = json.loads(said)
    assert found["running"]
    wrong = {one["name"]: one["findings"] for one in found["diagnoses"] if one["severity"] in ("error", "warning")}
    machine = {"memory", "cgroup", "limits", "disk", "slow-disk", "hostname", "ipv6", "proxies", "clock", "orphans"}
    assert set(wrong) <= machine, wrong


def test_a_second_up_touches_nothing(made: Docked) -> None:
    before = made.containers()
    made.sandbox.run("up")
    assert made.containers() == before
    plan = json.loads(made.sandbox.run("plan", "--json").stdout)
    assert (plan["stop"], plan["start"]) == ([], [])


def test_a_changed_secret_replaces_who_reads_it_and_not_the_head_beside_it(made: Docked) -> None:
    before, web = made.containers(), made.sandbox.services()["web"]["instance"]
    (made.sandbox.folder / "note.txt").write_text("second")
    made.sandbox.run("up")
    assert made.containers() == before
    assert made.sandbox.services()["web"]["instance"] != web
    assert made.sandbox.run("run", "--", "cat", "/run/secrets/note").stdout == "second"


def test_a_restart_under_load_keeps_the_database_and_its_rows(made: Docked) -> None:
    before, rows = made.containers(), visits(made.sandbox)
    ended, written = threading.Event(), [0]

    def load() -> None:
        while not ended.is_set():
            try:
                visit(made.sandbox)
                written[0] += 1
            except (OSError, urllib.error.URLError):
                ended.wait(0.02)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        made.sandbox.run("restart", "--in-place")
        until(lambda: written[0] > 5, what="requests are answered again")
    finally:
        ended.set()
        thread.join()
    after = made.containers()
    assert after["postgres"] == before["postgres"]
    assert not {after[name] for name in NODES} & {before[name] for name in NODES}
    # A request that was cut off may have been carried out.
    assert visits(made.sandbox) >= rows + written[0]


def test_a_backup_brings_rows_and_keys_back(made: Docked) -> None:
    rows = visits(made.sandbox)
    address = (made.sandbox.root / "secrets/redis-url").read_text().strip()
    with closing(redis_client.Redis.from_url(address)) as client:
        client.set("kept", "yes")
    made.sandbox.run("backup", "kept.zip")
    visit(made.sandbox)
    with closing(redis_client.Redis.from_url(address)) as client:
        client.flushall()
    made.sandbox.run("restore", "kept.zip", "--yes")
    assert visits(made.sandbox) == rows
    with closing(redis_client.Redis.from_url(address)) as client:
        assert client.get("kept") == b"yes"
    assert made.sandbox.status()["state"] == "ready"
    (made.sandbox.folder / "kept.zip").unlink()


def test_a_further_database_is_reached_from_inside_and_outside(made: Docked) -> None:
    code = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL_ORDERS']).info.user)"
    assert made.sandbox.run("run", "--", "python", "-c", code).stdout.strip() == "orders"
    with closing(psycopg.connect((made.sandbox.root / "secrets/database-url.orders").read_text().strip())) as found:
        assert found.info.dbname == "orders"


def test_scale_changes_only_the_workers(made: Docked) -> None:
    before = made.containers()
    made.sandbox.run("scale", "3")
    after = made.containers()
    assert {**before, "worker-3": after["worker-3"]} == after
    made.sandbox.run("scale", "2")
    assert made.containers() == before
    assert made.sandbox.status()["state"] == "ready"


def test_run_is_in_the_head_and_has_everything(made: Docked) -> None:
    code = "import os, ray; ray.init(log_to_driver=False); print(os.getcwd(), ray.get(ray.remote(lambda: 42).remote()))"
    assert "/app 42" in made.sandbox.run("run", "--", "python", "-c", code).stdout
    query = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute('select 7').fetchone())"
    assert "(7,)" in made.sandbox.run("run", "--", "python", "-c", query).stdout
    made.sandbox.run("run", "--", "python", "-c", "raise SystemExit(7)", code=7)


def test_the_environment_is_for_programs_of_this_machine(made: Docked) -> None:
    printed = made.sandbox.run("env").stdout
    query = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute('select 7').fetchone())"
    shell = f'{printed}\n"$0" -c "{query}"'
    found = subprocess.run(["bash", "-c", shell, sys.executable], capture_output=True, text=True, check=True)
    assert "(7,)" in found.stdout


def test_logs_show_containers_and_rays_own_files(made: Docked) -> None:
    everything = made.sandbox.run("logs", "--all").stdout
    for label in ("postgres", "cache", "web", "serve/", "head/raylet.out", "worker-1/raylet.out"):
        assert f"\n{label}" in everything, label


def test_another_backend_is_refused_while_it_runs(made: Docked) -> None:
    refused = made.sandbox.run("up", "--backend", "process", code=2).stderr
    assert "services.cache.image" in refused
    made.sandbox.write("backend: process\n")
    refused = made.sandbox.run("up", code=1).stderr
    assert "runs in containers" in refused
    assert "daybreak down" in refused
    made.sandbox.write(spec(made))


@pytest.mark.parametrize("service", ["worker-2", "cache", "postgres", "head"])
def test_a_killed_container_comes_back(made: Docked, service: str) -> None:
    before, rows = made.containers(), visits(made.sandbox)
    made.engine.ask("kill", before[service])
    until(lambda: made.containers().get(service) not in (None, before[service]), what=f"a new container of {service}")
    until(lambda: made.sandbox.status()["state"] == "ready", what="everything is ready again")
    after = made.containers()
    changed = {name for name in before if after[name] != before[name]}
    assert changed == ({"head", "worker-1", "worker-2"} if service == "head" else {service})
    assert until(lambda: visits(made.sandbox), what="an answer") >= rows


def test_a_node_that_lost_its_raylet_ends_at_once(made: Docked) -> None:
    before = made.containers()["worker-1"]
    made.spoil("worker-1", KILL_RAYLET)
    until(lambda: made.containers().get("worker-1") not in (None, before), what="a new container", timeout_s=20)
    until(lambda: made.sandbox.status()["state"] == "ready", what="ready again")


def test_a_killed_keeper_finds_its_containers_again(made: Docked) -> None:
    before, keeper = made.containers(), made.sandbox.status()["keeper_pid"]
    os.kill(keeper, signal.SIGKILL)
    until(lambda: made.sandbox.status()["state"] == "ready", what="adopted")
    assert made.sandbox.status()["keeper_pid"] != keeper
    assert made.containers() == before
    assert list(made.sandbox.services()) == ["postgres", "redis", *GATEWAY, *NODES, "serve", "web", "cache"]


def test_a_worker_that_runs_out_of_memory_is_told_so(made: Docked) -> None:
    made.sandbox.write(spec(made, workers="{count: 2, memory: 100MiB, object_store: 80MiB}"))
    made.sandbox.run("up")
    before = made.containers()["worker-1"]
    made.spoil("worker-1", HOG)
    until(lambda: made.containers().get("worker-1") not in (None, before), what="a new container")
    until(lambda: made.sandbox.status()["state"] == "ready", what="ready again")
    with closing(Reader(made.sandbox.root / "timeline.db")) as store:
        reasons = [found.data["reason"] for found in store.recent(50, (Kind.EXITED,)) if found.service == "worker-1"]
    assert f"ran out of memory (limit {LIMIT_MIB} MiB)" in reasons[-1]
    assert "the container's memory was used up" in made.sandbox.run("logs", "worker-1").stdout


def test_down_leaves_nothing_but_the_volumes(made: Docked) -> None:
    rows = visits(made.sandbox)
    made.sandbox.run("down")
    assert made.containers() == {}
    assert len(made.volumes()) == 3
    until(lambda: made.networks() == [], what="the network has gone with the keeper")
    made.sandbox.run("up", "0")
    assert visits(made.sandbox) == rows


def test_down_with_volumes_leaves_nothing(made: Docked) -> None:
    made.sandbox.run("down", "--volumes", "--yes")
    assert (made.containers(), made.volumes()) == ({}, [])
    until(lambda: made.networks() == [], what="the network has gone")


def test_an_image_that_is_not_there(made: Docked) -> None:
    made.sandbox.write(spec(made, image="daybreak/nowhere:latest"))
    said = made.sandbox.run("up", code=1).stderr
    assert "there is no image daybreak/nowhere:latest" in said
    assert "daybreak image build" in said


def test_an_engine_that_is_not_there(made: Docked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made.sandbox.write(spec(made))
    until(made.keeper_left, what="the keeper has left: it has the environment of the command that started it")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert "does not answer" in made.sandbox.run("up", code=1).stderr
    until(made.keeper_left, what="this one has left")


@pytest.fixture(scope="module")
def bounded(made: Docked) -> Iterator[Docked]:
    """The same cluster, without workers and with Prometheus. Its database has a volume of 192 MB, made by the user."""
    require_engine(PROMETHEUS)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.sandbox.environment().items():
            patch.setenv(name, value)
        volume = f"{prefix_of(ClusterPaths.of(made.sandbox.name))}-postgres"
    made.engine.ask("volume", "create", *("--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=size=192m"), volume)
    try:
        made.sandbox.write(spec(made, workers="{count: 0}") + f"prometheus: {{interval: 1s, image: {PROMETHEUS}}}\n")
        made.sandbox.run("up")
        yield made
        made.sandbox.run("down", "--volumes", "--yes")
        assert volume in made.engine.ask("volume", "ls", "--quiet").split(), "what daybreak did not make stays"
    finally:
        made.remove()
        made.engine.ask("volume", "rm", volume)


def test_prometheus_is_a_container_that_a_restart_leaves_alone(bounded: Docked) -> None:
    before = bounded.containers()
    until(lambda: scraped(bounded) == {"daybreak", "ray"}, what="Prometheus has both jobs")
    bounded.sandbox.run("restart", "--in-place")
    after = bounded.containers()
    assert {name for name in before if before[name] != after[name]} == {"head", "cache"}
    until(lambda: scraped(bounded) == {"daybreak", "ray"}, what="Prometheus has the new generation")
    assert bounded.sandbox.services()["prometheus"]["state"] == "ready"


def scraped(made: Docked) -> set[str]:
    """The jobs of which every target answers; none while one does not."""
    base = f"http://127.0.0.1:{9090 + made.sandbox.offset}"
    found = made.sandbox.get("/api/v1/query?query=up", base=base)["data"]["result"]
    answering = all(row["value"][1] == "1" for row in found)
    return {row["metric"]["job"] for row in found} if answering else set()


def test_a_full_volume_costs_no_row_and_no_cluster(bounded: Docked) -> None:
    rows = visit(bounded.sandbox)
    before = bounded.containers()
    fill = "create unlogged table filler as select repeat(md5(n::text), 32) from generate_series(1, 400000) n"
    command = [
        bounded.engine.program,
        "exec",
        before["postgres"],
        "psql",
        "-U",
        "daybreak",
        "-d",
        "daybreak",
        "-c",
        fill,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert "No space left on device" in done.stderr
    assert visits(bounded.sandbox) == rows
    assert visit(bounded.sandbox) == rows + 1
    assert bounded.containers() == before
    assert bounded.sandbox.status()["state"] == "ready"
