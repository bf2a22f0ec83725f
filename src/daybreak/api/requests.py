"""Requests that change something: what they carry, and how they are followed to their end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.errors import Interrupted, SpecError
from daybreak.keeper.control import client, owner
from daybreak.keeper.control.error_json import error_from_json
from daybreak.paths import ClusterPaths

if TYPE_CHECKING:
    from daybreak.api.reading import ReadSpec
    from daybreak.spec import LoadedSpec

OnMessage = Callable[[dict[str, Any]], None]
# What can be asked for twice.
REPEATED = frozenset({"down", "prewarm", "pause", "resume"})
# So often in a row a keeper may be killed before a command says so.
MOST_KEEPERS = 4


def payload(spec: LoadedSpec | ReadSpec, take_over: bool) -> dict[str, Any]:
    """Raises SpecError where something of what services are to be handed is not there."""
    if spec.missing:
        raise SpecError(spec.missing)
    return {"take_over": take_over, **spec.to_json()}


def here(name: str) -> dict[str, Any]:
    """Where the cluster's folder is by now, for one whose spec is stored: it may have been moved."""
    here = Path.cwd()
    found = owner.Owner.load(ClusterPaths.of(name))
    return {"base": str(here)} if found and found.is_at(here) else {}


def shell() -> dict[str, Any]:
    """This process's environment: what is started anew gets it, whichever shell the keeper was started from."""
    return {"environment": dict(os.environ)}


def request(paths: ClusterPaths, op: str, fields: dict[str, Any], on_message: OnMessage | None) -> dict[str, Any]:
    """One request that changes something; Ctrl-C cancels it and waits until what it started has been taken down.

    A keeper that is killed meanwhile is replaced by another one, which finishes what was begun: its end is that of the
    request. Raises Interrupted where a second Ctrl-C comes meanwhile: the keeper goes on without being waited for.
    """
    tell = on_message or (lambda _: None)
    try:
        return _asked(paths, op, fields, tell)
    except client.KeeperGone as error:
        gone = error
    again = op in REPEATED or (op == "apply" and not fields.get("restart"))
    for _ in range(MOST_KEEPERS):
        tell({"note": "the keeper went away while it was working: another one finishes what it had begun"})
        try:
            done = {} if op in REPEATED else _asked(paths, "finish", {}, tell)
            if again or done.get("finished") != os.getpid():
                # It changes nothing where all is as it asks, or nothing of it had begun.
                return _asked(paths, op, fields, tell)
            return done
        except client.KeeperGone as error:
            gone = error
    raise gone


def _asked(paths: ClusterPaths, op: str, fields: dict[str, Any], tell: OnMessage) -> dict[str, Any]:
    """The answer of one keeper. Raises KeeperGone where that is killed meanwhile."""
    with client.request(paths, op, pid=os.getpid(), **fields) as connection:
        try:
            return _answer(connection, tell)
        except KeyboardInterrupt:
            connection.cancel()
        try:
            tell({"note": "interrupted: taking down what this run has started"})
            return _answer(connection, tell)
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted again: the keeper goes on taking down what this run has started",
                hint="`daybreak status` shows how far it is",
            ) from None
        except client.KeeperGone:
            raise Interrupted(
                "interrupted, and the keeper went away before it had taken down what this run had started",
                hint="the next keeper finishes what was begun: see `daybreak status`; `daybreak down` ends it",
            ) from None


def _answer(connection: client.Connection, tell: OnMessage) -> dict[str, Any]:
    """The result; what comes before it is told. Raises what the keeper answers with."""
    for message in connection:
        if "error" in message:
            raise error_from_json(message["error"])
        if "result" in message:
            return dict(message["result"])
        tell(message)
    raise AssertionError("an answer ends with a result or an error")
