"""What Serve is told, and how it is reached: a Serve config means here what it means to `serve deploy`. Pure.

Where one machine, or the spec, asks for something else than the config has, a note says what is changed and why.
"""

from __future__ import annotations

import ipaddress
import os.path
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daybreak.services.inside import binds
from daybreak.services.site import Site
from daybreak.spec.model import Spec

EVERYWHERE = ("0.0.0.0", "::")
HEAD_ONLY, DISABLED = "HeadOnly", "Disabled"
DEFAULT_GRPC_PORT = 9000
DEFAULT_ROUTER = "PowerOfTwoChoicesRequestRouter"


@dataclass(frozen=True)
class Serving:
    """Serve's door, and its config as it is deployed.

    `host` and `port` are where people reach it; without `http` it has no HTTP door at all. With `tls` it speaks HTTPS.
    `grpc_port` is None where no gRPC is served. `affinity` says where a request must go to a certain replica, empty
    where any will do. `config` is None where the applications are given by import path.
    """

    host: str
    port: int
    http: bool = True
    tls: bool = False
    grpc_port: int | None = None
    affinity: str = ""
    config: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"


def serving(spec: Spec, site: Site) -> Serving:
    """What the spec and its Serve config come to on this site."""
    given = site.serve_config
    if given is None:
        return Serving(spec.listen, spec.port("serve"), affinity=site.affinity)
    options, name = _mapping(given.get("http_options")), spec.serve.config or "the Serve config"
    host = str(options.get("host") or spec.listen)
    allowed = host if is_within(host, spec.listen) else spec.listen
    port = _number(options.get("port"), spec.port("serve"))
    return Serving(
        host=allowed,
        port=port,
        http=given.get("proxy_location") != DISABLED,
        tls=_asks_for_tls(options) and site.ray.serves_tls,
        grpc_port=_grpc_port(given),
        affinity=site.affinity or _router(given, name),
        config=_deployed(given, {"port": port, **options, "host": binds(allowed, site)}, _folder(spec, site)),
        notes=tuple(_notes(spec, site, given, options, name)),
    )


def _deployed(given: Mapping[str, Any], options: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The config with these options, what it leaves open filled in, and absolute paths of local code."""
    config = {**given, "http_options": options}
    if given.get("proxy_location") != DISABLED:
        # All nodes share a machine: a second proxy would fight the first one for the port.
        config["proxy_location"] = HEAD_ONLY
    config["applications"] = [_with_places(app, folder) for app in _applications(given)]
    return config


def _notes(spec: Spec, site: Site, given: Mapping[str, Any], options: Mapping[str, Any], name: str) -> Iterator[str]:
    """What is not as the file says, and why."""
    host, location = options.get("host"), given.get("proxy_location")
    if host and not is_within(str(host), spec.listen):
        yield (
            f"{name}: host {host} becomes {spec.listen}, the spec's `listen`, which decides who reaches the cluster "
            f"(`listen: {host}` opens it)"
        )
    if location not in (None, HEAD_ONLY, DISABLED):
        yield f"{name}: proxy_location {location} becomes {HEAD_ONLY}: all nodes share this machine and Serve's port"
    if location == DISABLED and spec.serve.health:
        yield f"serve.health is not asked: {name} has proxy_location {DISABLED}"
    if _asks_for_tls(options) and not site.ray.serves_tls:
        yield f"{name}: Ray {site.ray.version} knows no TLS (2.50 and newer do) and will speak plain HTTP"
    if spec.ports.offset and "port" in options:
        yield f"{name}: port {options['port']} stays: ports.offset does not move what this file says"
    for app in _applications(given):
        for place in _local_code(app):
            yield f"{name}: {place} is packed and uploaded, as `ray job submit` does"


def in_own_network(site: Site) -> bool:
    """Are Ray's nodes containers in a network of their own? Then only what is published is reached from elsewhere."""
    return site.engine is not None and site.engine.network is not None


def is_loopback(listen: str) -> bool:
    """`localhost` or a loopback address; any other name may mean anything."""
    try:
        return ipaddress.ip_address(listen).is_loopback
    except ValueError:
        return listen == "localhost"


def is_within(host: str, listen: str) -> bool:
    """Does an address open no more than `listen` does?"""
    return listen in EVERYWHERE or host == listen or is_loopback(host)


def _grpc_port(given: Mapping[str, Any]) -> int | None:
    options = _mapping(given.get("grpc_options"))
    return _number(options.get("port"), DEFAULT_GRPC_PORT) if options.get("grpc_servicer_functions") else None


def _number(value: Any, default: int) -> int:
    """A port; what is none is for Ray to refuse."""
    return value if isinstance(value, int) else default


def _asks_for_tls(options: Mapping[str, Any]) -> bool:
    return bool(options.get("ssl_keyfile") and options.get("ssl_certfile"))


def _router(given: Mapping[str, Any], name: str) -> str:
    """Where a config chooses the replica of a request in its own way."""
    for app in _applications(given):
        for deployment in _mapping(app).get("deployments") or ():
            router = str(_mapping(_mapping(deployment).get("request_router_config")).get("request_router_class", ""))
            if router and not router.endswith(DEFAULT_ROUTER):
                return f"{name}: request_router_class {router}"
    return ""


def _folder(spec: Spec, site: Site) -> str:
    """The config's folder: what it names is relative to it."""
    return os.path.normpath(os.path.join(site.base, os.path.dirname(spec.serve.config or "")))


def _with_places(app: Any, folder: str) -> Any:
    """The application with absolute paths of its local code."""
    if not isinstance(app, Mapping):
        return app
    made = dict(app)
    if "runtime_env" in made:
        made["runtime_env"] = _absolute(made["runtime_env"], folder)
    if made.get("deployments"):
        made["deployments"] = [_deployment(deployment, folder) for deployment in made["deployments"]]
    return made


def _deployment(deployment: Any, folder: str) -> Any:
    options = _mapping(_mapping(deployment).get("ray_actor_options"))
    if "runtime_env" not in options:
        return deployment
    return {**deployment, "ray_actor_options": {**options, "runtime_env": _absolute(options["runtime_env"], folder)}}


def _absolute(environment: Any, folder: str) -> Any:
    if not isinstance(environment, Mapping):
        return environment

    def place(path: Any) -> Any:
        return os.path.normpath(os.path.join(folder, os.path.expanduser(path))) if is_local(path) else path

    made = dict(environment)
    if "working_dir" in made:
        made["working_dir"] = place(made["working_dir"])
    if isinstance(made.get("py_modules"), list):
        made["py_modules"] = [place(path) for path in made["py_modules"]]
    return made


def is_local(path: Any) -> bool:
    """A path of this machine; Ray fetches what has a scheme."""
    return isinstance(path, str) and "://" not in path


def _local_code(app: Any) -> Iterator[str]:
    """Every local folder that an application's environments name."""
    environments = [_mapping(_mapping(app).get("runtime_env"))]
    for deployment in _mapping(app).get("deployments") or ():
        environments.append(_mapping(_mapping(_mapping(deployment).get("ray_actor_options")).get("runtime_env")))
    for environment in environments:
        modules = environment.get("py_modules")
        paths = [environment.get("working_dir"), *(modules if isinstance(modules, list) else ())]
        yield from (f"runtime_env {path}" for path in paths if is_local(path))


def _applications(given: Mapping[str, Any]) -> Sequence[Any]:
    found = given.get("applications")
    return found if isinstance(found, list) else ()


def _mapping(value: Any) -> Mapping[str, Any]:
    """What is not a mapping is for Ray to refuse."""
    return value if isinstance(value, Mapping) else {}
