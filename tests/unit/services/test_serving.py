"""What a Serve config means on one machine: what is changed, what is said about it, and where Serve is reached then."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from daybreak.services.ray import addresses, environment, haproxy, serve
from daybreak.services.ray.serve_config import Serving, is_within, serving
from daybreak.services.site import RayInstall, Site
from daybreak.spec.model import Spec
from tests.unit.services import engine

RAY = RayInstall("2.60.0", "/ray/bin/python", "/ray/bin/ray", haproxy="/ray/haproxy")
APPS = [{"name": "default", "import_path": "app:main"}]
# What `serve build` writes.
BUILT = {
    "proxy_location": "EveryNode",
    "http_options": {"host": "0.0.0.0", "port": 8000},
    "grpc_options": {"port": 9000, "grpc_servicer_functions": []},
    "logging_config": {"encoding": "TEXT", "log_level": "INFO"},
    "applications": APPS,
}


def spec(**written: Any) -> Spec:
    return Spec.model_validate({"name": "shop", "serve": {"config": "conf/serve.yaml"}, **written})


def site(config: dict[str, Any] | None, **rest: Any) -> Site:
    names = [*addresses.port_names(spec()), *addresses.doors_elsewhere()]
    ports = {name: 20000 + number for number, name in enumerate(names)}
    folders = {name: f"/x/{name}" for name in ("root", "runtime", "logs", "data", "secrets_folder")}
    fields = {"base": "/shop", "ray": RAY, "node_ip": "127.0.0.2", "ports": ports, "serve_config": config, **folders}
    return Site(**{**fields, **rest})


def reached(config: dict[str, Any], **written: Any) -> Serving:
    return serving(spec(**written), site(config))


def deployed(config: dict[str, Any], **written: Any) -> dict[str, Any]:
    found = reached(config, **written).config
    assert found is not None
    return dict(found)


def test_what_the_file_leaves_open_is_filled_in_and_nothing_is_said() -> None:
    found = reached({"applications": APPS})
    assert found.config == {
        "http_options": {"port": 8000, "host": "127.0.0.1"},
        "proxy_location": "HeadOnly",
        "applications": APPS,
    }
    assert (found.host, found.port, found.scheme, found.notes) == ("127.0.0.1", 8000, "http", ())


def test_a_built_config_gets_one_proxy_behind_the_specs_listen_and_that_is_said() -> None:
    found = reached(BUILT)
    assert found.config == BUILT | {"proxy_location": "HeadOnly", "http_options": {"host": "127.0.0.1", "port": 8000}}
    host, location = found.notes
    assert "host 0.0.0.0 becomes 127.0.0.1" in host
    assert "`listen: 0.0.0.0` opens it" in host
    assert "proxy_location EveryNode becomes HeadOnly" in location
    assert all(note.startswith("conf/serve.yaml: ") for note in found.notes)


def test_an_open_cluster_opens_serve_as_the_file_says() -> None:
    config = BUILT | {"proxy_location": "HeadOnly"}
    found = reached(config, listen="0.0.0.0")
    assert (found.config, found.notes) == (config, ())
    assert addresses.serve_url(spec(listen="0.0.0.0"), site(config)) == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("host", "listen", "within"),
    [
        ("0.0.0.0", "127.0.0.1", False),
        ("::", "127.0.0.1", False),
        ("192.0.2.7", "127.0.0.1", False),
        ("shop.example", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("0.0.0.0", "192.0.2.7", False),
        ("192.0.2.7", "0.0.0.0", True),
    ],
)
def test_a_host_opens_no_more_than_listen_does(host: str, listen: str, within: bool) -> None:
    assert is_within(host, listen) is within


def test_everything_else_is_deployed_as_it_stands() -> None:
    config = {
        "http_options": {
            "host": "127.0.0.1",
            "port": 8123,
            "root_path": "/shop",
            "request_timeout_s": 7.5,
            "keep_alive_timeout_s": 11,
        },
        "grpc_options": {"port": 9123, "grpc_servicer_functions": ["pb:add"], "request_timeout_s": 3},
        "proxy_location": "HeadOnly",
        "logging_config": {"encoding": "JSON", "log_level": "DEBUG", "enable_access_log": False},
        "target_capacity": 40.0,
        "applications": [
            {
                "name": "scaled",
                "import_path": "app:main",
                "route_prefix": "/scaled",
                "external_scaler_enabled": True,
                "runtime_env": {"working_dir": "https://host/code.zip", "env_vars": {"A": "1"}},
                "deployments": [{"name": "App", "num_replicas": 2, "max_ongoing_requests": 9}],
            }
        ],
    }
    found = reached(config)
    assert found.config == config
    assert found.port == 8123
    assert [note for note in found.notes if "gRPC" not in note] == []


def test_without_a_proxy_there_is_no_door_to_wait_for() -> None:
    config = {"proxy_location": "Disabled", "applications": APPS}
    made = serve.serve(spec(), site(config))
    assert deployed(config)["proxy_location"] == "Disabled"
    assert [gate.name for gate in made.gates] == ["submitted", "running"]
    assert (made.health.check, made.ports, dict(made.urls)) == (None, (), {})
    assert not haproxy.wanted(spec(), site(config))
    asked = spec(serve={"config": "conf/serve.yaml", "health": "/health"})
    assert serving(asked, site(config)).notes == (
        "serve.health is not asked: conf/serve.yaml has proxy_location Disabled",
    )


def test_tls_is_spoken_by_serves_own_proxy_and_by_whoever_asks_it() -> None:
    options = {"ssl_keyfile": "key.pem", "ssl_certfile": "cert.pem"}
    config = {"http_options": options, "applications": APPS}
    made = serve.serve(spec(serve={"config": "conf/serve.yaml", "health": "/health"}), site(config))
    assert dict(made.urls) == {"serve": "https://127.0.0.1:8000"}
    assert made.gates[-1].check == made.health.check
    check = made.health.check
    assert (check.url, check.any_certificate) == ("https://127.0.0.1:8000/health", True)  # type: ignore[union-attr]
    assert deployed(config)["http_options"] == {**options, "port": 8000, "host": "127.0.0.1"}
    assert not haproxy.wanted(spec(), site(config))
    (note,) = serve.notes(spec(), site(config))
    assert note.startswith("HAProxy is left out: conf/serve.yaml asks for TLS")


def test_an_old_ray_that_ignores_tls_is_asked_as_it_speaks() -> None:
    config = {"http_options": {"ssl_keyfile": "key.pem", "ssl_certfile": "cert.pem"}, "applications": APPS}
    found = serving(spec(), site(config, ray=RayInstall("2.20.0", "/ray/bin/python", "/ray/bin/ray")))
    assert found.scheme == "http"
    assert found.notes == ("conf/serve.yaml: Ray 2.20.0 knows no TLS (2.50 and newer do) and will speak plain HTTP",)


def test_haproxy_is_left_out_where_requests_belong_to_certain_replicas_unless_it_is_asked_for() -> None:
    affine = site({"applications": APPS}, affinity="app.py:12 (serve.multiplexed)")
    assert not haproxy.wanted(spec(), affine)
    (note,) = serve.notes(spec(), affine)
    assert note.startswith("HAProxy is left out: app.py:12 (serve.multiplexed) sends")
    asked = spec(serve={"config": "conf/serve.yaml", "haproxy": True})
    assert haproxy.wanted(asked, affine)
    (note,) = serve.notes(asked, affine)
    assert note.startswith("HAProxy is there, since serve.haproxy is true, although app.py:12 (serve.multiplexed)")
    refused = spec(serve={"config": "conf/serve.yaml", "haproxy": False})
    without = replace(affine, ray=replace(RAY, haproxy=""))
    assert (serve.notes(refused, affine), serve.notes(spec(), without)) == ((), ())


def test_a_request_router_of_the_files_own_counts_as_much() -> None:
    router = {"request_router_class": "mine.router:Sticky"}
    apps = [{**APPS[0], "deployments": [{"name": "App", "request_router_config": router}]}]
    assert reached({"applications": apps}).affinity == "conf/serve.yaml: request_router_class mine.router:Sticky"
    default = {"request_router_class": "ray.serve._private.request_router:PowerOfTwoChoicesRequestRouter"}
    apps[0]["deployments"][0]["request_router_config"] = default  # type: ignore[index]
    assert reached({"applications": apps}).affinity == ""


def test_local_code_is_found_beside_the_file_and_will_be_packed() -> None:
    environment = {"working_dir": "../code", "py_modules": ["lib", "s3://bucket/lib.zip"], "env_vars": {"A": "1"}}
    deployment = {"name": "App", "ray_actor_options": {"num_cpus": 1, "runtime_env": {"working_dir": "/abs/code.zip"}}}
    found = reached({"applications": [{**APPS[0], "runtime_env": environment, "deployments": [deployment]}]})
    assert found.config is not None
    (app,) = found.config["applications"]
    assert app["runtime_env"] == {
        "working_dir": "/shop/code",
        "py_modules": ["/shop/conf/lib", "s3://bucket/lib.zip"],
        "env_vars": {"A": "1"},
    }
    assert app["deployments"][0]["ray_actor_options"]["runtime_env"] == {"working_dir": "/abs/code.zip"}
    assert [note.split(" is packed")[0] for note in found.notes] == [
        "conf/serve.yaml: runtime_env ../code",
        "conf/serve.yaml: runtime_env lib",
        "conf/serve.yaml: runtime_env /abs/code.zip",
    ]


def test_grpc_has_a_port_that_is_claimed_and_an_address_that_is_told() -> None:
    config = {"grpc_options": {"grpc_servicer_functions": ["pb:add"]}, "applications": APPS}
    asked = spec(serve={"config": "conf/serve.yaml", "haproxy": True})
    assert [(c.host, c.port) for c in serve.claims(asked, site(config))] == [("127.0.0.1", 8000), ("127.0.0.1", 9000)]
    open_replicas, shared = serve.notes(asked, site(config))
    assert open_replicas.startswith("gRPC: replicas behind HAProxy listen on all interfaces:")
    assert "replicas of different nodes share a port" in shared
    assert not haproxy.wanted(spec(), site(config))
    assert serve.notes(spec(), site(config))[-1].startswith("HAProxy is left out: conf/serve.yaml asks for gRPC")
    plain = site(config, ray=replace(RAY, haproxy=""))
    assert [(c.host, c.port) for c in serve.claims(spec(), plain)] == [("127.0.0.1", 8000), ("0.0.0.0", 9000)]
    (note,) = serve.notes(spec(), plain)
    assert note.startswith("gRPC: port 9000 listens on all interfaces, not on 127.0.0.1")
    assert serve.notes(spec(listen="0.0.0.0"), plain) == ()


def test_replicas_behind_haproxy_choose_their_ports_where_no_other_cluster_does() -> None:
    config = {"applications": APPS}
    placed = site(config, ports={**site(config).ports, "head.replicas": 28200})
    env = environment.ray_env(spec(), placed)
    ranges = {name.removeprefix("RAY_SERVE_DIRECT_INGRESS_"): env[name] for name in env if name.endswith("_PORT")}
    assert {name: ranges[name] for name in ranges if name.startswith(("MIN", "MAX"))} == {
        "MIN_HTTP_PORT": "28200",
        "MAX_HTTP_PORT": "28360",
        "MIN_GRPC_PORT": "28360",
        "MAX_GRPC_PORT": "28400",
    }


def test_a_port_that_the_offset_does_not_move_is_told() -> None:
    found = reached({"http_options": {"port": 8123}, "applications": APPS}, ports={"offset": 100})
    assert found.port == 8123
    assert found.notes == ("conf/serve.yaml: port 8123 stays: ports.offset does not move what this file says",)


def test_in_containers_serve_listens_inside_and_is_published_where_it_is_allowed() -> None:
    wanted = engine.spec(serve={"config": "conf/serve.yaml"})
    outside = replace(engine.site(wanted), serve_config=BUILT | {"grpc_options": {"grpc_servicer_functions": ["a:b"]}})
    assert [(c.host, c.port) for c in serve.claims(wanted, outside)] == [("127.0.0.1", 8000), ("127.0.0.1", 9000)]
    from daybreak.services.container_site import site_inside

    within = serving(wanted, site_inside(outside, "head"))
    assert within.config is not None
    assert within.config["http_options"]["host"] == "0.0.0.0"
    assert within.host == "127.0.0.1"


@pytest.mark.parametrize("broken", [{}, {"applications": None}, {"applications": 3, "http_options": [], "kind": "x"}])
def test_what_has_another_form_is_left_to_ray(broken: dict[str, Any]) -> None:
    assert json.loads(json.dumps(reached(broken).config))["proxy_location"] == "HeadOnly"


def test_ray_itself_reads_what_is_deployed_as_it_reads_the_file() -> None:
    """But for what the notes say. Keys that an older Ray does not know it ignores in both."""
    schema = pytest.importorskip("ray.serve.schema").ServeDeploySchema
    read = getattr(schema, "model_validate", None) or schema.parse_obj
    deployment = {"name": "App", "num_replicas": 2, "max_ongoing_requests": 9, "user_config": {"a": 1}}
    app = {
        "name": "scaled",
        "import_path": "app:main",
        "route_prefix": "/scaled",
        "runtime_env": {"working_dir": "file:///code.zip", "env_vars": {"A": "1"}},
        "args": {"greeting": "hello"},
        "external_scaler_enabled": True,
        "deployments": [deployment],
    }
    config = {
        "proxy_location": "EveryNode",
        "http_options": {
            "host": "0.0.0.0",
            "port": 8123,
            "root_path": "/shop",
            "request_timeout_s": 7.5,
            "keep_alive_timeout_s": 11,
            "ssl_keyfile": "key.pem",
            "ssl_certfile": "cert.pem",
        },
        "grpc_options": {"port": 9123, "grpc_servicer_functions": ["a:b"], "request_timeout_s": 3},
        "logging_config": {"encoding": "JSON", "log_level": "DEBUG", "enable_access_log": False},
        "target_capacity": 40.0,
        "applications": [app],
    }
    given, made = read(config), read(deployed(config))
    for key in ("grpc_options", "logging_config", "target_capacity", "applications"):
        assert getattr(made, key) == getattr(given, key)
    assert {key: value for key, value in made.http_options if key != "host"} == {
        key: value for key, value in given.http_options if key != "host"
    }
    assert (made.http_options.host, made.proxy_location.value) == ("127.0.0.1", "HeadOnly")
