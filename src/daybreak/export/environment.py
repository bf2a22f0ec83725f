"""What the containers find in their environment. No value of a secret is among it, only its file's path. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from daybreak.export.target import SECRETS
from daybreak.services.base import EnvValue, Secret
from daybreak.services.connections import POSTGRES, REDIS
from daybreak.services.site import Site
from daybreak.spec.model import Spec


def plain(spec: Spec, env: Mapping[str, EnvValue]) -> dict[str, str]:
    """A service's environment as Compose has it.

    A secret becomes NAME_FILE, from which `enter.sh` sets NAME inside the container. What is put in front of a search
    path is left out: the image has its own.
    """
    found: dict[str, str] = {}
    for name, value in env.items():
        if isinstance(value, Secret):
            found[f"{name}_FILE"] = f"{SECRETS}/{PurePosixPath(value.path).name}"
        elif isinstance(value, str):
            found[name] = value
    return found | _postgres_address(spec)


def _postgres_address(spec: Spec) -> dict[str, str]:
    """Its container's, where everything else is as it is outside."""
    return {"PGHOST": POSTGRES, "PGPORT": "5432"} if spec.databases.postgres else {}


def secrets_read(spec: Spec, site: Site) -> list[str]:
    """The secrets that Ray's nodes and the user's own services read."""
    found = ["ray-token"] if site.ray.has_token_auth else []
    found += ["database-url", "pgpass"] if spec.databases.postgres else []
    return found + (["redis-url"] if spec.databases.redis else [])


def secret_values(spec: Spec, passwords: Mapping[str, str]) -> dict[str, str]:
    """What the files hold that are made from the passwords, by name."""
    from urllib.parse import quote

    found: dict[str, str] = {}
    if spec.databases.postgres:
        password = passwords[POSTGRES]
        database = spec.databases.postgres.database
        found["database-url"] = f"postgresql://daybreak:{quote(password, safe='')}@{POSTGRES}:5432/{database}"
        found["pgpass"] = f"*:5432:*:daybreak:{_pgpass(password)}"
    if spec.databases.redis:
        found["redis-url"] = f"redis://:{quote(passwords[REDIS], safe='')}@{REDIS}:6379/0"
    return found


def _pgpass(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")


def user(numbers: tuple[int, int]) -> str:
    """Who a container runs as. The variable is for who copies the folder to an account with other numbers."""
    return f"${{DAYBREAK_USER:-{numbers[0]}:{numbers[1]}}}"


def mounted(names: list[str]) -> dict[str, Any]:
    """`secrets` of a service; none where there are no names."""
    return {"secrets": names} if names else {}
