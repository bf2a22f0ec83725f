"""What Serve is told, and how it is reached: a Serve config means here what it means to `serve deploy`. Pure.

Where one machine, or the spec, asks for something else than the config has, a note says what is changed and why.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from daybreak.hosts import LOOPBACK, is_loopback
from daybreak.names import HEAD, SERVE
from daybreak.services.container_site import binds
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec

EVERYWHERE = ("0.0.0.0", "::")
HEAD_ONLY, DISABLED = "HeadOnly", "Disabled"
DEFAULT_GRPC_PORT = 9000
# Where Serve itself listens behind the gateway, in `Site.ports`.
OWN_PORT, OWN_GRPC_PORT = "head.serve_http", "head.serve_grpc"
# What begins so is about certificates.
TLS_OPTIONS = "ssl_"
DEFAULT_ROUTER = "PowerOfTwoChoicesRequestRouter"


def in_slot(site: Site, slot: Slot, port: str) -> str:
    """The name that a port has in `Site.ports`, where the app tier is in this slot."""
    return port if slot is site.slot else f"{slot}.{port}"


@dataclass(frozen=True)
class Serving:
    """Serve's door, and its config as it is deployed.

    `host` and `port` are where people reach it; without `http` it has no HTTP door at all. With `tls` they speak HTTPS
    there, which ends at the gateway where there is one.
    `own_port` is where Serve itself listens, on loopback, while the gateway has that port; None where there is none.
    `grpc_port` is None where no gRPC is served, `own_grpc_port` as for HTTP. `affinity` says where a request must go to
    a certain replica, empty where any will do. `config` is None where the applications are given by import path.
    """

    host: str
    port: int
    http: bool = True
    tls: bool = False
    grpc_port: int | None = None
    own_port: int | None = None
    own_grpc_port: int | None = None
    affinity: str = ""
    config: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def own_tls(self) -> bool:
        """Does Serve itself speak TLS?"""
        return self.tls and not self.behind_gateway

    @property
    def own_scheme(self) -> str:
        """What Serve itself speaks."""
        return "https" if self.own_tls else "http"

    @property
    def behind_gateway(self) -> bool:
        return self.own_port is not None

    @property
    def binds(self) -> tuple[str, int]:
        """The address at which Serve itself listens on this machine."""
        return (LOOPBACK, self.own_port) if self.own_port is not None else (self.host, self.port)


def serving(spec: Spec, site: Site) -> Serving:
    """What the spec and its Serve config come to on this site."""
    given = site.serve_config
    own_port = site.ports.get(OWN_PORT) if site.gateway and spec.serve.wanted else None
    if given is None:
        tls = bool(own_port and spec.tls and site.tls)
        return Serving(spec.listen, spec.port("serve"), tls=tls, own_port=own_port, affinity=site.affinity)
    options, name = _mapping(given.get("http_options")), spec.serve.config or "the Serve config"
    host = str(options.get("host") or spec.listen)
    allowed = host if is_within(host, spec.listen) else spec.listen
    serves_tls = _asks_for_tls(options) and site.ray.serves_tls
    if (serves_tls and not site.tls) or given.get("proxy_location") == DISABLED:
        own_port = None
    tls = bool(site.tls) if own_port else serves_tls
    grpc_port = _grpc_port(given)
    at = Serving(
        host=allowed,
        port=_number(options.get("port"), spec.port("serve")),
        http=given.get("proxy_location") != DISABLED,
        tls=tls,
        grpc_port=grpc_port,
        own_port=own_port,
        own_grpc_port=site.ports[OWN_GRPC_PORT] if own_port and grpc_port else None,
        affinity=site.affinity or _router(given, name),
        notes=tuple(_notes(spec, site, given, options, name, tls=tls)),
    )
    return replace(at, config=_deployed(given, _http_options(at, options, site), at, _folder(spec, site)))


def _http_options(at: Serving, given: Mapping[str, Any], site: Site) -> dict[str, Any]:
    host, port = at.binds
    options = {"port": port, **given, "host": binds(host, site)}
    if not at.behind_gateway:
        return options
    return {key: value for key, value in options.items() if not key.startswith(TLS_OPTIONS)} | {"port": port}


def _deployed(given: Mapping[str, Any], options: Mapping[str, Any], at: Serving, folder: str) -> dict[str, Any]:
    """The config with these options, what it leaves open filled in, and absolute paths of local code."""
    config = {**given, "http_options": options}
    if at.own_grpc_port:
        config["grpc_options"] = {**_mapping(given.get("grpc_options")), "port": at.own_grpc_port}
    if given.get("proxy_location") != DISABLED:
        # All nodes share a machine: a second proxy would fight the first one for the port.
        config["proxy_location"] = HEAD_ONLY
    config["applications"] = [_with_places(app, folder) for app in _applications(given)]
    return config


def _notes(
    spec: Spec, site: Site, given: Mapping[str, Any], options: Mapping[str, Any], name: str, *, tls: bool
) -> Iterator[str]:
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
    if _asks_for_tls(options) and not tls and not site.ray.serves_tls:
        yield f"{name}: Ray {site.ray.version} knows no TLS (2.50 and newer do) and will speak plain HTTP"
    if spec.ports.offset and "port" in options:
        yield f"{name}: port {options['port']} stays: ports.offset does not move what this file says"
    for app in _applications(given):
        for place in local_code(app):
            yield f"{name}: {place} is packed and uploaded, as `ray job submit` does"


def in_own_network(site: Site) -> bool:
    """Are Ray's nodes containers in a network of their own? Then only what is published is reached from elsewhere."""
    return site.engine is not None and site.engine.network is not None


def answering(spec: Spec) -> str:
    """The service that gives the first response: Serve with the applications, or the head where there are none."""
    return SERVE if spec.serve.wanted else HEAD


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
    return os.path.normpath(os.path.join(site.code, os.path.dirname(spec.serve.config or "")))


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


def local_code(app: Any) -> Iterator[str]:
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
