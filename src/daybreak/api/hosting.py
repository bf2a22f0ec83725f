"""More machines: inviting and removing them, joining and leaving."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daybreak.api.asking import Cluster, status
from daybreak.api.changing import up
from daybreak.api.loading import resolve_name
from daybreak.api.requests import OnMessage, request
from daybreak.errors import NotRunning, PreflightError, UsageError
from daybreak.keeper.control import client
from daybreak.keeper.hosts.membership import FACTS, FOLDER, JoinedFolder, worker_spec
from daybreak.paths import ClusterPaths, state_root


def invite(
    name: str | None = None,
    *,
    minutes: float = 15.0,
    uses: int = 1,
    revoke: bool = False,
    on_message: OnMessage | None = None,
) -> Mapping[str, Any]:
    """Let another machine join, within so many minutes: `place` (HOST:PORT) and `token` are for `join` there. With
    `revoke` all open invitations are ended instead; `revoked` is how many."""
    fields = {"minutes": minutes, "uses": uses, "revoke": revoke}
    return request(_running(resolve_name(name)), "invite", fields, on_message)


def hosts(name: str | None = None) -> list[Mapping[str, Any]]:
    """The other machines of the cluster, each with its state, its nodes, and when it was last heard of."""
    return list(status(name).snapshot.hosts)


def remove_host(host: str, *, name: str | None = None, on_message: OnMessage | None = None) -> Mapping[str, Any]:
    """Drain a host's nodes and take it out of the cluster; it stops them. Raises UsageError where there is none."""
    return request(_running(resolve_name(name)), "remove_host", {"host": host}, on_message)


def join(
    address: str,
    token: str,
    *,
    workers: int = 1,
    name: str | None = None,
    own_address: str | None = None,
    python: str | None = None,
    options: Mapping[str, Any] | None = None,
    on_message: OnMessage | None = None,
) -> Cluster:
    """Make this machine a host of the cluster whose `invite` printed that, and start its share of workers. `options`
    are laid over what the spec there says of workers: `cpus`, `gpus`, `memory`, `resources`, `labels`.

    Raises PreflightError where Ray or Python are others than there, UsageError for a token that does not count.
    """
    from daybreak.keeper.hosts.joining import Wish
    from daybreak.keeper.hosts.joining import join as joined
    from daybreak.keeper.hosts.token import Token

    own = {"count": workers, **(options or {}), **({"python": str(Path(python).absolute())} if python else {})}
    wish = Wish(_place(address), Token.parse(token), _versions(python), name, own_address, own)

    def tell(text: str) -> None:
        if on_message:
            on_message({"note": text})

    paths = asyncio.run(joined(wish, _free, tell))
    return _up(paths, on_message)


def leave(name: str | None = None, *, now: bool = False, on_message: OnMessage | None = None) -> Mapping[str, Any]:
    """Leave the cluster that this machine has joined: its nodes are drained, then stopped. `now` asks nobody.

    Raises UsageError where it is no host, or of several clusters and none is named.
    """
    paths = ClusterPaths.of(name or _only_joined())
    if JoinedFolder(paths).load() is None:
        raise UsageError(f"this machine is no host of a cluster {paths.name}; nothing was changed")
    return request(paths, "leave", {"now": now}, on_message)


def _up(paths: ClusterPaths, on_message: OnMessage | None) -> Cluster:
    from daybreak.spec.load import without_file

    folder = JoinedFolder(paths)
    member = folder.load()
    assert member
    return up(without_file(folder.code, below=worker_spec(member, folder)), on_message=on_message)


def _running(name: str) -> ClusterPaths:
    paths = ClusterPaths.of(name)
    if not client.answers(paths) and not client.anything_recorded(paths):
        raise NotRunning(name)
    return paths


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            f"{text!r} is not HOST:PORT; nothing was changed", hint="copy the whole line that `daybreak invite` prints"
        )
    return host.strip("[]"), int(port)


def _versions(python: str | None) -> Any:
    from daybreak.keeper.hosts.fit import Versions, python_minor
    from daybreak.machine.ray import find_ray
    from daybreak.spec.model import RayExpectation

    try:
        found = find_ray(RayExpectation(python=python), Path.cwd())
    except PreflightError:
        return Versions(None, python_minor(python or sys.executable))
    return Versions(found.version, python_minor(found.python))


def _free(cluster: str) -> ClusterPaths:
    """Raises UsageError where a cluster of this account has the name already."""
    from daybreak.keeper.control.stored_state import Stored

    paths = ClusterPaths.of(cluster)
    stored = Stored.load(paths.wanted)
    own = stored is None or Path(stored.base) == JoinedFolder(paths).code
    if JoinedFolder(paths).load() is not None:
        raise UsageError(
            f"this machine is a host of a cluster {cluster} already; nothing was changed",
            hint=f"`daybreak status -n {cluster}`; `daybreak scale N -n {cluster}` for more workers",
        )
    if not own or client.anything_recorded(paths):
        raise UsageError(
            f"this account has a cluster {cluster} of its own; nothing was changed",
            hint="choose another state folder with DAYBREAK_HOME=/path",
        )
    return paths


def _only_joined() -> str:
    found = sorted(path.parent.parent.name for path in state_root().glob(f"*/{FOLDER}/{FACTS}"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError("this machine is no host of another one's cluster; nothing was changed")
    which = " or ".join(f"-n {each}" for each in found)
    raise UsageError("this machine is a host of several clusters; nothing was changed", hint=which)
