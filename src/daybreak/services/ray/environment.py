"""The variables of Ray's own processes, and of those that are to reach the cluster and its databases. Pure."""

from __future__ import annotations

import os.path

from daybreak.services.databases.connections import RAY_TOKEN, connection_env, no_proxy_env
from daybreak.services.handed import node_variables
from daybreak.services.ray import closing, haproxy, profile, state
from daybreak.services.ray.addresses import (
    address,
    client_server_url,
    dashboard_url,
    grafana_url,
    own_dashboard_url,
    prometheus_url,
)
from daybreak.services.service import EnvValue, Joined, Secret
from daybreak.services.site import PACKAGE, Site
from daybreak.spec.model import Node, Spec

# What `ray job` reads, and what `serve` does.
JOBS = ("RAY_API_SERVER_ADDRESS", "RAY_DASHBOARD_ADDRESS")
# Ray takes the token itself, where both are set.
TOKEN, TOKEN_FILE = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


def token(site: Site) -> Secret | None:
    """Ray's token file, where this Ray knows tokens (2.52 and newer) and the spec wants them."""
    return Secret(f"{site.secrets_folder}/{RAY_TOKEN}") if site.ray.has_token_auth else None


def auth_env(site: Site) -> dict[str, str]:
    """Turns Ray's token authentication on, or off although the account may have a token; names the file, never the
    token. The same for its TLS."""
    secret, tls = token(site), tls_env(site)
    if secret is None:
        return tls | ({"RAY_AUTH_MODE": "disabled"} if site.ray.knows_tokens else {})
    return {**tls, "RAY_AUTH_MODE": "token", TOKEN_FILE: secret.path}


def tls_env(site: Site) -> dict[str, str]:
    """What Ray's processes, and all that talk to them, show each other; nothing where they talk in clear."""
    if site.ray_tls is None:
        return {}
    return {
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_CERT": site.ray_tls.certificate,
        "RAY_TLS_SERVER_KEY": site.ray_tls.key,
        "RAY_TLS_CA_CERT": site.ray_tls.authority,
    }


def client_env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """What a shell, a job or one of the user's own services needs to reach the cluster and its databases."""
    env: dict[str, EnvValue] = {"RAY_ADDRESS": _client_address(spec, site)}
    if spec.dashboard:
        env |= dict.fromkeys(JOBS, own_dashboard_url(spec, site))
    if spec.ray.client:
        env["DAYBREAK_RAY_CLIENT"] = client_server_url(site)
    env |= auth_env(site)
    env |= no_proxy_env(spec, site)
    env |= connection_env(spec, site)
    return env


def shell_env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """The same for a shell of this machine: it asks for jobs where it may wait while the head is away, and finds psql
    where PostgreSQL comes from a Python package, which puts it into no PATH."""
    env = client_env(spec, site)
    if spec.databases.postgres and site.postgres and site.postgres.source.endswith(PACKAGE):
        env["PATH"] = Joined(site.postgres.folder, ":")
    return env | dict.fromkeys(JOBS, dashboard_url(spec)) if spec.dashboard else env


def _client_address(spec: Spec, site: Site) -> str:
    """A program of this machine is not in the cluster where that is in containers: Ray's client server takes it in."""
    if site.engine and not site.node and spec.ray.client:
        return client_server_url(site)
    return address(spec, site)


def search_paths(site: Site) -> dict[str, EnvValue]:
    """The application's folder is importable, and `python` is Ray's own: jobs and services call it by that name."""
    return {"PYTHONPATH": Joined(site.base, ":"), "PATH": Joined(os.path.dirname(site.ray.python), ":")}


def ray_env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """What Ray's own processes get besides the search paths.

    An agent that was forked has the template for its parent: it must watch the raylet by its pipe.
    """
    env: dict[str, EnvValue] = {**search_paths(site), **haproxy.env(spec, site), **profile.env(spec, site.ray)}
    return {**env, "RAY_enable_pipe_based_agent_to_parent_health_check": "1"} if spec.warm.enabled else env


def node_env(spec: Spec, node: Node, site: Site) -> dict[str, EnvValue]:
    """What `ray start` of a node gets."""
    env: dict[str, EnvValue] = {
        "RAY_USAGE_STATS_ENABLED": "0",
        **ray_env(spec, site),
        **closing.env(spec, site),
        **no_proxy_env(spec, site),
        **state.node_env(spec),
    }
    return env | auth_env(site) | connection_env(spec, site) | node_variables(spec, node, site.handed)


def chart_env(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """Where Ray's dashboard finds the charts that it embeds."""
    if not site.grafana:
        return {}
    return {"RAY_PROMETHEUS_HOST": prometheus_url(spec), "RAY_GRAFANA_HOST": grafana_url(spec)}
