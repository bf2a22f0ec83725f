"""daybreak install: a cluster that starts with the machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.counts import words_of
from daybreak.cli.common.given_spec import given_or_stored
from daybreak.errors import UsageError
from daybreak.extras.boot import systemd
from daybreak.extras.boot.unit import Unit
from daybreak.keeper.control.owner import Owner
from daybreak.keeper.control.stored_state import Stored
from daybreak.paths import HOME, RUNTIME, ClusterPaths
from daybreak.spec.find import spec_files
from daybreak.spec.groups import Counts
from daybreak.spec.interpolation import looks_secret
from daybreak.spec.variables import FILE as VARIABLES
from daybreak.spec.variables import Variables

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec

# Of the shell: what the clusters' places are, and where programs are found.
ALSO = ("XDG_STATE_HOME",)


@click.command()
@options.workers
@options.spec
@options.profiles
@click.option("--now", is_flag=True, help="Start it as well.")
@click.option("--print", "only_print", is_flag=True, help="Print the unit, and write nothing.")
def install(
    workers: Counts | None,
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    profiles: options.Words,
    now: bool,
    only_print: bool,
) -> None:
    """Let the cluster start with the machine: write a unit of systemd, and enable it.

    Root's is a system unit, anybody else's one of their own manager. The options are those of `up`, which it runs. From
    then on `systemctl start`, `stop`, `restart`, `reload` and `journalctl` work on it as on any other service.

    \b
    Examples:
      daybreak install           start it at the next boot
      daybreak install 3 --now   with three workers; start it at once as well
      daybreak install --print   show the unit
    """
    spec = given_or_stored(workers, app, name, file, port_offset, profiles=profiles)
    cluster = spec.spec.name if spec else api.resolve_name(name)
    words = _words(workers, app, file, port_offset, profiles)
    environment = _environment(cluster) | _for_the_unit(spec.variables if spec else {})
    unit = Unit(cluster, _folder(cluster), _program(), words, environment, systemd.is_system())
    _tell_of(spec, environment)
    if only_print:
        print(unit.text(), end="")
        return
    written = systemd.install(unit, now=now)
    print(written)
    kind = "" if unit.system else "--user "
    does = "starts now, and with the machine" if now else "starts with the machine"
    print(f"{cluster} {does}: systemctl {kind}status {unit.name}", file=sys.stderr)
    if not systemd.lingers():
        print("note: only while you are logged in; to start it at boot: loginctl enable-linger", file=sys.stderr)
    if spec and (others := _other_options(cluster, spec.spec.model_dump(mode="json", by_alias=True))):
        print(f"note: it runs with other {', '.join(others)} now than it will start with", file=sys.stderr)


def _words(
    workers: Counts | None,
    app: str | None,
    file: options.Words,
    port_offset: int | None,
    profiles: options.Words,
) -> list[str]:
    """The options as `up` takes them; paths as they are seen from anywhere."""
    found = words_of(workers)
    found += [] if app is None else ["--app", app]
    for one in spec_files(file, Path.cwd()) if file else ():
        found += ["--file", str(one.absolute())]
    for profile in profiles or ():
        found += ["--profile", profile]
    return found + ([] if port_offset is None else ["--port-offset", str(port_offset)])


def _for_the_unit(variables: Mapping[str, str]) -> dict[str, str]:
    """The spec's variables, so that it means the same when the machine starts. A unit can be read by everybody: what
    looks like a secret does not go there."""
    return {name: value for name, value in variables.items() if not looks_secret(name)}


def _of_this_shell(spec: LoadedSpec) -> set[str]:
    """The variables that hold secrets and that this shell alone has set."""
    from daybreak.spec.handing import source_variables, used_secrets

    used = {spec.spec.secrets[name].environment for name in used_secrets(spec.spec)} & source_variables(spec.spec)
    of_file = Variables(spec.base, {})
    return {name for name in used if name and of_file(name) is None}


def _tell_of(spec: LoadedSpec | None, environment: Mapping[str, str]) -> None:
    """What of the spec's variables is in the unit, and what is not."""
    if spec is None:
        return
    if given := sorted(spec.variables.keys() & environment.keys()):
        print(f"note: the unit has the values that this shell has now of {', '.join(given)}", file=sys.stderr)
    if left_out := sorted({*spec.variables, *_of_this_shell(spec)} - environment.keys()):
        where = f"write it into {spec.base / VARIABLES}"
        print(f"warning: {', '.join(left_out)} is not set when the machine starts: {where}", file=sys.stderr)


def _folder(cluster: str) -> str:
    """The cluster's, or this one for a cluster that is nobody's yet."""
    found = Owner.load(ClusterPaths.of(cluster))
    return found.folder if found and found.folder else str(Path.cwd())


def _program() -> str:
    """This command, where systemd finds it."""
    beside = Path(sys.executable).with_name("daybreak")
    found = str(beside) if beside.exists() else shutil.which("daybreak")
    if found is None:
        raise UsageError("there is no command `daybreak` that systemd could run", hint="install the package")
    return found


def _environment(cluster: str) -> dict[str, str]:
    """What systemd would not give it: where programs are, and where clusters are if that is said."""
    found = {"PATH": os.environ.get("PATH", os.defpath)}
    paths = ClusterPaths.of(cluster)
    if any(os.environ.get(name) for name in (HOME, *ALSO)):
        found[HOME] = str(paths.root.parent)
    if os.environ.get(RUNTIME):
        found[RUNTIME] = str(paths.runtime.parent)
    return found


def _other_options(cluster: str, wanted: dict[str, object]) -> list[str]:
    """The keys in which what runs differs from what the unit starts."""
    stored = Stored.load(ClusterPaths.of(cluster).wanted)
    if stored is None:
        return []
    return sorted(key for key in wanted.keys() | stored.spec.keys() if wanted.get(key) != stored.spec.get(key))
