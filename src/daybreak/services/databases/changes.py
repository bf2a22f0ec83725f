"""What becomes of PostgreSQL's roles and databases where a spec asks for others: nothing stored is lost. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daybreak.services.databases.setup import setup_of
from daybreak.spec.databases import Postgres


def changes(before: Postgres, now: Postgres) -> Iterator[str]:
    """One line for each thing that is in a server's data and is not asked for any more, or not run."""
    old, new = setup_of(before), setup_of(now)
    for name in old.databases:
        if name not in new.databases:
            instead = f"; {now.database} is another one" if name == before.database else ""
            yield f"postgres: the database {name} stays, with what it holds and its owner{instead}"
    for role in old.roles:
        if role not in new.roles:
            same = role == before.user and now.database == before.database
            heir = f"; {now.user} is made a member of it, and may do what it may" if same else ""
            yield f"postgres: the role {role} stays, with its password{heir}"
    if now.init and now.init != before.init:
        yield "databases.postgres.init: these scripts do not run, since the data is there already"


def passwords_that_change(now: Postgres, secrets: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """The roles that had another password until now."""
    roles = setup_of(now).roles.items()
    return [role for role, secret in roles if secret in before and before[secret] != secrets.get(secret)]
