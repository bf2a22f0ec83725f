"""The applications, as Serve's own config file has them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daybreak.extras.export.text import dumped
from daybreak.services.ray.serve_config import is_local, local_code
from daybreak.spec.model import Spec

# KubeRay's own: its service leads to it.
PORT, GRPC_PORT = 8000, 9000
TLS = "ssl_"


def serve_config(spec: Spec, given: Mapping[str, Any] | None) -> str:
    """`serveConfigV2`: every node has its proxy, at the usual ports."""
    config = _of_file(given) if given is not None else {"applications": [_application(app) for app in _written(spec)]}
    return dumped({"proxy_location": "EveryNode", "http_options": {"host": "0.0.0.0", "port": PORT}, **config})


def left_out(given: Mapping[str, Any] | None) -> Iterator[str]:
    """What of a Serve config file is not taken over."""
    if given is None:
        return
    options = given.get("http_options") or {}
    if options.get("port") not in (None, PORT):
        yield f"serve.config: http_options.port {options['port']} becomes {PORT}, which KubeRay's service leads to"
    if given.get("proxy_location") not in (None, "EveryNode"):
        yield f"serve.config: proxy_location {given['proxy_location']} becomes EveryNode: each pod has its own port"
    if any(name.startswith(TLS) for name in options):
        yield "serve.config: http_options.ssl_* name files that the pods have not; let the ingress speak TLS"
    for place in sorted({place for app in given.get("applications") or () for place in local_code(app)}):
        yield f"serve.config: {place} is a folder of this machine; the image has the code, in /app"


def _written(spec: Spec) -> list[dict[str, Any]]:
    return [app.model_dump(by_alias=True) for app in spec.serve.applications]


def _application(app: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {"args": app["args"]} if app["args"] else {}
    return {"name": app["name"], "route_prefix": app["route"], "import_path": app["import"], **arguments}


def _of_file(given: Mapping[str, Any]) -> dict[str, Any]:
    own = given.get("http_options") or {}
    options = {name: value for name, value in own.items() if not name.startswith(TLS)}
    config = {**given, "proxy_location": "EveryNode", "http_options": {**options, "host": "0.0.0.0", "port": PORT}}
    config["applications"] = [_without_local_code(app) for app in given.get("applications") or ()]
    return config


def _without_local_code(app: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(app)
    if "runtime_env" in made:
        made["runtime_env"] = _elsewhere(made["runtime_env"])
    if made.get("deployments"):
        made["deployments"] = [_deployment(one) for one in made["deployments"]]
    return made


def _deployment(one: Mapping[str, Any]) -> dict[str, Any]:
    options = one.get("ray_actor_options") or {}
    if "runtime_env" not in options:
        return dict(one)
    return {**one, "ray_actor_options": {**options, "runtime_env": _elsewhere(options["runtime_env"])}}


def _elsewhere(environment: Mapping[str, Any] | None) -> dict[str, Any]:
    """What every node can get."""
    made = dict(environment or {})
    if is_local(made.get("working_dir")):
        del made["working_dir"]
    modules = made.get("py_modules")
    if isinstance(modules, list):
        made["py_modules"] = [path for path in modules if not is_local(path)]
        if not made["py_modules"]:
            del made["py_modules"]
    return made
