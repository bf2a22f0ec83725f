"""The Serve applications by name, with their route prefixes, as the spec or Ray's Serve config has them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.services.site import Site
from daybreak.spec.model import Spec


def application_names(spec: Spec, site: Site) -> tuple[str, ...]:
    """The applications that the spec, or Ray's Serve config, has."""
    return tuple(name for name, _ in _applications(spec, site))


def routes(spec: Spec, site: Site) -> tuple[str, ...]:
    """The route prefixes of the applications that have one."""
    return tuple(route for _, route in _applications(spec, site) if route)


def application_routes(spec: Spec, site: Site) -> dict[str, str]:
    """The applications that have a route prefix, by name."""
    return {name: route for name, route in _applications(spec, site) if route}


def _applications(spec: Spec, site: Site) -> Iterator[tuple[str, str | None]]:
    """Names and route prefixes."""
    if site.serve_config is None:
        yield from ((app.name, app.route) for app in spec.serve.applications)
        return
    for app in site.serve_config.get("applications", []):
        yield str(app.get("name", "default")), app.get("route_prefix", "/")
