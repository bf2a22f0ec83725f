"""What the manifests say of a spec."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from daybreak.extras.export.kuberay.manifests import Wishes, secret_values
from daybreak.spec import Spec
from tests.unit.extras.export.kuberay.samples import (
    EVERYTHING,
    SERVICE,
    TARGET,
    Object,
    exported,
    objects,
    one,
    texts,
    variables,
)
from tests.unit.extras.export.samples import OLD_RAY

ALL = ("postgres", "redis", "mysql", "neo4j")


def ray_container(group: Object) -> Object:
    found: Object = group["template"]["spec"]["containers"][0]
    return found


def cluster(given: Object) -> Object:
    found: Object = one(exported(given), "RayCluster")["spec"]
    return found


def test_applications_are_a_service_and_none_a_cluster() -> None:
    assert {each["kind"] for each in objects(exported(SERVICE)) if "ray.io" in each["apiVersion"]} == {"RayService"}
    assert cluster({})["rayVersion"] == "2.60.0"
    job = one(exported(SERVICE, wishes=Wishes(job="python x.py --all")), "RayJob")["spec"]
    assert job["entrypoint"] == "python x.py --all"
    head = ray_container(job["rayClusterSpec"]["headGroupSpec"])
    assert "serve" not in [port["name"] for port in head["ports"]]


def test_what_nodes_offer() -> None:
    workers = {"count": 3, "cpus": "1500m", "gpus": 1, "memory": "2GiB", "object_store": "1GiB"}
    found = cluster({"head": {"cpus": 0}, "workers": {**workers, "resources": {"it's": 2}, "labels": {"zone": "left"}}})
    assert found["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert ray_container(found["headGroupSpec"])["resources"] == {"requests": {"cpu": "0.5", "memory": "1792Mi"}}
    group = found["workerGroupSpecs"][0]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (3, 3, 3)
    assert group["labels"] == {"zone": "left"}
    assert group["rayStartParams"] == {
        "num-cpus": "2",
        "num-gpus": "1",
        "memory": str(2 << 30),
        "object-store-memory": str(1 << 30),
        # In a shell's command.
        "resources": """'{"it'"'"'s": 2.0}'""",
    }
    both = {"cpu": "1.5", "memory": "3840Mi"}
    assert ray_container(group)["resources"] == {"requests": both, "limits": {**both, "nvidia.com/gpu": "1"}}


def test_no_workers_can_become_some() -> None:
    group = cluster({"workers": {"count": 0}})["workerGroupSpecs"][0]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (0, 0, 1)


def test_probes_follow_the_spec() -> None:
    policy = {"interval": "7s", "timeout": "1500ms", "retries": 3}
    found = one(exported({**SERVICE, "health": policy, "start_timeout": "60s"}), "RayService")["spec"]
    group = found["rayClusterConfig"]["workerGroupSpecs"][0]
    probe = ray_container(group)["livenessProbe"]
    assert (probe["periodSeconds"], probe["timeoutSeconds"], probe["failureThreshold"]) == (7, 2, 3)
    start = ray_container(group)["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] == 60
    ready = ray_container(group)["readinessProbe"]
    assert ready["exec"]["command"][-1].endswith(":8000/-/healthz")
    assert ready["failureThreshold"] == 1, "a pod without a proxy gets no request"
    alone = cluster({})["workerGroupSpecs"][0]
    assert ray_container(alone)["readinessProbe"]["exec"]["command"][-1].endswith("local_raylet_healthz")


def test_changes_move_requests_at_once_or_step_by_step() -> None:
    assert one(exported(SERVICE), "RayService")["spec"]["upgradeStrategy"] == {"type": "NewCluster"}
    steps = one(exported(SERVICE, wishes=Wishes(gateway_class="istio")), "RayService")["spec"]["upgradeStrategy"]
    assert steps["type"] == "NewClusterWithIncrementalUpgrade"
    assert steps["clusterUpgradeOptions"]["gatewayClassName"] == "istio"


def test_ray_asks_for_its_token_where_it_can() -> None:
    assert cluster({})["authOptions"] == {"mode": "token", "secretName": "shop-ray-token"}
    old = one(exported({}, replace(TARGET, ray=OLD_RAY)), "RayCluster")
    assert "authOptions" not in old["spec"]
    assert "ray-token" not in exported({}, replace(TARGET, ray=OLD_RAY)).secrets


def test_no_secret_is_in_the_manifests() -> None:
    spec = Spec.model_validate(EVERYTHING)
    export = exported(EVERYTHING)
    assert export.secrets == ("ray-token", *ALL)
    passwords = {name: f"secret-of-{name}" for name in export.secrets}
    made = secret_values(spec, TARGET, passwords, ())
    assert made["database-url"] == "postgresql://daybreak:secret-of-postgres@shop-postgres:5432/daybreak"
    assert set(made) == {"database-url", "redis-url", "mysql-url", "neo4j-auth"}
    assert not any("secret-of" in text for text in texts(export).values())


def test_programs_find_the_databases() -> None:
    service = one(exported(EVERYTHING), "RayService")["spec"]["rayClusterConfig"]
    api = one(exported(EVERYTHING), "Deployment", "shop-api")["spec"]["template"]["spec"]["containers"][0]
    for container in (ray_container(service["headGroupSpec"]), api):
        env = variables(container)
        assert env["DATABASE_URL"] == "shop-secrets/database-url"
        assert (env["PGHOST"], env["PGPASSWORD"]) == ("shop-postgres", "shop-secrets/postgres")
        assert "PGPASSFILE" not in env
    env = variables(api)
    assert env["RAY_API_SERVER_ADDRESS"] == env["RAY_DASHBOARD_ADDRESS"] == "http://shop-head-svc:8265"
    assert env["RAY_AUTH_TOKEN"] == "shop-ray-token/auth_token"
    assert one(exported(EVERYTHING), "Service", "shop-postgres")["spec"]["ports"][0]["port"] == 5432


def test_a_database_that_is_elsewhere_is_named_by_its_address_alone() -> None:
    export = exported(EVERYTHING, wishes=Wishes(external=frozenset(["postgres"])))
    assert "postgres" not in export.secrets
    assert "shop-postgres" not in {each["metadata"]["name"] for each in objects(export)}
    head = one(export, "RayService")["spec"]["rayClusterConfig"]["headGroupSpec"]
    env = variables(ray_container(head))
    assert env["DATABASE_URL"] == "shop-secrets/database-url"
    assert not [name for name in env if name.startswith("PG")]
    spec = Spec.model_validate(EVERYTHING)
    assert "database-url" not in secret_values(spec, TARGET, {"redis": "x", "mysql": "x", "neo4j": "x"}, ["postgres"])
    assert "secrets/database-url" in texts(export)["README.md"]


def test_databases_keep_their_data_below_the_volumes_top() -> None:
    postgres = one(exported(EVERYTHING, wishes=Wishes(storage="20Gi")), "StatefulSet", "shop-postgres")["spec"]
    assert postgres["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "20Gi"
    container = postgres["template"]["spec"]["containers"][0]
    data = next(mount for mount in container["volumeMounts"] if mount["mountPath"] == "/var/lib/postgresql/data")
    assert data["subPath"] == "data"
    assert container["args"][-2:] == ["-c", "log_statement=all"]
    assert container["readinessProbe"]["exec"]["command"][0] == "pg_isready"
    assert variables(container)["POSTGRES_PASSWORD_FILE"] in [mount["mountPath"] for mount in container["volumeMounts"]]


@pytest.mark.parametrize(
    ("name", "kind"), [("api", "Deployment"), ("files", "StatefulSet"), ("once", "Job"), ("broker", "Deployment")]
)
def test_own_services(name: str, kind: str) -> None:
    found = one(exported(EVERYTHING), kind, f"shop-{name}")["spec"]["template"]["spec"]
    container = found["containers"][0]
    if name == "api":
        assert container["workingDir"] == "/app/web"
        assert container["readinessProbe"]["exec"]["command"][-1] == "http://127.0.0.1:9100/"
        assert one(exported(EVERYTHING), "Service", "shop-api")["spec"]["ports"][0]["port"] == 9100
    if name == "files":
        assert container["volumeMounts"] == [{"name": "store", "mountPath": "/data", "subPath": "store"}]
    if name == "once":
        assert found["restartPolicy"] == "Never"
        assert container["args"][-1] == "$$(HOME)", "no variable of Kubernetes"
    if name == "broker":
        assert container["image"] == "rabbitmq:4"
        assert "workingDir" not in container
        assert container["readinessProbe"]["tcpSocket"] == {"port": 5672}
        assert container["resources"]["limits"] == {"memory": "512Mi"}


def test_a_step_and_what_runs_now_and_then() -> None:
    step = one(exported(EVERYTHING), "Job", "shop-migrate")["spec"]
    assert step["backoffLimit"] > 0, "what it needs may not be there yet"
    nightly = one(exported(EVERYTHING), "CronJob", "shop-nightly")["spec"]
    assert (nightly["schedule"], nightly["timeZone"]) == ("0 3 * * *", "Europe/Berlin")
    assert nightly["concurrencyPolicy"] == "Forbid"


def test_the_users_own_secrets_are_named_and_in_no_file() -> None:
    export = exported(EVERYTHING)
    pod = one(export, "CronJob", "shop-nightly")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    env = variables(container)
    assert (env["KEY_FILE"], env["HOOK"]) == ("/run/own-secrets/key", "shop-own/hook")
    assert "DAYBREAK_SECRETS" not in env
    assert pod["volumes"][0]["secret"] == {"secretName": "shop-own", "items": [{"key": "key", "path": "key"}]}
    assert [each["secretRef"] for each in container["envFrom"]] == [
        {"name": "shop-env-common-env"},
        {"name": "shop-env-night-env", "optional": True},
    ]
    workers = one(export, "RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    assert variables(ray_container(workers))["KEY_FILE"] == "/run/own-secrets/key", "a replica may be anywhere"
    told = texts(export)["README.md"]
    assert 'kubectl create secret generic shop-own --from-file=key=keys/api --from-literal=hook="$HOOK_URL"' in told
    assert "kubectl create secret generic shop-env-common-env --from-env-file=common.env" in told


def test_a_serve_config_without_what_is_on_this_machine() -> None:
    config = {
        "proxy_location": "HeadOnly",
        "http_options": {"port": 9999, "request_timeout_s": 5, "ssl_keyfile": "key.pem"},
        "applications": [
            {
                "import_path": "app:main",
                "runtime_env": {"working_dir": "./code", "py_modules": ["./a", "s3://b/a.zip"], "env_vars": {"A": "1"}},
                "deployments": [{"name": "App", "ray_actor_options": {"runtime_env": {"working_dir": "/x"}}}],
            }
        ],
    }
    export = exported({"serve": {"config": "serve.yaml"}}, replace(TARGET, serve_config=config))
    found = yaml.safe_load(one(export, "RayService")["spec"]["serveConfigV2"])
    assert found["proxy_location"] == "EveryNode"
    assert found["http_options"] == {"port": 8000, "request_timeout_s": 5, "host": "0.0.0.0"}
    app = found["applications"][0]
    assert app["runtime_env"] == {"py_modules": ["s3://b/a.zip"], "env_vars": {"A": "1"}}
    assert app["deployments"][0]["ray_actor_options"] == {"runtime_env": {}}
    told = " ".join(export.warnings)
    for word in ("9999", "HeadOnly", "ssl_", "./code", "./a", "/x"):
        assert word in told


def test_what_cannot_be_said_is_told() -> None:
    given = {
        **SERVICE,
        "backend": "docker",
        "warm": True,
        "page": True,
        "gateway": True,
        "tls": {"certificate": "c", "key": "k"},
        "alerts": {"webhook": "https://hooks.example.com/x"},
        "ports": {"serve": 9000},
        "services": {"own": {"command": ["x"], "volumes": ["./here:/there"], "needs": ["serve"], "tier": "data"}},
    }
    told = exported(given).warnings
    for begin in ("warm", "page", "gateway", "tls", "alerts", "ports", "head.memory", "workers.memory"):
        assert any(line.startswith(f"{begin}:") for line in told), begin
    own = [line for line in told if line.startswith("services.own")]
    assert len(own) == 3


def test_monitoring_is_left_out_with_prometheus() -> None:
    assert not [path for path in texts(exported({"prometheus": False})) if path.startswith("monitoring/")]
    boards = yaml.safe_load(texts(exported({}))["monitoring/kustomization.yaml"])["configMapGenerator"]
    assert boards[0]["options"]["labels"] == {"grafana_dashboard": "1"}
    plain = texts(exported({"grafana": False}))
    assert "configMapGenerator" not in yaml.safe_load(plain["monitoring/kustomization.yaml"])
