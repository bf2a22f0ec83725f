"""What a PostgreSQL server is set up with: roles, databases, extensions, as scripts are told of them. Pure.

Names hold lower-case letters, digits, `_` and `-` alone, so words of several are kept apart by colons and blanks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from daybreak.names import POSTGRES
from daybreak.services.site import Site
from daybreak.spec.databases import Postgres

# A file of this name, with a digest behind it, says in the data folder what has been set up.
MARKER = "daybreak-setup-"
# Changes with the way in which scripts set up.
VERSION = "3"
# Makes the digest of a short password worth nothing to who does not have it.
SALT = "ray-token"


@dataclass(frozen=True)
class Setup:
    """`roles` have the names of their passwords' files, `databases` those of their owners; the application's is first
    in both. `extensions` are (database, extension), `members` (role, the role that it is a member of)."""

    roles: Mapping[str, str]
    databases: Mapping[str, str]
    extensions: tuple[tuple[str, str], ...]
    members: tuple[tuple[str, str], ...]

    @property
    def words(self) -> tuple[str, str, str, str]:
        """As the scripts are told: `roles`, `databases`, `extensions`, `members`."""
        pairs = (self.roles.items(), self.databases.items(), self.extensions, self.members)
        roles, databases, extensions, members = (" ".join(f"{one}:{other}" for one, other in each) for each in pairs)
        return roles, databases, extensions, members

    @property
    def assigned(self) -> str:
        """The same as the variables of a script."""
        names = ("roles", "databases", "extensions", "members")
        return "".join(f"{name}='{words}'\n" for name, words in zip(names, self.words, strict=True))

    def marker(self, site: Site, *more: str) -> str:
        """A name that changes with what the setup does."""
        passwords = (site.secrets.get(secret, "") for secret in self.roles.values())
        parts = (VERSION, site.secrets.get(SALT, ""), *self.words, *passwords, *more)
        return f"{MARKER}{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:16]}"


def setup_of(wanted: Postgres) -> Setup:
    """What the spec asks for."""
    databases = {wanted.database: wanted.user}
    databases |= {name: about.user or name for name, about in wanted.databases.items()}
    roles = {role: password_of(role) for role in (*databases.values(), *wanted.roles)} | {wanted.user: POSTGRES}
    extensions = [(wanted.database, name) for name in wanted.extensions]
    extensions += [(database, name) for database, about in wanted.databases.items() for name in about.extensions]
    members = [(role, other) for role, about in wanted.roles.items() for other in about.member_of]
    return Setup(roles, databases, tuple(extensions), tuple(members))


def password_of(role: str) -> str:
    """The secret of any role but the application's: no role's name has a dot."""
    return f"{POSTGRES}.{role}"
