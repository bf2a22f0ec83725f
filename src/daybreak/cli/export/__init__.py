"""daybreak export: files for other tools."""

from __future__ import annotations

import click

from daybreak.cli.common.lazy import LazyGroup

COMMANDS = {
    "compose": "Write a compose.yaml, and what it needs, into DIR.",
    "kuberay": "Write manifests for KubeRay, and what stands beside Ray, into DIR.",
    "ray-cluster": "Write a cluster.yaml for `ray up` on machines of your own into DIR.",
}


@click.group(cls=LazyGroup, package=__name__, lines=COMMANDS)
def export() -> None:
    """Write files that start the same cluster with other tools."""
