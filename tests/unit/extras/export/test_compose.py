"""What is in a compose file, by content."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from daybreak.errors import SpecError
from daybreak.extras.export.environment import secret_values
from daybreak.extras.export.target import Target
from daybreak.spec import Spec
from tests.unit.extras.export.samples import EVERYTHING, OLD_RAY, TARGET, document, exported, services, texts

APP: dict[str, Any] = {"serve": {"applications": [{"import": "app:main"}]}}
HEALTH = {"interval": "5s", "timeout": "5s", "retries": 12, "start_period": "30s", "start_interval": "500ms"}


def test_there_is_a_service_for_everything_in_the_spec() -> None:
    found = services(EVERYTHING)
    assert list(found) == ["postgres", "redis", "head", "worker", "api", "queue", "prometheus", "grafana"]
    tiers = {name: service["profiles"] for name, service in found.items()}
    assert tiers == {
        **{name: ["data"] for name in ("postgres", "redis", "queue")},
        **{name: ["app"] for name in ("head", "worker", "api")},
        **{name: ["observe"] for name in ("prometheus", "grafana")},
    }


@pytest.mark.parametrize(("given", "profiles"), [({}, "app"), (EVERYTHING, "data,app")])
def test_a_plain_up_starts_what_the_spec_has_but_not_what_watches(given: dict[str, object], profiles: str) -> None:
    assert f"COMPOSE_PROFILES={profiles}\n" in texts(exported(given))[".env"]


def test_every_service_has_restart_rotation_labels_and_the_cluster_s_network() -> None:
    for name, service in services(EVERYTHING).items():
        assert service["networks"] == ["cluster"]
        assert service["restart"] == ("on-failure" if name == "api" else "unless-stopped")
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
        assert service["labels"]["dev.daybreak.compose"] == "shop"
        # `daybreak doctor --prune` deletes volumes and images that have this one.
        assert "daybreak.cluster" not in service["labels"]
    assert document(EVERYTHING)["volumes"] == {name: {} for name in ("grafana", "postgres", "prometheus", "redis")}


def job(name: str, given: dict[str, Any], target: Target = TARGET) -> dict[str, Any]:
    """What the first program of a node's container is told."""
    found: dict[str, Any] = json.loads(texts(exported(given, target))[f"config/{name}.json"])
    return found


def test_the_programs_of_the_containers_are_there() -> None:
    """Each command of the file, and of what the first programs are told, finds its program below `config`."""
    found = texts(exported(EVERYTHING))
    words = [*job("head", EVERYTHING)["deploy"]["command"]]
    for service in services(EVERYTHING).values():
        words += [*service.get("entrypoint", ()), *service["healthcheck"]["test"]]
    named = {word for word in words if word.startswith("/etc/daybreak/")}
    assert len(named) > 5
    assert {name.replace("/etc/daybreak", "config") for name in named} <= set(found)


def test_health_checks_follow_the_spec() -> None:
    found = services(EVERYTHING)
    assert {key: value for key, value in found["redis"]["healthcheck"].items() if key != "test"} == HEALTH
    slow = services({"health": {"interval": "10s", "timeout": "2s", "retries": 3, "start_period": "1m"}})
    assert slow["worker"]["healthcheck"]["interval"] == "10s"
    # 90 s in which failures do not count and 3 failures of 10 s are the deadline of a node's start.
    assert slow["worker"]["healthcheck"]["start_period"] == slow["head"]["healthcheck"]["start_period"] == "90s"
    assert found["postgres"]["healthcheck"]["test"][:5] == ["CMD", "pg_isready", "-q", "-h", "127.0.0.1"]
    assert "redis-cli" in found["redis"]["healthcheck"]["test"][3]
    assert found["api"]["healthcheck"]["test"][-2:] == [
        "/etc/daybreak/programs/recipe/health.py",
        "http://127.0.0.1:9100/",
    ]
    assert found["queue"]["healthcheck"]["test"] == ["CMD", "true"]


def test_an_old_engine_is_not_asked_for_what_it_refuses() -> None:
    old = services(EVERYTHING, replace(TARGET, engine=(20, 10)))
    assert all("start_interval" not in service["healthcheck"] for service in old.values())
    assert "Docker Engine 25" not in texts(exported({}, replace(TARGET, engine=(20, 10))))["compose.yaml"]
    assert "Docker Engine 25" in texts(exported({}))["compose.yaml"]


def test_the_head_is_healthy_when_the_applications_answer() -> None:
    head = services(EVERYTHING)["head"]
    assert head["environment"]["DAYBREAK_HEALTH_URLS"] == "127.0.0.1:8000/health"
    assert head["healthcheck"]["test"][1].startswith("test -e /tmp/daybreak-serving && ")
    assert "/opt/daybreak/health.py" in head["healthcheck"]["test"][1]
    # 180 s in which failures do not count and 12 failures of 5 s: the deadlines of the node and of its applications.
    assert head["healthcheck"]["start_period"] == "180s"
    assert services(APP)["head"]["environment"]["DAYBREAK_HEALTH_URLS"] == "127.0.0.1:8000/-/healthz"


def test_without_applications_the_head_is_healthy_when_ray_is() -> None:
    head = services()["head"]
    assert head["environment"]["DAYBREAK_HEALTH_URLS"].endswith("/api/local_raylet_healthz")
    assert head["healthcheck"]["test"] == ["CMD", "/opt/ray/bin/python", "-IS", "/opt/daybreak/health.py"]
    assert "deploy" not in job("head", {})
    assert "config/serve.json" not in texts(exported())


def test_the_order_of_the_start() -> None:
    found = services(EVERYTHING)
    healthy = {"condition": "service_healthy", "required": False}
    assert found["head"]["depends_on"] == {"postgres": healthy, "redis": healthy}
    # Not healthy: the applications may wait for a worker.
    assert found["worker"]["depends_on"] == {"head": {"condition": "service_started", "restart": True}}
    assert found["api"]["depends_on"] == {"postgres": healthy, "head": {"condition": "service_healthy"}}
    assert "depends_on" not in services()["head"]


def test_needs_are_named_as_the_file_names_them() -> None:
    own = {"command": ["x"]}
    given = {"services": {"one": own, "two": {**own, "needs": ["one", "workers", "head"]}}, "workers": {"count": 2}}
    assert services(given)["two"]["depends_on"] == {
        "one": {"condition": "service_started"},
        "worker": {"condition": "service_healthy"},
        "head": {"condition": "service_healthy"},
    }


def test_workers_are_one_service() -> None:
    worker = services(EVERYTHING)["worker"]
    assert worker["deploy"]["replicas"] == 3
    told = job("worker", EVERYTHING)
    assert {"--address=head:6380", '--resources={"camera": 1.0}', "--labels=zone=left"} <= set(told["start"])
    assert told["after"]["address"] == "head:6380"
    assert services({"workers": {"count": 0}})["worker"]["deploy"]["replicas"] == 0


def test_limits_are_those_of_the_spec_and_what_ray_itself_takes() -> None:
    found = services(EVERYTHING)
    assert found["head"]["deploy"]["resources"]["limits"] == {"cpus": "2", "memory": f"{2048 + 512 + 1536}m"}
    assert found["worker"]["deploy"]["resources"]["limits"] == {"cpus": "0.5"}
    device = {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert found["worker"]["deploy"]["resources"]["reservations"] == {"devices": [device]}
    assert "deploy" not in services()["head"]
    assert found["head"]["shm_size"] == f"{2**29 + 2**29 // 10 + 2**26}b"
    assert found["head"]["tmpfs"] == ["/tmp:exec,mode=1777"]


def test_a_node_finds_its_own_address_and_its_own_temporary_folder() -> None:
    for name in ("head", "worker"):
        words = job(name, EVERYTHING)["start"]
        assert not [word for word in words if word.startswith(("--node-ip-address", "--temp-dir"))]
        assert words[:2] == ["/opt/ray/bin/python", "/etc/daybreak/programs/node/start.py"]
        assert words[3] == "start"
        assert services(EVERYTHING)[name]["entrypoint"][-1] == f"/etc/daybreak/{name}.json"


def test_a_node_is_started_as_by_the_backend_and_nothing_of_it_is_asked_to_end_too_early() -> None:
    told = job("head", {**APP, "ray": {"client": True}})
    options = json.loads(told["start"][2])
    # There is no template: Ray starts its programs with its own interpreter.
    assert options["launcher"] == options["python"] == "/opt/ray/bin/python"
    assert options["client_server"]
    assert not options["gathering"]
    assert not json.loads(job("head", APP)["start"][2])["client_server"]
    copied = texts(exported(APP))
    for name in ("start.py", "watch.py"):
        assert f"/etc/daybreak/programs/node/{name}" in told["afterwards"]
        assert f"config/programs/node/{name}" in copied


def test_ports_are_published_on_loopback_unless_the_spec_says_otherwise() -> None:
    def published(given: dict[str, Any], name: str) -> list[str]:
        ports = services(given)[name].get("ports", [])
        return [f"{port['host_ip']}:{port['published']}:{port['target']}" for port in ports]

    assert published(APP, "head") == ["127.0.0.1:8000:8000", "127.0.0.1:8265:8265"]
    given: dict[str, Any] = {**APP, "listen": "0.0.0.0", "ports": {"offset": 100}, "ray": {"client": True}}
    assert published(given, "head") == ["0.0.0.0:8100:8100", "0.0.0.0:8365:8365", "127.0.0.1:10101:10001"]
    assert published(EVERYTHING, "postgres") == ["127.0.0.1:15432:5432"]
    assert published(EVERYTHING, "redis") == []
    assert published(EVERYTHING, "api") == ["127.0.0.1:9100:9100"]
    assert "--dashboard-host=0.0.0.0" in job("head", APP)["start"]


def test_secrets_are_files_and_nothing_else() -> None:
    made = exported(EVERYTHING)
    found = document(EVERYTHING)
    assert made.secrets == ("ray-token", "postgres", "redis", "grafana")
    names = ["database-url", "grafana", "pgpass", "postgres", "ray-token", "redis", "redis-url"]
    assert found["secrets"] == {name: {"file": f"./secrets/{name}"} for name in names}
    environment = found["services"]["head"]["environment"]
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray-token"
    assert environment["DATABASE_URL_FILE"] == "/run/secrets/database-url"
    assert environment["REDIS_URL_FILE"] == "/run/secrets/redis-url"
    assert "DATABASE_URL" not in environment
    assert environment["PGHOST"] == "postgres"
    assert environment["PGPASSFILE"] == "/run/secrets/pgpass"
    assert found["services"]["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/daybreak/secrets/postgres"
    assert "--encoding=UTF8" in found["services"]["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    assert 'requirepass "$$password"' in found["services"]["redis"]["command"][2]


def test_what_the_secrets_hold_that_follow_from_passwords() -> None:
    spec = Spec.model_validate({"name": "shop", "databases": {"postgres": {}, "redis": {}}})
    assert secret_values(spec, TARGET, {"postgres": "a:b/c", "redis": "d@e"}) == {
        "database-url": "postgresql://daybreak:a%3Ab%2Fc@postgres:5432/daybreak",
        "pgpass": "*:5432:*:daybreak:a\\:b/c",
        "redis-url": "redis://:d%40e@redis:6379/0",
    }


def test_tokens_only_where_this_ray_knows_them() -> None:
    old = replace(TARGET, ray=OLD_RAY)
    assert exported({}, old).secrets == ("grafana",)
    head = services(APP, old)["head"]
    assert "RAY_AUTH_MODE" not in head["environment"]
    assert "RAY_SERVE_ENABLE_HA_PROXY" not in head["environment"]
    assert not [word for word in job("head", APP, old)["start"] if "spilling" in word]
    assert "secrets" not in head
    assert services(APP)["head"]["environment"]["RAY_SERVE_ENABLE_HA_PROXY"] == "1"


def test_a_dollar_is_no_variable_but_in_the_account() -> None:
    found = services(EVERYTHING, replace(TARGET, user=(1234, 1234)))
    assert found["head"]["environment"]["PRICE"] == "5$$"
    assert found["head"]["user"] == found["grafana"]["user"] == "${DAYBREAK_USER:-1234:1234}"


def test_an_image_of_this_machine_is_not_looked_for_in_a_registry() -> None:
    assert services()["head"]["pull_policy"] == "never"
    assert "pull_policy" not in services({}, replace(TARGET, image="registry/shop:1", local=False))["head"]


def test_what_is_deployed() -> None:
    request = json.loads(texts(exported(EVERYTHING))["config/serve.json"])
    assert request["address"] == "head:6380"
    assert request["http"] == {"host": "0.0.0.0", "port": 8000}
    assert request["applications"] == [
        {"import": "app:main", "name": "default", "route": "/", "args": {"greeting": "hello"}}
    ]
    assert request["token_file"] == "/run/secrets/ray-token"


def test_a_serve_config_keeps_its_port_and_gets_an_address_that_can_be_reached() -> None:
    config = {"http_options": {"host": "127.0.0.1", "port": 8123}, "applications": [{"import_path": "app:main"}]}
    target = replace(TARGET, serve_config=config)
    given = {"serve": {"config": "serve.yaml"}, "listen": "0.0.0.0"}
    request = json.loads(texts(exported(given, target))["config/serve.json"])
    assert request["config"]["http_options"] == {"host": "0.0.0.0", "port": 8123}
    head = services(given, target)["head"]
    assert head["ports"][0] == {"target": 8123, "published": "8123", "host_ip": "127.0.0.1", "protocol": "tcp"}
    assert head["environment"]["DAYBREAK_HEALTH_URLS"].startswith("127.0.0.1:8123/")


def test_what_haproxy_would_spoil_is_served_without_it_and_tls_is_asked_as_it_speaks() -> None:
    app = {"name": "shop", "import_path": "app:main"}
    options = {"ssl_keyfile": "key.pem", "ssl_certfile": "cert.pem", "host": "0.0.0.0"}
    spec = {"serve": {"config": "serve.yaml", "health": "/health"}}
    with_tls = replace(TARGET, serve_config={"applications": [app], "http_options": options})
    environment = services(spec, with_tls)["head"]["environment"]
    assert environment["DAYBREAK_HEALTH_URLS"] == "https://127.0.0.1:8000/health"
    assert "RAY_SERVE_ENABLE_HA_PROXY" not in environment
    # What reaches the machine is the spec's to say.
    assert [port["host_ip"] for port in services(spec, with_tls)["head"]["ports"] if port["target"] == 8000] == [
        "127.0.0.1"
    ]
    affine = replace(TARGET, affinity="app.py:3 (serve.multiplexed)")
    by_import: dict[str, Any] = {"serve": {"applications": [{"import": "app:main"}]}}
    assert "RAY_SERVE_ENABLE_HA_PROXY" not in services(by_import, affine)["head"]["environment"]
    assert services(by_import)["head"]["environment"]["RAY_SERVE_ENABLE_HA_PROXY"] == "1"


def test_grpc_is_published_and_a_cluster_without_a_proxy_asks_ray_itself() -> None:
    app = {"name": "shop", "import_path": "app:main"}
    grpc = {"port": 9123, "grpc_servicer_functions": ["a:b"]}
    spec = {"serve": {"config": "serve.yaml"}}
    head = services(spec, replace(TARGET, serve_config={"applications": [app], "grpc_options": grpc}))["head"]
    assert {port["target"] for port in head["ports"]} >= {8000, 9123}
    closed = replace(TARGET, serve_config={"applications": [app], "proxy_location": "Disabled"})
    head = services(spec, closed)["head"]
    assert 8000 not in {port["target"] for port in head["ports"]}
    assert head["environment"]["DAYBREAK_HEALTH_URLS"].endswith("/api/local_raylet_healthz")


def test_settings_of_the_databases() -> None:
    words = services(EVERYTHING)["postgres"]["command"]
    assert "max_connections=200" in words
    assert "timezone=UTC" in words
    # Where an earlier export has its rows.
    assert services(EVERYTHING)["postgres"]["environment"]["PGDATA"] == "/var/lib/postgresql/data"
    assert "maxmemory 256mb\n" in texts(exported(EVERYTHING))["config/redis/redis.conf"]
    with pytest.raises(SpecError):
        exported({"databases": {"redis": {"settings": {"requirepass": "x"}}}})


def test_a_change_of_a_file_changes_the_services_that_see_it() -> None:
    before, after = services(APP), services({"serve": {"applications": [{"import": "app:other"}]}})
    label = "dev.daybreak.files"
    assert before["head"]["labels"][label] != after["head"]["labels"][label]
    assert before["prometheus"]["labels"][label] == after["prometheus"]["labels"][label]


def test_own_services_reach_the_cluster_by_the_ways_that_there_are() -> None:
    api = services(EVERYTHING)["api"]
    assert api["working_dir"] == "/app/web"
    assert api["environment"]["RAY_API_SERVER_ADDRESS"] == "http://head:8265"
    assert api["environment"]["RAY_DASHBOARD_ADDRESS"] == "http://head:8265"
    assert "RAY_ADDRESS" not in api["environment"]
    with_client = services({**EVERYTHING, "ray": {"client": True}})["api"]
    assert with_client["environment"]["RAY_ADDRESS"] == "ray://head:10001"


def test_what_cannot_be_said_is_told() -> None:
    assert exported().warnings == ()
    own = {
        "command": ["serve", "--bind", "127.0.0.1"],
        "ports": [9100],
        "cwd": "../x",
        "tier": "data",
        "restart": "never",
        "needs": ["head"],
        "check": {"http": "http://web:80/"},
    }
    given = {
        "warm": {"modules": ["torch"]},
        "page": {"names": ["ray.example.com"]},
        "ray": {"python": "x", "version": "<2", "dashboard_modules": "all"},
        "tls": {"certificate": "cert.pem", "key": "key.pem"},
        "services": {"one": own},
    }
    starts = [text.split(":")[0] for text in exported(given).warnings]
    assert starts == [
        "warm",
        "page",
        "tls",
        "ray.python",
        "ray.dashboard_modules",
        "ray.version",
        "services.one.cwd",
        "services.one.command",
        "services.one",
        "services.one.restart",
        "services.one.check.http",
        "services.one",
    ]


def test_nodes_of_other_machines_are_told_to_be_left_out() -> None:
    hosts = {"address": "10.0.0.5", "hosts": [{"ssh": "a", "workers": 2}, {"ssh": "b"}]}
    (told,) = (line for line in exported(hosts).warnings if line.startswith("hosts:"))
    assert told == "hosts: Compose runs on one machine, without 3 workers of 2 other machines"


def test_what_watches_can_be_left_out() -> None:
    assert "grafana" not in services({"grafana": False})
    assert not {"prometheus", "grafana"} & set(services({"prometheus": False}))
    scraping = json.loads(texts(exported())["config/prometheus.yml"])
    assert scraping["scrape_configs"][1]["dns_sd_configs"][0]["names"] == ["worker"]


def test_own_images_volumes_and_limits() -> None:
    own = {
        "api": {
            "command": ["serve"],
            "image": "shop/api:1",
            "volumes": ["files:/files", "./web:/web:ro"],
            "memory": "64MiB",
        },
        "queue": {"image": "nats:2", "tier": "data", "volumes": ["queue:/data"], "cpus": 0.5},
    }
    found = services({"services": own}, replace(TARGET, base="/work/shop"))
    assert found["api"]["image"] == "shop/api:1"
    assert found["api"]["command"][-1] == "serve"
    assert found["api"]["volumes"][1:] == ["files:/files", "/work/shop/web:/web:ro"]
    assert found["api"]["deploy"]["resources"]["limits"] == {"memory": "64m"}
    assert "user" not in found["api"]
    assert not {"command", "healthcheck", "working_dir"} & set(found["queue"])
    assert found["queue"]["deploy"]["resources"]["limits"] == {"cpus": "0.5"}
    assert {"files", "queue"} <= set(document({"services": own})["volumes"])


def test_images_of_the_databases_are_those_of_the_spec() -> None:
    databases = {"postgres": {"image": "postgres:17"}, "redis": {"memory": "64MiB"}}
    found = services({"databases": databases})
    assert found["postgres"]["image"] == "postgres:17"
    assert found["redis"]["deploy"]["resources"]["limits"] == {"memory": "64m"}


def test_mysql_and_neo4j_are_exported_as_the_backend_runs_them() -> None:
    given = {"backend": "docker", "databases": {"mysql": {"database": "shop"}, "neo4j": {"port": 7700}}}
    made, found = exported(given), services(given)
    assert {"mysql", "neo4j"} <= set(made.secrets)
    assert found["mysql"]["environment"]["MYSQL_ROOT_PASSWORD_FILE"] == "/run/daybreak/secrets/mysql"
    assert {"source": "mysql", "target": "/run/daybreak/secrets/mysql"} in found["mysql"]["secrets"]
    assert found["mysql"]["volumes"] == ["mysql:/var/lib/mysql"]
    # Its password is in no environment that the engine lists.
    assert "NEO4J_AUTH" not in found["neo4j"].get("environment", {})
    assert found["neo4j"]["entrypoint"][-1] == "/startup/docker-entrypoint.sh"
    assert found["neo4j"]["command"] == ["neo4j"]
    assert found["neo4j"]["ports"][0]["published"] == "7700"
    head = found["head"]
    assert set(head["depends_on"]) == {"mysql", "neo4j"}
    assert head["environment"]["NEO4J_URI"] == "bolt://neo4j:7687"
    assert head["environment"]["MYSQL_URL_FILE"] == "/run/secrets/mysql-url"
    spec = Spec.model_validate({"name": "shop", **given})
    assert secret_values(spec, TARGET, {"mysql": "m", "neo4j": "n"}) == {
        "mysql-url": "mysql://daybreak:m@mysql:3306/shop",
        "neo4j-auth": "neo4j/n",
    }


GROUPS: dict[str, Any] = {
    "workers": {"cpus": 1, "groups": {"gpu": {"gpus": 1}, "cpu": {"count": 2, "env": {"A": "1"}}}},
    "services": {"api": {"command": ["api"], "needs": ["workers"]}, "one": {"command": ["x"], "needs": ["gpu-1"]}},
}


def test_each_group_of_workers_is_a_service() -> None:
    found = services(GROUPS)
    assert {name: found[name]["deploy"]["replicas"] for name in ("gpu", "cpu")} == {"gpu": 1, "cpu": 2}
    assert "devices" in json.dumps(found["gpu"]["deploy"])
    assert found["cpu"]["environment"]["A"] == "1"
    assert "A" not in found["gpu"]["environment"]
    assert set(found["api"]["depends_on"]) == {"gpu", "cpu"}
    assert set(found["one"]["depends_on"]) == {"gpu"}
    assert "--labels=group=gpu" in job("gpu", GROUPS)["start"]
    scraped = json.loads(texts(exported(GROUPS))["config/prometheus.yml"])["scrape_configs"][1]
    assert scraped["dns_sd_configs"][0]["names"] == ["gpu", "cpu"]


def test_the_users_secrets_and_files_of_variables_stay_where_they_are() -> None:
    given: dict[str, Any] = {
        "secrets": {"api-key": {"file": "key.txt"}, "db": {"environment": "DB_PASSWORD"}, "unused": {"file": "x"}},
        "env_file": "all.env",
        "head": {"secrets": ["api-key"]},
        "services": {
            "api": {
                "command": ["x"],
                "env_file": {"path": "api.env", "required": False},
                "secrets": ["api-key", {"name": "db", "env": "PGPASSWORD"}],
            }
        },
    }
    target = replace(TARGET, base="/work/shop")
    found = document(given, target)
    secrets = {name: source for name, source in found["secrets"].items() if name in ("api-key", "db", "unused")}
    assert secrets == {"api-key": {"file": "/work/shop/key.txt"}, "db": {"environment": "DB_PASSWORD"}}
    api, head = found["services"]["api"], found["services"]["head"]
    assert {"api-key", "db"} <= set(api["secrets"])
    assert api["env_file"] == ["/work/shop/all.env", {"path": "/work/shop/api.env", "required": False}]
    assert api["environment"]["API_KEY_FILE"] == "/run/secrets/api-key"
    assert api["environment"]["PGPASSWORD_FILE"] == "/run/secrets/db"
    assert api["environment"]["DAYBREAK_SECRETS"] == "PGPASSWORD"
    assert "api-key" in head["secrets"]
    assert "db" not in head["secrets"]
    assert exported(given, target).secrets == exported({}, target).secrets, "no password is made for them"


def test_own_users_several_databases_and_scripts_are_made_with_the_data() -> None:
    wanted = {
        "user": "shop",
        "databases": {"orders": {"user": "clerk", "extensions": ["vector"]}},
        "roles": {"report": {"password_file": "report"}},
        "init": "init",
    }
    given = {"databases": {"postgres": wanted, "redis": {"databases": {"queue": 3}}}}
    target = replace(TARGET, scripts={"postgres": ("/shop/init/1.sql",)})
    export = exported(given, target)
    assert {"postgres", "postgres.clerk", "redis"} <= set(export.secrets)
    assert "postgres.report" not in export.secrets, "the user's own is not made up"
    made = services(given, target)["postgres"]
    assert "/shop/init/1.sql:/docker-entrypoint-initdb.d/1001-1.sql:ro" in str(made["volumes"])
    first = texts(export)["config/postgres/1000-daybreak.sh"]
    assert first.startswith(": > /var/lib/postgresql/data/daybreak-half-made\nroles='shop:postgres clerk:")
    assert "hand_over" in texts(export)["config/postgres/9999-daybreak.sh"]
    sources = {entry["target"]: entry["source"] for entry in made["secrets"]}
    assert sources["/run/daybreak/env/PASSWORD_clerk"] == "postgres.clerk"
    passwords = {name: f"p-{name}" for name in (*export.secrets, "postgres.report")}
    values = secret_values(Spec.model_validate({"name": "shop", **given}), target, passwords)
    assert values["database-url"] == "postgresql://shop:p-postgres@postgres:5432/daybreak"
    assert values["database-url.orders"] == "postgresql://clerk:p-postgres.clerk@postgres:5432/orders"
    assert values["redis-url.queue"].endswith("@redis:6379/3")


def test_no_socket_is_shared_between_containers() -> None:
    given = {"databases": {"postgres": {"trust_socket": True}}, "services": {"api": {"command": ["x"]}}}
    assert [services(given)[name]["environment"]["PGHOST"] for name in ("head", "api")] == ["postgres", "postgres"]
    assert any(text.startswith("databases.postgres.trust_socket:") for text in exported(given).warnings)
