"""`env`: variables for a shell, and how a program is run where the cluster is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daybreak.backends.process.inherited import told_of
from daybreak.errors import NotRunning
from daybreak.keeper.control.request import Request
from daybreak.keeper.runner import Operation
from daybreak.keeper.wanted.desired import Desired
from daybreak.names import HEAD
from daybreak.services.build import Cluster
from daybreak.services.container_site import site_inside
from daybreak.services.ray.environment import TOKEN, TOKEN_FILE, client_env, search_paths, shell_env
from daybreak.services.ray.stand_in import carried, command
from daybreak.services.service import Joined, Secret


@dataclass
class Env:
    """Plain values, and files for what must not be printed."""

    name: str
    desired: Desired

    async def __call__(self, _request: Request, _: Operation) -> dict[str, Any]:
        cluster = self.desired.cluster
        if cluster is None:
            raise NotRunning(self.name)
        env = shell_env(cluster.spec, cluster.site)
        joined = {name: value for name, value in env.items() if isinstance(value, Joined)}
        return {
            "values": {name: value for name, value in env.items() if isinstance(value, str)} | told_of(env),
            "files": {name: value.path for name, value in env.items() if isinstance(value, Secret)},
            "joined": {name: [value.value, value.separator] for name, value in joined.items()},
            # A token of the shell's own would come before the file.
            "unset": [TOKEN] if TOKEN_FILE in env else [],
            "autoscaler_monitor": cluster.spec.ray.autoscaler_monitor,
            "base": cluster.site.base,
            "python": cluster.site.ray.python,
            **_within(cluster),
        }


def _within(cluster: Cluster) -> dict[str, Any]:
    """`within`, the command by which a program is run where the cluster is, if that is a container: its last word is
    the request, whose `argv` is still empty. `carried` is the environment that the program gets there. Nothing where
    any program of this machine can reach the cluster."""
    if cluster.site.engine is None:
        return {}
    inner = site_inside(cluster.site, HEAD)
    env = {**client_env(cluster.spec, inner), **search_paths(inner)}
    return {"within": command(cluster.site, (), inner.base), "carried": carried(cluster.site, env)}
