"""The gateway: HAProxy on the public ports of Serve and Ray's dashboard. It is started once, and outlives restarts of
what answers behind it.

While nothing can answer, requests wait in it: `programs/gateway/hold.lua`. The keeper steers it through its runtime
socket; no configuration is ever loaded anew for that. Always a process of this machine, since a container's published
ports end with the container. Pure.
"""

from __future__ import annotations

from daybreak.names import GATEWAY
from daybreak.services.edge import files, haproxy_config, repeating
from daybreak.services.health import policy
from daybreak.services.ray.claims import of_dashboard
from daybreak.services.ray.serve import public_claims
from daybreak.services.ray.serve_config import serving
from daybreak.services.ray.serve_routes import application_routes
from daybreak.services.service import ConfigFile, Gate, Service, StopPolicy, TcpCheck, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec

# HAProxy binds a socket under a longer name, and renames it.
LONGEST_SOCKET_PATH = 97
# Among the logs, but none of those that a program writes.
ACCESS_SUFFIX = ".access"
# With `down` nobody waits for answers that are under way.
GRACE_S = 2.0


def gateway(spec: Spec, site: Site) -> tuple[Service, ...]:
    """The gateway; none where it has no program, or nothing to stand in front of."""
    at = serving(spec, site)
    if not at.behind_gateway or not spec.serve.wanted:
        return ()
    config = f"{folder(site)}/haproxy.cfg"
    listens = TcpCheck(haproxy_config.reached_at(at.host), at.port)
    service = Service(
        name=GATEWAY,
        tier=Tier.EDGE,
        argv=(site.gateway, "-db", "-f", config),
        cwd=site.root,
        gates=(Gate("listening", listens),),
        health=policy(spec, listens),
        start_timeout_s=spec.start_timeout,
        # HAProxy listens no more at once, and ends when everything that is under way has been answered.
        stop=StopPolicy(signal="SIGUSR1", grace_s=GRACE_S),
        ports=(*public_claims(spec, site), *((of_dashboard(spec),) if spec.dashboard else ())),
        files=(
            ConfigFile(config, haproxy_config.text(spec, site, folder(site))),
            # Told over the runtime socket from then on.
            ConfigFile(state_map(site), "state hold\n", aside=True),
            ConfigFile(shares_map(site), repeating.NOBODY, aside=True),
            ConfigFile(routes_map(site), routes_text(spec, site), aside=True),
            # A certificate that was replaced is told, too.
            *((ConfigFile(tls_file(site), site.tls, aside=True),) if at.tls else ()),
        ),
        folders=(folder(site),),
        # A key that is no longer wanted does not stay.
        discard=(tls_file(site),),
    )
    return (service,)


def folder(site: Site) -> str:
    """Its configuration, its maps and its sockets."""
    return f"{site.runtime}/gw"


def runtime_socket(site: Site) -> str:
    return files.runtime_socket(folder(site))


def log_socket(site: Site) -> str:
    """Where it tells of every request."""
    return files.log_socket(folder(site))


def access_log(site: Site) -> str:
    """One JSON object for each request, where the spec wants that."""
    return f"{site.logs}/{GATEWAY}{ACCESS_SUFFIX}"


def state_map(site: Site) -> str:
    return files.state_map(folder(site))


def shares_map(site: Site) -> str:
    return files.shares_map(folder(site))


def routes_map(site: Site) -> str:
    return files.routes_map(folder(site))


def tls_file(site: Site) -> str:
    """Certificate and key, for HAProxy alone."""
    return files.tls_file(folder(site))


def page_file(site: Site) -> str:
    return files.page_file(folder(site))


def routes_text(spec: Spec, site: Site) -> str:
    """Which application answers below which route, one a line."""
    return "".join(f"{route} {name}\n" for name, route in application_routes(spec, site).items())


def hindrance(spec: Spec, site: Site) -> str:
    """Why there can be no gateway, whatever is installed; empty where there can."""
    at = serving(spec, site)
    if not at.http:
        return "Serve has no HTTP proxy"
    if at.own_tls and not site.tls:
        return f"{spec.serve.config} asks for TLS, and {site.tls_note or 'its certificate is not known'}"
    if len(runtime_socket(site).encode()) > LONGEST_SOCKET_PATH:
        return f"the path of its socket is too long: {runtime_socket(site)}"
    return ""
