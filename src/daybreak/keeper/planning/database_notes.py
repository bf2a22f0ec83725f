"""What the user should know of databases before a change: what stays although it is not asked for any more, and what
changes while the server runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.keeper.wanted.desired import Target
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.machine.databases import data_version
from daybreak.names import HEAD, POSTGRES
from daybreak.run import settling
from daybreak.run.plan import Plan
from daybreak.services.build import Cluster
from daybreak.services.databases.changes import changes, passwords_that_change


def notes(
    cluster: Cluster, stored: WantedState | None, before: Target | None, steps: Plan, observed: tuple[Handle, ...]
) -> Iterator[str]:
    """`stored` is what was last wanted, also of a cluster that is down; `before` what is wanted now."""
    now = cluster.spec.databases.postgres
    was = stored.spec.databases.postgres if stored else None
    runs = any(handle.service == POSTGRES for handle in observed)
    if now is None:
        return
    if was and (runs or data_version(Path(cluster.site.data) / POSTGRES) is not None):
        yield from changes(was, now)
    service = next(one for one in cluster.services if one.name == POSTGRES)
    keeps = any(handle.service == POSTGRES for handle in steps.keep)
    if not (keeps and service.settle and settling.is_due(service.settle)):
        return
    yield "postgres: its roles, passwords, databases and extensions are brought up to date while it runs"
    old = before.cluster.site.secrets if before else {}
    changed = passwords_that_change(now, cluster.site.secrets, old)
    if changed and not steps.starts(HEAD):
        yield f"postgres: what runs knows the old password of {', '.join(changed)} until `daybreak restart`"
