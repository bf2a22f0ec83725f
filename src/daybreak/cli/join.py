"""daybreak join."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import follow
from daybreak.errors import UsageError

TOKEN_VARIABLE = "DAYBREAK_JOIN_TOKEN"  # noqa: S105


@click.command()
@click.argument("address", metavar="HOST:PORT")
@click.option(
    "--token",
    required=True,
    envvar=TOKEN_VARIABLE,
    show_envvar=True,
    help="The token that `daybreak invite` has printed. Where others have accounts, who see each command's words, "
    "give it by the variable.",
)
@click.option("--workers", type=click.IntRange(0, 1000), default=1, show_default=True, help="Worker nodes here.")
@click.option("--name", "called", metavar="NAME", help="What this machine is called there; its host name if absent.")
@click.option("--address", "own", metavar="IP", help="This machine's address for the others; found out if absent.")
@click.option("--group", metavar="NAME", help="Of which group of the spec's `workers.groups` they are.")
@click.option("--cpus", help="CPUs of each worker, such as 8, all or share; as the spec there says if absent.")
@click.option("--gpus", type=click.IntRange(0), help="GPUs of each worker.")
@click.option("--memory", help="Memory of each worker for tasks and actors, such as 16GiB.")
@click.option("--label", "labels", metavar="NAME=VALUE", multiple=True, help="A label of its nodes; several times.")
@click.option("--python", metavar="PATH", help="The interpreter that has Ray; daybreak's own if absent.")
@click.option("--own", "said", hidden=True, help="What a first machine's spec says of the workers here, as JSON.")
@options.as_json
@options.verbose
def join(
    address: str,
    token: str,
    workers: int,
    called: str | None,
    own: str | None,
    group: str | None,
    cpus: str | None,
    gpus: int | None,
    memory: str | None,
    labels: tuple[str, ...],
    python: str | None,
    said: str | None,
    as_json: bool,
) -> None:
    """Let this machine join the cluster of another one, and start workers here.

    It must have the same Ray, and the same minor version of Python. It has a cluster of the same name from then on:
    `daybreak status -n NAME` and the other commands work here, too. After a reboot `daybreak up -n NAME` starts it.

    \b
    Examples:
      daybreak join 10.0.0.5:6381 --token TOKEN
      DAYBREAK_JOIN_TOKEN=TOKEN daybreak join 10.0.0.5:6381
      daybreak join 10.0.0.5:6381 --token TOKEN --workers 2 --cpus 8 --name big-one
    """
    # No process that is started here needs it.
    os.environ.pop(TOKEN_VARIABLE, None)
    given: dict[str, Any] = {"group": group, "cpus": cpus, "gpus": gpus, "memory": memory, "labels": _labels(labels)}
    chosen = {key: value for key, value in given.items() if value not in (None, {})}

    if said:
        chosen = dict(json.loads(said))
        workers = chosen.pop("count", workers)

    def change(on_message: api.OnMessage) -> api.Cluster:
        here: dict[str, Any] = {"name": called, "own_address": own, "python": python, "options": chosen}
        return api.join(address, token, workers=workers, **here, on_message=on_message)

    follow(change, as_json=as_json)


def _labels(given: tuple[str, ...]) -> dict[str, str]:
    """Raises UsageError for what is no label."""
    if wrong := [label for label in given if "=" not in label.strip("=")]:
        raise UsageError(f"--label {wrong[0]} is not NAME=VALUE; nothing was changed")
    return dict(label.split("=", 1) for label in given)
