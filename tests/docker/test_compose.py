"""An exported compose file, brought up by Compose itself."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daybreak.docker.docker_cli import Client
from tests.docker.conftest import ROOT
from tests.docker.helpers import Composer, Project, container, daybreak, succeeds, tag
from tests.helpers import until

TAG = tag("compose")
OFFSET = 1_330
ADDRESS = f"http://127.0.0.1:{8000 + OFFSET}"
SPEC = """
name: composed
workers:
  count: 1
  object_store: 80MiB
head:
  object_store: 80MiB
serve:
  applications: [{import: "app:main"}]
  health: /health
databases:
  postgres:
  redis:
services:
  api:
    command: [python, -m, http.server, "9100"]
    needs: [redis]
    check: {http: "http://127.0.0.1:9100/"}
  unchecked:
    command: [sleep, "1000"]
"""
# A slim image has no `pkill`.
KILL = """
import os, sys
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        name = open(f"/proc/{pid}/comm").read().strip()
    except OSError:
        continue
    if name == sys.argv[1]:
        os.kill(int(pid), 9)
"""


@pytest.fixture(scope="module")
def image(engine: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The example that counts visits in PostgreSQL."""
    folder = tmp_path_factory.mktemp("composed")
    (folder / "app.py").write_text((ROOT / "examples/visits/app.py").read_text())
    (folder / "requirements.txt").write_text("psycopg[binary]\n")
    (folder / "daybreak.yaml").write_text(SPEC)
    project = Project(folder, engine, TAG, ROOT / "constraints")
    project.build("--ray-version", "2.60.0")
    yield project
    project.remove()


@pytest.fixture(scope="module")
def cluster(image: Project, composer: Composer) -> Iterator[Path]:
    """The folder of an export that is up; its containers and volumes are gone afterwards."""
    place = image.folder / "deploy"
    export(image, place)
    began = time.monotonic()
    try:
        composer.run(place, "up", "--wait")
        print(f"docker compose up --wait: {time.monotonic() - began:.1f} s")
        yield place
    finally:
        composer.run(place, "--profile", "*", "down", "--volumes")


def export(image: Project, place: Path) -> Any:
    return json.loads(
        daybreak(image.folder, "export", "compose", str(place), "--image", TAG, "--port-offset", str(OFFSET), "--json")
    )


def ask(path: str, method: str = "GET") -> Any:
    with urllib.request.urlopen(urllib.request.Request(ADDRESS + path, method=method), timeout=30) as answer:
        return json.load(answer)


def states(composer: Composer, place: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in composer.run(place, "ps", "--all", "--format", "json").splitlines()]
    return {row["Service"]: row["Health"] or row["State"] for row in rows}


def started(engine: Client, composer: Composer, place: Path, service: str) -> str:
    return engine.ask("inspect", "--format", "{{.State.StartedAt}}", composer.run(place, "ps", "-q", service).strip())


def test_when_compose_has_waited_everything_answers(cluster: Path, composer: Composer) -> None:
    assert ask("/health") == {"status": "ok"}
    healthy = dict.fromkeys(("postgres", "redis", "head", "worker", "api", "unchecked"), "healthy")
    assert states(composer, cluster) == healthy


def test_a_restart_of_the_app_tier_keeps_the_rows(engine: Client, cluster: Path, composer: Composer) -> None:
    before = ask("/visits", "POST")["visits"]
    database, head = (started(engine, composer, cluster, name) for name in ("postgres", "head"))
    began = time.monotonic()
    composer.run(cluster, "--profile", "app", "restart")
    composer.run(cluster, "--profile", "app", "up", "--wait", "--no-recreate")
    print(f"restart of the app tier: {time.monotonic() - began:.1f} s until all is healthy")
    assert ask("/visits")["visits"] == before
    assert started(engine, composer, cluster, "postgres") == database
    assert started(engine, composer, cluster, "head") != head


def test_no_secret_is_told_by_the_engine(engine: Client, cluster: Path, composer: Composer) -> None:
    told = engine.ask("inspect", *composer.run(cluster, "ps", "--all", "-q").split())
    told += composer.run(cluster, "config")
    for secret in (cluster / "secrets").glob("[a-z]*"):
        value = secret.read_text().strip()
        assert len(value) > 30
        assert value not in told


def test_the_databases_ask_for_their_passwords(engine: Client, cluster: Path, composer: Composer) -> None:
    assert "NOAUTH" in composer.run(cluster, "exec", "-T", "redis", "redis-cli", "get", "x")
    words = ("psql", "-h", "postgres", "-U", "daybreak", "-w", "-c", "select 1")
    assert "password" in composer.fails(cluster, "exec", "-T", "postgres", *words)
    whose = (
        "select rolsuper, datdba::regrole, pg_encoding_to_char(encoding) from pg_roles, pg_database"
        " where rolname = datname and datname = 'daybreak'"
    )
    asked = ("psql", "-U", "daybreak_admin", "-d", "daybreak", "-Atc", whose)
    assert composer.run(cluster, "exec", "-T", "postgres", *asked).strip() == "f|daybreak|UTF8"
    url = composer.run(cluster, "exec", "-T", "api", "sh", "/etc/daybreak/enter.sh", "printenv", "DATABASE_URL")
    assert url.strip() == (cluster / "secrets/database-url").read_text().strip()


def test_a_node_that_lost_its_raylet_comes_back(engine: Client, cluster: Path, composer: Composer) -> None:
    worker = composer.run(cluster, "ps", "-q", "worker").strip()
    before = started(engine, composer, cluster, "worker")
    succeeds(engine, worker, "python", "-c", KILL, "raylet")  # the container's end may be its own
    until(lambda: started(engine, composer, cluster, "worker") != before, what="the worker to start again")
    until(lambda: states(composer, cluster)["worker"] == "healthy", what="the worker to be healthy")
    assert ask("/health") == {"status": "ok"}


def test_a_second_export_changes_nothing_that_runs(
    engine: Client, image: Project, cluster: Path, composer: Composer
) -> None:
    before = {name: started(engine, composer, cluster, name) for name in ("postgres", "head", "worker")}
    found = export(image, cluster)
    assert "secrets/postgres" in found["kept"]
    composer.run(cluster, "up", "--wait")
    assert {name: started(engine, composer, cluster, name) for name in before} == before


def test_the_account_of_the_secrets_may_be_another(engine: Client, image: Project, cluster: Path) -> None:
    del cluster
    options = ("--network", "none", "--user", "4321:4321", "--volume", f"{image.folder / 'deploy/config'}:/x:ro")
    with container(engine, TAG, "sh", "/x/enter.sh", "sleep", "60", options=options) as identity:
        assert succeeds(engine, identity, "sh", "/x/enter.sh", "sh", "-c", 'test "$HOME" = /tmp')
