"""What is wrong with a Ray Serve config that can be known without Ray: with the line, before anything starts.

Ray's own schema has the last word, in Ray's interpreter. This knows what people most often take for such a file, and
what Ray itself finds out too late.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from daybreak.errors import Problem
from daybreak.spec.document import Document, KeyPath, dotted
from daybreak.spec.model import IMPORT_PATTERN, ROUTE_PREFIX_PATTERN

MANIFEST_KEYS = ("apiVersion", "kind")
LOCATIONS = ("HeadOnly", "EveryNode", "Disabled")
DEFAULT_NAME, DEFAULT_ROUTE = "default", "/"
DEFAULT_GRPC_PORT = 9000
HIGHEST_PORT = 65535
BUILD = "`serve build app:main -o serve.yaml` writes one"
# Where a config may name a port.
HTTP_PORT: KeyPath = ("http_options", "port")
GRPC_PORT: KeyPath = ("grpc_options", "port")


def problems(document: Document) -> list[Problem]:
    """Everything wrong, in the file's order."""
    data = document.data
    if all(key in data for key in MANIFEST_KEYS):
        return [_manifest(document)]
    found = list(_options(document))
    if not isinstance(data.get("applications"), list) or not data["applications"]:
        found.append(_no_applications(document))
    else:
        found += _applications(document)
    return sorted(found, key=lambda problem: problem.line or 0)


def ports(data: Mapping[str, Any]) -> dict[KeyPath, int]:
    """The ports that the config itself names, or means by what it names, by their places."""
    found: dict[KeyPath, int] = {}
    http, grpc = _section(data, "http_options"), _section(data, "grpc_options")
    if _is_port(http.get("port")):
        found[HTTP_PORT] = http["port"]
    if grpc.get("grpc_servicer_functions") and _is_port(grpc.get("port", DEFAULT_GRPC_PORT)):
        found[GRPC_PORT] = grpc.get("port", DEFAULT_GRPC_PORT)
    return found


def _problem(document: Document, path: KeyPath, message: str, hint: str | None = None) -> Problem:
    return Problem(message, key=dotted(path), file=document.label, line=document.line(path), hint=hint)


def _manifest(document: Document) -> Problem:
    kind = document.data["kind"]
    hint = "`serve.config` takes what Ray Serve's `serve deploy` takes"
    if _section(document.data, "spec").get("serveConfigV2"):
        hint = "write what stands below spec.serveConfigV2 into a file of its own, and name that"
    return _problem(document, ("kind",), f"is a manifest of Kubernetes ({kind}), not a Serve config", hint)


def _no_applications(document: Document) -> Problem:
    data = document.data
    if "import_path" in data:
        hint = "write it below `applications:`, as `- name: ...` with the rest of its keys"
        return _problem(document, ("import_path",), "is a config of one application, not of a list of them", hint)
    if "applications" not in data:
        return _problem(document, (), "has no `applications`, so it is not a Serve config", BUILD)
    written = data["applications"]
    message = "give a list of applications" if written not in (None, [], {}) else "lists no application"
    return _problem(document, ("applications",), message, BUILD)


def _applications(document: Document) -> Iterator[Problem]:
    names: dict[str, int] = {}
    routes: dict[str, int] = {}
    for index, app in enumerate(document.data["applications"]):
        path: KeyPath = ("applications", index)
        if not isinstance(app, dict):
            yield _problem(document, path, "give a mapping with `import_path`, `name` and `route_prefix`")
            continue
        yield from _import_path(document, path, app)
        for key, seen, value in (
            ("name", names, app.get("name", DEFAULT_NAME)),
            ("route_prefix", routes, app.get("route_prefix", DEFAULT_ROUTE)),
        ):
            if key == "route_prefix" and isinstance(value, str) and not re.search(ROUTE_PREFIX_PATTERN, value):
                yield _route(document, path, value)
            elif isinstance(value, str) and value in seen:
                message = f"{value} is also that of applications[{seen[value]}]"
                yield _problem(document, (*path, key), message, f"give each application a {key} of its own")
            elif isinstance(value, str):
                seen[value] = index


def _import_path(document: Document, path: KeyPath, app: Mapping[str, Any]) -> Iterator[Problem]:
    if "import_path" not in app:
        yield _problem(document, (*path, "import_path"), "is required, such as app:main")
    elif not isinstance(app["import_path"], str) or not re.search(IMPORT_PATTERN, app["import_path"]):
        message = f"give module:attribute, such as app:main; not {app['import_path']!r}"
        yield _problem(document, (*path, "import_path"), message)


def _route(document: Document, path: KeyPath, route: str) -> Problem:
    plain = re.sub(r"\{[^{}]*\}?", "", route).strip("/")
    message = f"must begin with '/' and not end with it, without {{ and }}; not '{route}'"
    return _problem(document, (*path, "route_prefix"), message, f"write /{plain}")


def _options(document: Document) -> Iterator[Problem]:
    data = document.data
    for section in ("http_options", "grpc_options"):
        value = _section(data, section).get("port", 1)
        if not _is_port(value):
            yield _problem(document, (section, "port"), f"give a port from 1 to {HIGHEST_PORT}, not {value!r}")
        if section in data and not isinstance(data[section], dict):
            yield _problem(document, (section,), "give a mapping of keys to values, or leave it out")
    location = data.get("proxy_location", LOCATIONS[0])
    if location not in LOCATIONS:
        yield _problem(document, ("proxy_location",), f"must be one of {', '.join(LOCATIONS)}; not {location!r}")


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= HIGHEST_PORT
