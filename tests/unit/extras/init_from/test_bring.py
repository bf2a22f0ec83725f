"""Twenty Compose projects: every service is in the spec, or named with a reason; every spec loads."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from daybreak.errors import SpecError, UsageError
from daybreak.extras.init_from.bring import bring, write
from daybreak.spec import load_spec
from daybreak.spec.model import Spec
from tests.unit.extras.init_from.projects import FILES, FOLDER, PASSWORDS, bring_text, brought, copied, spec_of


def test_there_are_twenty() -> None:
    assert len(FILES) == 20


@pytest.mark.parametrize("backend", ["process", "docker"])
@pytest.mark.parametrize("name", FILES)
def test_every_service_has_a_place_or_a_reason_and_the_spec_loads(name: str, backend: str, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    found = bring(folder / name, name=None, backend=backend)
    services = yaml.safe_load((folder / name).read_text())["services"]
    assert [fate.service for fate in found.fates] == list(services)
    assert all(bool(fate.became) != bool(fate.reason) for fate in found.fates)
    written = write(found)
    loaded = load_spec(folder / "daybreak.yaml")
    assert loaded.spec.backend == backend
    for fate in found.fates:
        for key in filter(None, fate.became.split(", ")):
            place: Any = dict.fromkeys(Spec.model_fields) | spec_of(found)
            for part in key.partition(" ")[0].split("."):
                assert part in place, key
                place = place[part]
    for path in written[1:]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not [word for word in PASSWORDS if word in found.text]
    assert not [word for word in PASSWORDS if word in str([(fate.notes, fate.reason) for fate in found.fates])]


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("ray-")])
def test_every_cluster_has_its_head_and_nothing_that_is_not_understood(name: str) -> None:
    found = brought(name)
    assert any("head" in fate.became.split(", ") for fate in found.fates)
    assert "unknown key" not in str(found.to_json())


def test_nodes() -> None:
    spec = spec_of(brought("ray-1-plain.yaml"))
    assert spec["head"] == {"cpus": 2}
    assert spec["workers"] == {"count": 2, "cpus": 4}
    assert spec["ray"] == {"client": True}
    spec = spec_of(brought("ray-3-shell.yaml"))
    assert spec["workers"] == {"count": 2, "cpus": 1}
    assert spec["serve"] == {"applications": [{"import": "main:app", "route": "/api", "args": {"model": "small"}}]}
    assert spec["ports"] == {"dashboard": 18265}
    assert spec_of(brought("ray-10-two-heads.yaml"))["workers"] == {"count": 1, "cpus": "all"}
    assert spec_of(brought("ray-7-script.yaml"))["workers"] == {"count": 4, "cpus": 3}
    assert spec_of(brought("ray-9-nothing-else.yaml"))["dashboard"] is False


def test_a_node_whose_command_is_in_its_image_is_one_by_its_name(tmp_path: Path) -> None:
    services = {
        "ray-head": {"image": "rayproject/ray:2.44.1", "ports": ["8265:8265"]},
        "ray_worker": {"image": "registry.example.com/ours:3", "deploy": {"replicas": 2}, "cpus": 2},
        "ray-tune": {"image": "rayproject/ray:2.44.1", "command": "python tune.py"},
        "worker": {"build": ".", "command": "celery worker"},
    }
    spec, found = bring_text(tmp_path, yaml.safe_dump({"services": services}, sort_keys=False))
    assert spec["workers"] == {"count": 2, "cpus": 2}
    assert list(spec["services"]) == ["ray-tune", "worker"]
    by_name = [fate.service for fate in found.fates if any("by its name" in note for note in fate.notes)]
    assert by_name == ["ray-head", "ray_worker"]


def test_variables_stay_variables() -> None:
    spec = spec_of(brought("ray-4-variables.yaml"))
    assert spec["head"]["cpus"] == "${HEAD_CPUS:-1}"
    assert spec["workers"] == {"count": "${WORKERS:-2}", "cpus": "${WORKER_CPUS}", "env": {"BATCH": "${BATCH:-}"}}
    loaded = load_text_of("ray-4-variables.yaml")
    assert loaded["workers"]["cpus"] == 3
    assert loaded["head"]["env"] == {"LOG_LEVEL": "", "PRICE": "$5", "SHELL_LINE": "echo ${HOME}"}


def load_text_of(name: str) -> dict[str, Any]:
    from daybreak.spec.load import load_text

    return load_text(brought(name).text, name, FOLDER).spec.model_dump()


def test_a_database_with_its_user_scripts_and_password(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    found = bring(folder / "app-1-api.yaml", name=None, backend="process")
    postgres = spec_of(found)["databases"]["postgres"]
    assert postgres == {
        "database": "orders",
        "user": "shop",
        "password_file": ".daybreak/brought/db-password",
        "init": ["./initdb"],
    }
    assert dict(found.secrets)[folder / ".daybreak/brought/db-password"] == "hunter2-hunter2"
    api = spec_of(found)["services"]["api"]
    assert "DATABASE_URL" not in api.get("env", {})
    assert api["needs"] == {"postgres": "ready", "migrate": "done", "head": "ready"}
    assert api["check"] == {"http": "http://127.0.0.1:9100/health"}


def test_a_service_gets_the_same_variables(tmp_path: Path) -> None:
    """The shell that starts it makes them of what daybreak hands over."""
    given = {
        "PATH": "/usr/bin:/bin",
        "DATABASE_URL": "postgresql://svc:p-1@127.0.0.1:5999/svc",
        "REDIS_URL": "redis://:r-1@127.0.0.1:6999/0",
        "PGHOST": "127.0.0.1",
        "PGPORT": "5999",
        "PGUSER": "svc",
        "PGDATABASE": "svc",
        "CELERY_PASSWORD_2": "q",
    }

    def variables(name: str, service: str) -> dict[str, str]:
        folder = copied(tmp_path / name)
        found = load_spec(write(bring(folder / name, name=None, backend="process"))[0]).spec.services[service]
        assert found.command
        words = [*found.command[:4], "env"] if found.command[2].endswith('"$@"') else [*found.command]
        words[2] = words[2].partition("exec celery")[0] + ("exec env" if "exec celery" in words[2] else "")
        done = subprocess.run(words, env=given, capture_output=True, text=True, check=True)
        return dict(line.partition("=")[::2] for line in done.stdout.splitlines())

    api = variables("app-5-parts.yaml", "api")
    assert api["DB_HOST"] == "127.0.0.1"
    assert (api["DB_PORT"], api["DB_USER"], api["DB_PASSWORD"], api["DB_NAME"]) == ("5999", "svc", "p-1", "svc")
    assert api["OTHER"] == "127.0.0.1:5999"
    assert api["ANALYTICS_URL"] == "postgresql://svc:p-1@127.0.0.1:5999/analytics"
    celery = variables("app-2-queue.yaml", "celery")
    assert celery["RESULT_BACKEND"] == "redis://:r-1@127.0.0.1:6999/1"
    assert (celery["REDIS_HOST"], celery["REDIS_PORT"], celery["REDIS_PASSWORD"]) == ("127.0.0.1", "6999", "r-1")
    search = variables("app-6-vector.yaml", "search")
    assert search["DATABASE_URL"] == "postgresql+asyncpg://svc:p-1@127.0.0.1:5999/svc"


def test_ports_that_meet_are_moved_or_told() -> None:
    found = brought("app-8-ports.yaml")
    spec = spec_of(found)
    assert spec["services"]["users"]["command"][-1] == "8081"
    assert spec["services"]["users"]["check"] == {"http": "http://127.0.0.1:8081/health"}
    assert spec["services"]["own-gateway"]["env"] == {"UPSTREAM": "http://127.0.0.1:8081"}
    assert spec["ports"] == {"page": 18080}
    reasons = {fate.service: fate.reason for fate in found.fates}
    assert "listens on port 8080, as orders does" in reasons["billing"]


@pytest.mark.parametrize(
    ("about", "page"),
    [
        ({"expose": ["8080"]}, 18080),
        ({"environment": {"PORT": "8080"}}, 18080),
        ({"command": "uvicorn a:app --host 0.0.0.0 --port 8080"}, 18080),
        ({"command": "gunicorn -b 0.0.0.0:8080 a:app"}, 18080),
        ({"healthcheck": {"test": "curl -f http://localhost:8080/health || exit 1"}}, 18080),
        ({"expose": ["8080"], "command": "uvicorn a:app --port 9100"}, None),
        ({"expose": ["8080"], "ports": ["9100:9100"]}, None),
        ({"command": "celery -b amqp://u:8080@rabbit:8080//"}, None),
    ],
)
def test_the_page_keeps_away_from_what_nobody_published(
    about: dict[str, Any], page: int | None, tmp_path: Path
) -> None:
    service = {"build": ".", "command": "python a.py", **about}
    spec, _ = bring_text(tmp_path, yaml.safe_dump({"services": {"api": service}}))
    assert spec.get("ports", {}).get("page") == page
    other = {**service, "command": service["command"].replace("a", "b", 1)}
    _, both = bring_text(tmp_path, yaml.safe_dump({"services": {"api": service, "other": other}}))
    told = [note for fate in both.fates for note in fate.notes if "seems to listen on port 8080, as api does" in note]
    assert len(told) == (1 if page else 0)


def test_a_dockerfile_tells_where_it_listens_and_a_step_does_not_listen() -> None:
    assert spec_of(brought("app-4-secrets.yaml"))["ports"] == {"page": 18080}
    assert "ports" not in spec_of(brought("app-10-whole.yaml")), "its steps are built from the same file"


def test_a_database_that_a_variable_names_is_waited_for() -> None:
    services = spec_of(brought("app-5-parts.yaml"))["services"]
    assert [services[name]["needs"] for name in ("api", "worker")] == [["postgres"], ["postgres"]]
    assert spec_of(brought("app-6-vector.yaml"))["services"]["search"]["needs"] == ["postgres", "redis"]
    whole = spec_of(brought("app-10-whole.yaml"))["services"]
    assert whole["seed"]["needs"] == {"migrate": "done"}, "which has waited for it"


def test_images_of_others_run_in_containers_alone() -> None:
    reasons = {fate.service: fate.reason for fate in brought("app-7-others.yaml").fates}
    assert "--backend docker" in reasons["minio"]
    assert "--backend docker" in reasons["mysql"]
    spec = spec_of(brought("app-7-others.yaml", "docker"))
    assert spec["services"]["minio"]["image"] == "minio/minio"
    assert spec["services"]["minio"]["volumes"] == ["minio:/data"]
    assert spec["databases"]["mysql"]["database"] == "shop"
    assert spec["docker"] == {"network": "host"}


def test_what_their_images_install_is_told_in_both_places() -> None:
    for backend, word in {"process": "installed where Ray is", "docker": "belongs into requirements.txt"}.items():
        fates = {fate.service: fate.notes for fate in brought("app-10-whole.yaml", backend).fates}
        assert any(word in note for note in fates["api"])
    (told,) = (fate.notes for fate in brought("app-9-profiles.yaml", "docker").fates if fate.service == "frontend")
    assert any("built on node" in note and "`image`" in note for note in told)


def test_checks_and_profiles() -> None:
    services = spec_of(brought("app-9-profiles.yaml"))["services"]
    assert services["debug"]["profiles"] == ["debug"]
    assert services["debug"]["stop_grace"] == "1m30s"
    assert services["socket"]["check"] == {"tcp": 7000}
    assert services["rpc"]["check"] == {"grpc": "127.0.0.1:50051"}
    assert services["odd"]["check"] == {"command": ["sh", "-c", "test -f /tmp/ready"]}
    assert services["frontend"]["command"] == ["sh", "-c", "npm run dev"]


def test_names_that_a_spec_does_not_take(tmp_path: Path) -> None:
    names = ("a_b", "a-b", "serve", "worker-1")
    services = {name: {"build": ".", "command": "sleep 9"} for name in names}
    spec, found = bring_text(tmp_path, yaml.safe_dump({"services": services}, sort_keys=False))
    assert list(spec["services"]) == ["a-b", "a-b-2", "own-serve", "own-worker-1"]
    assert all(fate.became for fate in found.fates)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("sh -c 'while true; do sleep 86400; python nightly.py; done'", True),
        ("sh -c 'while :; do python nightly.py; sleep 12h; done'", True),
        ("/usr/local/bin/supercronic /app/crontab", True),
        ("crond -f", True),
        ("sh -c 'while true; do python poll.py; sleep 5; done'", False),
        ("sh -c 'sleep 86400'", False),
        ("python cron_server.py", False),
    ],
)
def test_what_runs_now_and_then_is_told_of_schedules(command: str, told: bool, tmp_path: Path) -> None:
    text = yaml.safe_dump({"services": {"nightly": {"build": ".", "command": command}}})
    _, found = bring_text(tmp_path, text)
    assert any("`schedule:" in note for fate in found.fates for note in fate.notes) is told


@pytest.mark.parametrize(
    ("script", "kept", "cron"),
    [
        ("while true; do sleep 86400; python nightly.py; done", "python nightly.py", "@daily"),
        ("while :; do python nightly.py --all; sleep 1h; done", "python nightly.py --all", "@hourly"),
        ("while true; do sleep 7d; ./weekly; done", "./weekly", "@weekly"),
        ("while true; do a; b; sleep 1h; done", None, None),
        ("while true; do a && b; sleep 90m; done", None, None),
        ("while true; do sleep 5; python poll.py; done", None, None),
    ],
)
def test_a_loop_that_sleeps_long_is_a_schedule(script: str, kept: str | None, cron: str | None, tmp_path: Path) -> None:
    looping = {
        "build": ".",
        "command": ["sh", "-c", script],
        "restart": "always",
        "healthcheck": {"test": ["CMD", "x"]},
    }
    spec, _ = bring_text(tmp_path, yaml.safe_dump({"services": {"nightly": looping}}))
    found = spec["services"]["nightly"]
    assert found.get("schedule") == cron
    assert found["command"] == ["sh", "-c", kept or script]
    assert cron is None or not {"restart", "check"} & set(found)
    needing = {"services": {"nightly": looping, "other": {"build": ".", "command": "x", "depends_on": ["nightly"]}}}
    assert "schedule" not in bring_text(tmp_path, yaml.safe_dump(needing))[0]["services"]["nightly"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1", "no `services:`"),
        ("services: {a: [1]}", "services.a: is not what Compose takes"),
        ("services: {a: {ports: 3, environment: x}}", "2 problems"),
        ("services: {a: {extends: {file: b.yaml, service: c}}}", "extends what is not in this file"),
        ("services: {a: {extends: a}}", "extends what is not in this file"),
        ("services:\n  a: [", "compose.yaml:2"),
        ("", "no `services:`"),
    ],
)
def test_what_is_no_project_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SpecError) as caught:
        bring_text(tmp_path, text)
    assert reason in str(caught.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "compose.yaml"]


def test_an_existing_spec_stays(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "daybreak.yml").write_text("name: mine\n")
    before = sorted(folder.rglob("*"))
    with pytest.raises(UsageError, match="is there already; nothing was written"):
        write(bring(folder / "app-1-api.yaml", name=None, backend="process"))
    assert sorted(folder.rglob("*")) == before


def test_a_folder_without_a_project(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no compose\.yaml"):
        bring(tmp_path, name=None, backend="process")
