"""daybreak export ray-cluster."""

from __future__ import annotations

import getpass
import re
import shlex
from pathlib import Path

import click

from daybreak.cli.common import options
from daybreak.cli.common.given_spec import load
from daybreak.cli.export.shared import ray_beside, show
from daybreak.errors import UsageError
from daybreak.extras.export.folder import Folder
from daybreak.extras.export.ray_cluster import CLUSTER_FILE, Machines, machines_of
from daybreak.extras.export.ray_cluster import ray_cluster as files
from daybreak.extras.export.target import Target
from daybreak.machine.survey import read_serve_config

MACHINE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?")
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@click.command("ray-cluster")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=True))
@options.spec
@options.profiles
@click.option(
    "--head", metavar="HOST", help="The machine of the head, as SSH reaches it; the spec's `address` if absent."
)
@click.option(
    "--worker", "workers", metavar="HOST", multiple=True, help="A machine of a worker, once for each; else `hosts`."
)
@click.option("--user", metavar="NAME", help="Whom to log in as; if absent whom all of `hosts` say, else you.")
@click.option("--force", is_flag=True, help="Overwrite files that are not, or no longer, as an export wrote them.")
@options.as_json
def ray_cluster(
    folder: str,
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    profiles: options.Words,
    head: str | None,
    workers: tuple[str, ...],
    user: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write a cluster.yaml for `ray up` on machines of your own into DIR.

    \b
    Examples:
      daybreak export ray-cluster deploy          # the machines of `address` and `hosts`
      daybreak export ray-cluster deploy --head 10.0.0.1 --worker 10.0.0.2 --worker 10.0.0.3
      cd deploy && ray up -y cluster.yaml
    """
    loaded = load(file, name=name, app=app, port_offset=port_offset, profiles=profiles)
    machines = machines_of(loaded.spec, head, workers, user, getpass.getuser())
    _check(machines)
    notes: list[str] = []
    target = Target(
        image="",
        ray=ray_beside(loaded, notes),
        serve_config=read_serve_config(loaded.spec, loaded.base),
        base=str(loaded.base),
    )
    export = files(loaded.spec, target, machines, requirements=(loaded.base / "requirements.txt").is_file())
    there = Folder(Path(folder), None, ending="")
    there.check(export, force=force)
    written = there.write(export, there.passwords(export.secrets), {})
    then = f"cd {shlex.quote(folder)} && ray up -y {CLUSTER_FILE}"
    show(Path(folder), export, written, notes, where="`ray up`", then=then, as_json=as_json)


def _check(machines: Machines) -> None:
    """All at once. Raises UsageError."""
    hosts = [machines.head, *machines.workers]
    problems = [f"{host!r} is no host name or address" for host in hosts if not MACHINE.fullmatch(host)]
    problems += [
        f"{host} is given twice: a machine has one node" for host in sorted(set(hosts)) if hosts.count(host) > 1
    ]
    if not USER.fullmatch(machines.user):
        problems.append(f"--user {machines.user!r}: no name of an account")
    if problems:
        raise UsageError("; ".join(problems))
